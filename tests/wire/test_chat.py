"""OpenAI's chat completions: what is read of them, and how they are changed."""

import json
from typing import Any

import pytest

from gateway.wire.chat import CHAT_ANSWER, CHAT_EVENT, FUNCTION_CALL
from gateway.wire.codec import Codec
from gateway.wire.parts import Key, Part, Usage
from gateway.wire.sse import DONE, frame
from gateway.wire.verbatim import INVALID


def event(*choices: dict[str, Any], **top: Any) -> bytes:
    return frame(json.dumps({"id": "c", **top, "choices": list(choices)}).encode())


def delta(**delta: Any) -> bytes:
    return event({"index": 0, "delta": delta})


def parts(raw: bytes, codec: Codec = CHAT_EVENT) -> list[Part]:
    return list(codec.parts(codec.decode(raw)))


def replaced(raw: bytes, key: Key, text: str, codec: Codec = CHAT_EVENT) -> Any:
    return json.loads(codec.source(codec.replace(raw, key, text)))


def content(raw: bytes) -> bool:
    return CHAT_EVENT.has_content(CHAT_EVENT.decode(raw))


def test_parts_of_an_event() -> None:
    raw = event(
        {"index": 1, "delta": {"content": "a", "reasoning_content": "b", "reasoning": "c", "refusal": "d"}},
        {
            "index": 0,
            "delta": {
                "tool_calls": [
                    {"index": 2, "function": {"arguments": "{"}},
                    {"index": 3, "custom": {"input": "x"}},
                    {"index": 4, "function": {"name": "f", "arguments": ""}},
                ],
                "function_call": {"arguments": "}"},
            },
        },
    )
    assert parts(raw) == [
        (1, "text", 0, "a"),
        (1, "reasoning", 0, "b"),
        (1, "reasoning", 1, "c"),
        (1, "refusal", 0, "d"),
        (0, "tool_args", 2, "{"),
        (0, "tool_args", 3, "x"),
        (0, "tool_args", FUNCTION_CALL, "}"),
    ]


def test_parts_of_a_whole_answer() -> None:
    message = {
        "content": [{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}],
        "tool_calls": [{"id": "x", "function": {"arguments": "1"}}, {"id": "y", "custom": {"input": "2"}}],
    }
    raw = json.dumps({"choices": [{"index": 0, "message": message}]}).encode()
    assert parts(raw, CHAT_ANSWER) == [
        (0, "text", 0, "a"),
        (0, "text", 2, "b"),
        (0, "tool_args", 0, "1"),
        (0, "tool_args", 1, "2"),
    ]


def test_what_carries_nothing_has_no_parts() -> None:
    for raw in (DONE, b": ping\n\n", delta(), delta(content=None), delta(content=""), event(), event(choices=None)):
        assert parts(raw) == []
        assert not content(raw)


def test_choices_without_index_have_that_of_their_place() -> None:
    raw = event({"delta": {"content": "a"}}, {"index": None, "delta": {"content": "b"}, "finish_reason": "stop"})
    assert parts(raw) == [(0, "text", 0, "a"), (1, "text", 0, "b")]
    doc = CHAT_EVENT.decode(raw)
    assert [CHAT_EVENT.closes(doc, Key(choice, "text", 0)) for choice in (0, 1)] == [False, True]
    choices = replaced(raw, Key(1, "text", 0), "x")["choices"]
    assert [choice["delta"]["content"] for choice in choices] == ["a", "x"]


def test_calls_that_all_have_index_0_are_apart_by_their_ids() -> None:
    calls = [{"index": 0, "id": name, "function": {"arguments": name}} for name in ("a", "b")]
    raw = delta(tool_calls=calls)
    assert parts(raw) == [(0, "tool_args", 0, "a"), (0, "tool_args", 1, "b")]
    after = replaced(raw, Key(0, "tool_args", 1), "x")["choices"][0]["delta"]["tool_calls"]
    assert [call["function"]["arguments"] for call in after] == ["a", "x"]


def test_a_text_that_one_event_continues_twice_is_one_part() -> None:
    raw = event(
        {
            "index": 0,
            "delta": {"content": "a", "tool_calls": [{"index": 0, "id": "i", "function": {"arguments": "1"}}]},
        },
        {"index": 0, "delta": {"content": "b", "tool_calls": [{"index": 0, "function": {"arguments": "2"}}]}},
    )
    assert parts(raw) == [(0, "text", 0, "ab"), (0, "tool_args", 0, "12")]
    after = replaced(raw, Key(0, "text", 0), "x")
    assert [choice["delta"]["content"] for choice in after["choices"]] == ["x", ""]
    after = replaced(raw, Key(0, "tool_args", 0), "y")
    calls = [choice["delta"]["tool_calls"][0]["function"]["arguments"] for choice in after["choices"]]
    assert calls == ["y", ""]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (delta(role="assistant", content=""), False),
        (delta(role="assistant", content=None, refusal=None, audio=None, tool_calls=[]), False),
        (delta(content="a"), True),
        (delta(refusal="a"), True),
        (delta(reasoning="a"), True),
        (delta(reasoning_content="a"), True),
        (delta(tool_calls=[{"index": 0, "id": "x", "function": {"name": "f", "arguments": ""}}]), True),
        (delta(function_call={"name": "f"}), True),
        (delta(audio={"id": "a"}), True),
        (delta(audio={}), True),
        (event(usage={"prompt_tokens": 1}), False),
    ],
)
def test_has_content(raw: bytes, expected: bool) -> None:
    assert content(raw) is expected


def test_finish_ends_and_closes_its_own_choice() -> None:
    doc = CHAT_EVENT.decode(event({"index": 1, "delta": {}, "finish_reason": "stop"}))
    assert CHAT_EVENT.finish(doc) == "stop"
    assert CHAT_EVENT.ends(doc)
    assert CHAT_EVENT.closes(doc, Key(1, "tool_args", 4))
    assert not CHAT_EVENT.closes(doc, Key(0, "text", 0))
    assert not CHAT_EVENT.ends(CHAT_EVENT.decode(delta(content="a")))


def test_the_end_mark_ends_and_closes_all() -> None:
    doc = CHAT_EVENT.decode(DONE)
    assert CHAT_EVENT.ends(doc)
    assert CHAT_EVENT.finish(doc) is None
    assert CHAT_EVENT.closes(doc, Key(7, "text", 0))


def test_usage() -> None:
    def usage(**report: Any) -> Usage | None:
        return CHAT_EVENT.usage(CHAT_EVENT.decode(event(usage=report)))

    details = {"prompt_tokens_details": {"cached_tokens": 2}, "completion_tokens_details": {"reasoning_tokens": 3}}
    assert usage(prompt_tokens=5, completion_tokens=7, **details) == Usage(5, 7, 2, 0, 3)
    assert usage(prompt_tokens=5, completion_tokens=None, prompt_tokens_details=None) == Usage(5)
    assert usage(prompt_tokens=5.0, completion_tokens=7.0) == Usage(5, 7)
    assert usage() == Usage()
    assert CHAT_EVENT.usage(CHAT_EVENT.decode(event(usage=None))) is None
    assert CHAT_EVENT.usage(CHAT_EVENT.decode(event())) is None


@pytest.mark.parametrize("report", [[], "none", 7, {"prompt_tokens": "5"}, {"prompt_tokens_details": []}])
def test_a_strange_report_of_usage_costs_no_answer(report: Any) -> None:
    doc = CHAT_EVENT.decode(event({"index": 0, "delta": {"content": "a"}}, usage=report))
    assert CHAT_EVENT.usage(doc) is None
    assert CHAT_EVENT.parts(doc) == [(0, "text", 0, "a")]


def test_a_trailer_is_there_for_its_usage_alone() -> None:
    def trailer(raw: bytes) -> bool:
        return CHAT_EVENT.trailer(CHAT_EVENT.decode(raw))

    assert trailer(event(usage={}))
    assert not trailer(event(usage=None))
    assert not trailer(event(prompt_filter_results=[]))
    assert not trailer(event({"index": 0, "delta": {}, "finish_reason": "stop"}, usage={}))
    assert not CHAT_ANSWER.trailer(CHAT_ANSWER.decode(b'{"choices":[],"usage":{}}'))


LITERAL = (
    b'data: {"id": "c", "n": 1.00, "big": 123456789012345678901234567890, "huge": 1e400, "e": "\\u0041", "choices": '
    b'[{"index":0,"x":[ 1.0 ],"delta":{"role":"assistant","content":"SECRET","y": 2.50},"logprobs":{"content":'
    b'[{"token":"SECRET"}]},"finish_reason":null},{"index":1,"delta":{"content":"z"},"logprobs":{"content":[]}}]}\n\n'
)


def test_replace_changes_the_text_and_nothing_else() -> None:
    after = CHAT_EVENT.replace(LITERAL, Key(0, "text", 0), 'a"\n')
    assert b"SECRET" not in after
    for literal in (b"1.00", b"123456789012345678901234567890", b"1e400", b'"\\u0041"', b"[ 1.0 ]", b"2.50"):
        assert literal in after
    before = json.loads(CHAT_EVENT.source(LITERAL))
    before["choices"][0]["delta"]["content"] = 'a"\n'
    before["choices"][0]["logprobs"] = None
    assert json.loads(CHAT_EVENT.source(after)) == before
    assert after.startswith(b"data: {")
    assert after.endswith(b"}\n\n")


def test_replaced_reasoning_leaves_no_copy_of_itself() -> None:
    raw = delta(reasoning="SECRET", reasoning_details=[{"text": "SECRET"}], content="a")
    assert replaced(raw, Key(0, "reasoning", 1), "x")["choices"][0]["delta"] == {"reasoning": "x", "content": "a"}


@pytest.mark.parametrize(
    ("key", "old"),
    [
        (Key(0, "text", 1), {"content": [{"text": "a"}, {"text": "SECRET", "n": 1}]}),
        (Key(0, "refusal", 0), {"refusal": "SECRET"}),
        (Key(0, "reasoning", 0), {"reasoning_content": "SECRET"}),
        (Key(0, "reasoning", 1), {"reasoning": "SECRET"}),
        (Key(0, "tool_args", 0), {"tool_calls": [{"function": {"name": "f", "arguments": "SECRET"}}]}),
        (Key(0, "tool_args", 0), {"tool_calls": [{"custom": {"name": "f", "input": "SECRET"}}]}),
        (Key(0, "tool_args", 0), {"tool_calls": [{"function": None, "custom": {"input": "SECRET"}}]}),
        (Key(0, "tool_args", FUNCTION_CALL), {"function_call": {"name": "f", "arguments": "SECRET"}}),
    ],
)
@pytest.mark.parametrize("codec", [CHAT_EVENT, CHAT_ANSWER])
def test_each_kind_of_text_is_replaced(codec: Codec, key: Key, old: dict[str, Any]) -> None:
    side = "message" if codec.whole else "delta"
    nothing = {} if codec.whole else {"message": None}
    source = json.dumps({"choices": [{"index": 0, side: old, **nothing}]})
    raw = source.encode() if codec.whole else frame(source.encode())
    assert [part.text for part in parts(raw, codec) if part.key == key] == ["SECRET"]
    after = replaced(raw, key, "new", codec)
    assert after == json.loads(source.replace("SECRET", "new"))


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (Key(2, "text", 0), {"content": "t"}),
        (Key(2, "refusal", 0), {"refusal": "t"}),
        (Key(2, "reasoning", 0), {"reasoning_content": "t"}),
        (Key(2, "reasoning", 1), {"reasoning": "t"}),
        (Key(2, "tool_args", 3), {"tool_calls": [{"index": 3, "function": {"arguments": "t"}}]}),
        (Key(2, "tool_args", FUNCTION_CALL), {"function_call": {"arguments": "t"}}),
    ],
)
def test_like_is_a_chunk_of_the_same_answer_with_this_text_alone(key: Key, expected: dict[str, Any]) -> None:
    raw = event({"index": 0, "delta": {"content": "SECRET"}}, created=1, usage={"a": 1}, obfuscation="x", model="m")
    assert json.loads(CHAT_EVENT.source(CHAT_EVENT.like(raw, key, "t"))) == {
        "id": "c",
        "created": 1,
        "model": "m",
        "object": "chat.completion.chunk",
        "choices": [{"index": 2, "delta": expected, "finish_reason": None}],
    }


def test_with_usage() -> None:
    def after(usage: Any, new: Usage) -> Any:
        raw = CHAT_ANSWER.with_usage(json.dumps({"id": "c", "usage": usage}).encode(), new)
        return json.loads(raw)["usage"]

    assert after(None, Usage(1, 2)) == {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    old = {"prompt_tokens": 9, "x": 1, "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0}}
    assert after(old, Usage(1, 2, 0, 0, 3)) == {
        "prompt_tokens": 1,
        "x": 1,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens": 2,
        "total_tokens": 3,
        "completion_tokens_details": {"reasoning_tokens": 3},
    }


@pytest.mark.parametrize("raw", [b"data: {\n\n", b"data: hello\n\n", b"data: []\n\n", b'data: {"choices":1}\n\n'])
def test_what_is_no_chunk_raises(raw: bytes) -> None:
    with pytest.raises(INVALID):
        CHAT_EVENT.decode(raw)


def test_a_whole_answer_is_no_end_mark() -> None:
    with pytest.raises(INVALID):
        CHAT_ANSWER.decode(b"[DONE]")


def test_codecs_know_their_events() -> None:
    assert CHAT_ANSWER.event() is CHAT_EVENT
    assert CHAT_EVENT.event() is CHAT_EVENT


def test_usage_tells_what_was_written_to_a_cache() -> None:
    changed = CHAT_ANSWER.with_usage(b'{"choices":[]}', Usage(9, 5, cached=2, written=3))
    assert json.loads(changed)["usage"]["prompt_tokens_details"] == {"cached_tokens": 2, "cache_write_tokens": 3}
    assert CHAT_ANSWER.usage(CHAT_ANSWER.decode(changed)) == Usage(9, 5, cached=2, written=3)
