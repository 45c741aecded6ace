"""OpenAI's text completions: what is read of them, and how they are changed."""

import json
from typing import Any

import pytest

from gateway.wire.codec import Codec
from gateway.wire.completions import COMPLETIONS_ANSWER, COMPLETIONS_EVENT
from gateway.wire.parts import Key, Part, Usage
from gateway.wire.sse import DONE, frame
from gateway.wire.verbatim import INVALID


def event(*choices: dict[str, Any], **top: Any) -> bytes:
    return frame(json.dumps({"id": "cmpl-1", **top, "choices": list(choices)}).encode())


def parts(raw: bytes, codec: Codec = COMPLETIONS_EVENT) -> list[Part]:
    return list(codec.parts(codec.decode(raw)))


def test_parts() -> None:
    choices = [
        {"index": 1, "text": "a"},
        {"index": 0, "text": "b"},
        {"index": 2, "text": ""},
        {"index": 1, "text": "c"},
    ]
    expected = [(1, "text", 0, "ac"), (0, "text", 0, "b")]
    assert parts(event(*choices)) == expected
    assert parts(json.dumps({"choices": choices}).encode(), COMPLETIONS_ANSWER) == expected
    assert parts(event({"text": "a"}, {"text": "b"})) == [(0, "text", 0, "a"), (1, "text", 0, "b")]


def test_what_carries_nothing_has_no_parts() -> None:
    for raw in (DONE, b": ping\n\n", event(), event({"index": 0, "text": ""}), event({"index": 0, "text": None})):
        assert parts(raw) == []
        assert not COMPLETIONS_EVENT.has_content(COMPLETIONS_EVENT.decode(raw))


def test_what_ends_and_closes() -> None:
    raw = event({"index": 0, "text": "a"}, {"index": 1, "text": "", "finish_reason": "length"})
    doc = COMPLETIONS_EVENT.decode(raw)
    assert COMPLETIONS_EVENT.finish(doc) == "length"
    assert COMPLETIONS_EVENT.ends(doc)
    assert [COMPLETIONS_EVENT.closes(doc, Key(choice, "text", 0)) for choice in (0, 1)] == [False, True]
    done = COMPLETIONS_EVENT.decode(DONE)
    assert COMPLETIONS_EVENT.ends(done)
    assert COMPLETIONS_EVENT.closes(done, Key(0, "text", 0))
    assert not COMPLETIONS_EVENT.ends(COMPLETIONS_EVENT.decode(event({"index": 0, "text": "a"})))
    answer = COMPLETIONS_ANSWER.decode(b'{"choices":[]}')
    assert COMPLETIONS_ANSWER.closes(answer, Key(0, "text", 0))


def test_usage_and_its_event() -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": 3, "completion_tokens_details": {"reasoning_tokens": 1}}
    trailer = COMPLETIONS_EVENT.decode(event(usage=usage))
    assert COMPLETIONS_EVENT.usage(trailer) == Usage(5, 3, reasoning=1)
    assert COMPLETIONS_EVENT.trailer(trailer)
    beside = COMPLETIONS_EVENT.decode(event({"index": 0, "text": "a"}, usage=usage))
    assert not COMPLETIONS_EVENT.trailer(beside)
    assert COMPLETIONS_EVENT.usage(COMPLETIONS_EVENT.decode(event(usage=None))) is None
    changed = COMPLETIONS_EVENT.with_usage(event({"index": 0, "text": "a"}, usage=usage), Usage(1, 2))
    assert json.loads(COMPLETIONS_EVENT.source(changed))["usage"] == {
        "prompt_tokens": 1,
        "completion_tokens": 2,
        "total_tokens": 3,
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def test_replace_changes_one_text_and_what_spells_it_out() -> None:
    raw = frame(
        b'{"n":1.00,"choices":[{"index":0,"text":"a","logprobs":{"tokens":["a"]},"x":1e2},'
        b'{"index":1,"text":"a"},{"index":0,"text":"b"}]}'
    )
    after = COMPLETIONS_EVENT.replace(raw, Key(0, "text", 0), "é")
    assert after == frame(
        '{"n":1.00,"choices":[{"index":0,"text":"é","logprobs":null,"x":1e2},'
        '{"index":1,"text":"a"},{"index":0,"text":""}]}'.encode()
    )


def test_like_is_an_event_of_the_same_answer() -> None:
    raw = event({"index": 0, "text": "a", "finish_reason": "stop"}, model="m", usage={"prompt_tokens": 1})
    assert json.loads(COMPLETIONS_EVENT.source(COMPLETIONS_EVENT.like(raw, Key(3, "text", 0), "b"))) == {
        "id": "cmpl-1",
        "model": "m",
        "choices": [{"index": 3, "text": "b", "logprobs": None, "finish_reason": None}],
    }
    assert COMPLETIONS_ANSWER.event() is COMPLETIONS_EVENT


@pytest.mark.parametrize("raw", [b"data: [1]\n\n", b'data: {"choices":[{"text":1}]}\n\n', b"data: {\n\n"])
def test_what_is_no_completion_does_not_decode(raw: bytes) -> None:
    with pytest.raises(INVALID):
        COMPLETIONS_EVENT.decode(raw)
