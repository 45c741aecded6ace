"""Events into a text completion and back: nothing is lost, not even how a number was written."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.completions_fold import fold, unfold
from gateway.wire.verbatim import INVALID
from tests.wire.test_chat_fold import (
    JSON,
    NUMBERS,
    PLACES,
    TEXT,
    UNKNOWN,
    USAGE,
    WHOLE_TEXT,
    WORDS,
    Number,
    cut,
    dump,
    shaped,
    shuffled,
)
from tests.wire.test_chat_fold import exact as exactly

TOP = st.dictionaries(TEXT, NUMBERS, max_size=2)
LOGPROBS = shaped(
    {"tokens": st.lists(TEXT, max_size=3), "token_logprobs": st.lists(st.none() | NUMBERS, max_size=3)},
    {"top_logprobs": st.none() | st.lists(st.none() | TOP, max_size=3), "text_offset": st.lists(NUMBERS, max_size=3)},
)
CHOICES = shaped(
    {"text": TEXT},
    {
        "finish_reason": st.none() | st.sampled_from(["stop", "length", "x"]),
        "logprobs": st.none() | LOGPROBS,
        "stop_reason": st.none() | WORDS | NUMBERS,
    },
)


@st.composite
def completions(draw: st.DrawFn) -> dict[str, Any]:
    top = draw(
        shaped(
            {"id": WORDS, "object": st.just("text_completion"), "created": NUMBERS, "model": TEXT},
            {"usage": st.none() | USAGE, "system_fingerprint": st.none() | TEXT},
        )
    )
    choices = draw(st.lists(CHOICES, max_size=3))
    top["choices"] = [{"index": Number(at), **choice} for at, choice in enumerate(choices)]
    return top


def with_required(completion: Any) -> Any:
    for choice in completion["choices"]:
        choice.setdefault("logprobs", None)
        choice.setdefault("finish_reason", None)
    return completion


@given(completions())
def test_a_completion_folds_from_its_events(completion: dict[str, Any]) -> None:
    source = dump(completion).encode()
    assert exactly(fold(unfold(source))) == with_required(exactly(source))


@given(completions())
def test_events_have_their_shape(completion: dict[str, Any]) -> None:
    for event in map(exactly, unfold(dump(completion).encode())):
        assert event["object"] == "text_completion"
        for choice in event["choices"]:
            assert choice["index"]
            assert choice["finish_reason"] is None or choice["text"] == ""


@st.composite
def chunkings(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[Any]]:
    """Choices, and the events of a stream that brings them, interleaved in any order."""
    choices, queues = [], []
    for index in range(draw(st.integers(1, 3))):
        text = draw(WHOLE_TEXT)
        pieces = cut(text, draw(PLACES))
        tokens = [{"tokens": [piece], "text_offset": [Number(str(at))]} for at, piece in enumerate(pieces)]
        spelt = draw(st.booleans())
        whole = {name: [item for token in tokens for item in token[name]] for name in ("tokens", "text_offset")}
        unknown = draw(UNKNOWN)
        choices.append(
            {"text": text, "index": Number(str(index)), "logprobs": whole if spelt else None, "finish_reason": "stop"}
            | unknown
        )
        queue: list[dict[str, Any]] = [
            {"index": Number(str(index)), "text": piece, "logprobs": token if spelt else None}
            for piece, token in zip(pieces, tokens, strict=True)
        ]
        queue.append({"index": Number(str(index)), "text": "", "finish_reason": "stop", **unknown})
        queues.append(queue)
    return choices, [{"id": "c", "usage": None, "choices": [choice]} for choice in shuffled(draw, queues)]


@given(chunkings())
def test_any_chunking_comes_to_the_same(both: tuple[list[dict[str, Any]], list[Any]]) -> None:
    choices, events = both
    usage = {"prompt_tokens": Number("1.00")}
    folded = exactly(fold([dump(event).encode() for event in [*events, {"id": "c", "choices": [], "usage": usage}]]))
    assert folded["usage"] == usage
    assert folded["choices"] == exactly(dump(choices))


def test_a_token_that_is_called_index_is_a_token() -> None:
    events = [b'{"choices":[{"index":0,"text":"a","logprobs":{"top_logprobs":[{"index":-1.0}]}}]}'] * 2
    assert exactly(fold(events))["choices"][0]["logprobs"]["top_logprobs"] == [{"index": Number("-1.0")}] * 2


@given(st.lists(JSON.map(dump).map(str.encode), min_size=1, max_size=3))
def test_what_is_no_stream_is_told(sources: list[bytes]) -> None:
    try:
        fold(sources)
    except (*INVALID, ValueError):
        pass


@pytest.mark.parametrize("source", [b"[]", b'{"choices":1}', b'{"choices":[1]}', b'{"choices":[{"index":"x"}]}', b"{"])
def test_what_is_no_completion_is_told(source: bytes) -> None:
    with pytest.raises((*INVALID, ValueError)):
        unfold(source)


def test_a_text_that_is_no_string_is_told() -> None:
    with pytest.raises(ValueError, match="no string"):
        fold([b'{"choices":[{"text":["a"]}]}'])


def test_a_long_stream_folds_in_time_that_grows_with_it_alone() -> None:
    event = b'{"choices":[{"index":0,"text":"a","logprobs":{"tokens":["a"],"text_offset":[0]}}]}'
    folded = exactly(fold([event] * 50_000))
    assert len(folded["choices"][0]["logprobs"]["tokens"]) == len(folded["choices"][0]["text"]) == 50_000
