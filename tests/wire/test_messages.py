"""Anthropic's messages: what is read of them, and how they are changed."""

import json
from typing import Any

import pytest

from gateway.wire.messages import MESSAGES_ANSWER, MESSAGES_EVENT
from gateway.wire.parts import Key, Usage
from gateway.wire.verbatim import INVALID


def event(kind: str, **more: Any) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), json.dumps({"type": kind, **more}).encode())


def delta(index: int, **delta: Any) -> bytes:
    return event("content_block_delta", index=index, delta=delta)


def parts(raw: bytes) -> list[tuple[Any, ...]]:
    return [tuple(part) for part in MESSAGES_EVENT.parts(MESSAGES_EVENT.decode(raw))]


def test_parts_of_events() -> None:
    assert parts(delta(1, type="text_delta", text="a")) == [(0, "text", 1, "a")]
    assert parts(delta(2, type="thinking_delta", thinking="b")) == [(0, "reasoning", 2, "b")]
    assert parts(delta(3, type="input_json_delta", partial_json="{")) == [(0, "tool_args", 3, "{")]
    assert parts(delta(3, type="signature_delta", signature="x")) == []
    assert parts(event("content_block_start", index=4, content_block={"type": "text", "text": "c"})) == [
        (0, "text", 4, "c")
    ]
    opening = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    for nothing in (
        event("content_block_start", index=0, content_block=opening),
        event("ping"),
        event("message_stop"),
        b": comment\n\n",
    ):
        assert parts(nothing) == []


WHOLE: dict[str, Any] = {
    "type": "message",
    "content": [
        {"type": "thinking", "thinking": "t", "signature": "s"},
        {"type": "text", "text": "a"},
        {"type": "tool_use", "id": "x", "name": "f", "input": {"q": "b"}},
    ],
    "stop_reason": "tool_use",
    "usage": {"input_tokens": 5, "output_tokens": 7, "cache_read_input_tokens": 2, "cache_creation_input_tokens": 1},
}


def test_a_whole_answer() -> None:
    doc = MESSAGES_ANSWER.decode(json.dumps(WHOLE).encode())
    assert MESSAGES_ANSWER.parts(doc) == [
        (0, "reasoning", 0, "t"),
        (0, "text", 1, "a"),
        (0, "tool_args", 2, '{"q": "b"}'),
    ]
    assert MESSAGES_ANSWER.usage(doc) == Usage(8, 7, 2, 1)
    assert MESSAGES_ANSWER.finish(doc) == "tool_use"
    assert MESSAGES_ANSWER.has_content(doc)
    assert MESSAGES_ANSWER.closes(doc, Key(0, "text", 1))
    assert not MESSAGES_ANSWER.trailer(doc)


def test_usage_is_told_in_two_events() -> None:
    start = MESSAGES_EVENT.decode(event("message_start", message={"usage": {"input_tokens": 5, "output_tokens": 1}}))
    end = MESSAGES_EVENT.decode(event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 9}))
    first, last = MESSAGES_EVENT.usage(start), MESSAGES_EVENT.usage(end)
    assert first is not None
    assert last is not None
    assert first.merge(last) == Usage(5, 9)
    assert MESSAGES_EVENT.finish(end) == "end_turn"
    assert MESSAGES_EVENT.usage(MESSAGES_EVENT.decode(event("ping"))) is None


def test_usage_tells_of_thinking() -> None:
    report = {"input_tokens": 5, "output_tokens": 9, "output_tokens_details": {"thinking_tokens": 4}}
    doc = MESSAGES_ANSWER.decode(json.dumps({"content": [], "usage": report}).encode())
    assert MESSAGES_ANSWER.usage(doc) == Usage(5, 9, reasoning=4)
    changed = MESSAGES_ANSWER.with_usage(b'{"content":[]}', Usage(5, 9, reasoning=4))
    assert MESSAGES_ANSWER.usage(MESSAGES_ANSWER.decode(changed)) == Usage(5, 9, reasoning=4)


@pytest.mark.parametrize("report", [[], "x", {"input_tokens": "5"}])
def test_a_strange_report_of_usage_costs_no_answer(report: Any) -> None:
    assert MESSAGES_EVENT.usage(MESSAGES_EVENT.decode(event("message_delta", delta={}, usage=report))) is None


def test_has_content() -> None:
    def content(raw: bytes) -> bool:
        return MESSAGES_EVENT.has_content(MESSAGES_EVENT.decode(raw))

    assert not content(event("message_start", message={"content": []}))
    assert not content(event("content_block_start", index=0, content_block={"type": "text", "text": ""}))
    assert not content(event("content_block_start", index=0, content_block={"type": "thinking", "thinking": ""}))
    assert not content(delta(0, type="text_delta", text=""))
    assert content(delta(0, type="text_delta", text="a"))
    assert content(event("content_block_start", index=0, content_block={"type": "tool_use", "input": {}}))
    assert content(event("content_block_start", index=0, content_block={"type": "web_search_tool_result"}))


def test_what_closes_a_block() -> None:
    def closes(raw: bytes) -> list[bool]:
        doc = MESSAGES_EVENT.decode(raw)
        found = [MESSAGES_EVENT.closes(doc, Key(0, "text", index)) for index in (0, 1)]
        assert MESSAGES_EVENT.ends(doc) is any(found)
        return found

    assert closes(event("content_block_stop", index=1)) == [False, True]
    assert closes(event("message_delta", delta={"stop_reason": "end_turn"})) == [True, True]
    assert closes(event("message_stop")) == [True, True]
    assert closes(delta(1, type="text_delta", text="a")) == [False, False]


def test_replace_changes_the_text_and_nothing_else() -> None:
    raw = (
        b'event: content_block_delta\ndata: {"type":"content_block_delta","index":1,"x":1.00,'
        b'"delta":{"type":"text_delta","text":"SECRET","y":1e400}}\n\n'
    )
    assert MESSAGES_EVENT.replace(raw, Key(0, "text", 1), "new") == raw.replace(b"SECRET", b"new")


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        ("reasoning", delta(1, type="thinking_delta", thinking="SECRET")),
        ("tool_args", delta(1, type="input_json_delta", partial_json="SECRET")),
        ("text", event("content_block_start", index=1, content_block={"type": "text", "text": "SECRET"})),
    ],
)
def test_each_kind_of_text_is_replaced(kind: Any, raw: bytes) -> None:
    after = MESSAGES_EVENT.replace(raw, Key(0, kind, 1), "new")
    assert json.loads(MESSAGES_EVENT.source(after)) == json.loads(MESSAGES_EVENT.source(raw.replace(b"SECRET", b"new")))


def test_a_whole_answer_is_replaced() -> None:
    raw = json.dumps(WHOLE).encode()
    after = MESSAGES_ANSWER.replace(raw, Key(0, "tool_args", 2), '{"q": 1.00, "n": 123456789012345678901234567890}')
    assert b'"input":{"q": 1.00, "n": 123456789012345678901234567890}' in after
    after = MESSAGES_ANSWER.replace(after, Key(0, "text", 1), "new")
    after = MESSAGES_ANSWER.replace(after, Key(0, "reasoning", 0), "other")
    texts = [part.text for part in MESSAGES_ANSWER.parts(MESSAGES_ANSWER.decode(after))]
    assert texts == ["other", "new", '{"q": 1.00, "n": 123456789012345678901234567890}']


@pytest.mark.parametrize("text", ['{"q": "', "[]", "1", '{"q": "a"b"}', ""])
def test_an_input_that_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(INVALID):
        MESSAGES_ANSWER.replace(json.dumps(WHOLE).encode(), Key(0, "tool_args", 2), text)


def test_like() -> None:
    after = MESSAGES_EVENT.like(b"", Key(0, "reasoning", 3), "t")
    assert after.startswith(b"event: content_block_delta\ndata: ")
    assert json.loads(MESSAGES_EVENT.source(after)) == {
        "type": "content_block_delta",
        "index": 3,
        "delta": {"type": "thinking_delta", "thinking": "t"},
    }


def test_with_usage() -> None:
    new = Usage(10, 20, 3, 4)
    for raw in (
        event("message_start", message={"id": "m", "usage": {"input_tokens": 1}}),
        event("message_start", message={"id": "m", "usage": None}),
        event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 1}),
        event("message_delta", delta={"stop_reason": "end_turn"}),
    ):
        after = MESSAGES_EVENT.with_usage(raw, new)
        assert after.split(b"\n")[0] == raw.split(b"\n")[0]
        assert MESSAGES_EVENT.usage(MESSAGES_EVENT.decode(after)) == new
    whole = MESSAGES_ANSWER.with_usage(json.dumps(WHOLE).encode(), Usage(1, 2))
    assert MESSAGES_ANSWER.usage(MESSAGES_ANSWER.decode(whole)) == Usage(1, 2)


def test_codecs_know_their_events() -> None:
    assert MESSAGES_ANSWER.event() is MESSAGES_EVENT
    assert MESSAGES_EVENT.event() is MESSAGES_EVENT
