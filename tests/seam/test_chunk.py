"""Events, and the batches that reads bring."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.seam import Batch, Chunk, Key, UpstreamError, Usage
from gateway.wire.chat import CHAT_ANSWER, CHAT_EVENT
from gateway.wire.messages import MESSAGES_EVENT
from gateway.wire.sse import DONE, frame


def event(*choices: Any, **top: Any) -> bytes:
    return frame(json.dumps({"id": "c", "choices": list(choices), **top}).encode())


def said(text: str, **top: Any) -> bytes:
    return event({"index": 0, "delta": {"content": text}}, **top)


USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
TRAILER = event(usage=USAGE)
PING = b": ping\n\n"


def chunk(raw: bytes) -> Chunk:
    return Chunk(raw, CHAT_EVENT)


def test_a_chunk_reads_by_its_codec() -> None:
    opened = chunk(event({"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"}, usage=USAGE))
    assert opened.parts() == [(0, "text", 0, "a")]
    assert opened.usage == Usage(3, 4)
    assert opened.finish == "stop"
    assert opened.has_content
    assert opened.ends
    assert opened.closes(Key(0, "text", 0))
    assert not opened.trailer
    assert not opened.whole
    assert chunk(TRAILER).trailer
    assert Chunk(b"{}", CHAT_ANSWER).whole
    assert "chat" in repr(opened)


def test_the_end_mark_and_comments_carry_nothing() -> None:
    for raw in (DONE, PING):
        nothing = chunk(raw)
        assert nothing.parts() == []
        assert nothing.usage is None
        assert not nothing.has_content
    assert chunk(DONE).ends
    assert not chunk(PING).ends


def test_a_look_at_what_does_not_decode_raises() -> None:
    for look in ("parts", "like", "replace", "with_usage"):
        broken = chunk(b'data: {"choices":[{"delta":{"content":\n\n')
        part = chunk(said("a")).parts()[0]
        arguments: dict[str, tuple[Any, ...]] = {
            "parts": (),
            "like": (part.key, "x"),
            "replace": (part, "x"),
            "with_usage": (Usage(),),
        }
        with pytest.raises(UpstreamError):
            getattr(broken, look)(*arguments[look])


def test_a_chunk_is_immutable() -> None:
    before = chunk(said("a"))
    raw = before.raw
    part = before.parts()[0]
    after = before.replace(part, "b")
    assert before.raw is raw
    assert before.parts()[0].text == "a"
    assert after.parts()[0].text == "b"
    assert before.like(part.key, "c").parts() == [(0, "text", 0, "c")]
    assert before.with_usage(Usage(1, 2)).usage == Usage(1, 2)


def test_replaced_by_what_no_json_can_carry() -> None:
    with pytest.raises(UpstreamError):
        chunk(said("a")).replace(chunk(said("a")).parts()[0], "\ud83d")


def test_half_a_pair_of_surrogates_is_read_as_a_replacement_character() -> None:
    raw = frame(b'{"choices":[{"index":0,"delta":{"content":"a\\ud83d"}}]}')
    half = chunk(raw)
    (part,) = half.parts()
    assert part.text == "a\ufffd"
    assert half.raw == raw
    assert half.replace(part, "b").parts()[0].text == "b"
    assert half.like(part.key, "c").parts()[0].text == "c"
    assert half.with_usage(Usage(1)).usage == Usage(1)


def test_what_is_like_a_whole_answer_is_an_event() -> None:
    whole = Chunk(b'{"id":"c","choices":[{"index":0,"message":{"content":"a"}}]}', CHAT_ANSWER)
    made = whole.like(Key(0, "text", 0), "b")
    assert not made.whole
    assert made.parts() == [(0, "text", 0, "b")]


# ---- batches


def batch(*events: bytes) -> Batch:
    return Batch(b"".join(events), CHAT_EVENT)


def test_a_batch_is_split_on_first_look() -> None:
    whole = batch(said("a"), PING, said("b"), DONE)
    assert [chunk.raw for chunk in whole] == [said("a"), PING, said("b"), DONE]
    assert [chunk.raw for chunk in whole.chunks] == [said("a"), PING, said("b"), DONE]
    assert whole.chunks is whole.chunks
    assert list(whole) == whole.chunks
    assert whole.raw == b"".join(chunk.raw for chunk in whole)
    assert [c.raw for c in Batch(b'{"a":"\n\n"}', CHAT_ANSWER).chunks] == [b'{"a":"\n\n"}']
    assert [c.raw for c in batch(said("a"), b"data: cut")] == [said("a"), b"data: cut"]


def test_a_batch_of_chunks() -> None:
    one, two = chunk(said("a")), chunk(said("b"))
    assert Batch.of((one,)).raw is one.raw
    assert Batch.of((one, two)).raw == one.raw + two.raw
    assert Batch.of((one, two)).chunks == [one, two]
    assert not Batch.of((one,)).whole


FINISH = event({"index": 0, "delta": {}, "finish_reason": "stop"}, usage=USAGE)
NULL = said("a", usage=None)
WORDS = said('"usage": {"prompt_tokens": 9} "usage":{')


@pytest.mark.parametrize("looked", [False, True])
@pytest.mark.parametrize(
    ("events", "usage", "left"),
    [
        ([said("a"), DONE], None, None),
        ([NULL, NULL, DONE], None, None),
        ([NULL, TRAILER, DONE], Usage(3, 4), [NULL, DONE]),
        ([TRAILER], Usage(3, 4), []),
        ([FINISH, DONE], Usage(3, 4), None),
        ([FINISH, TRAILER, DONE], Usage(3, 4), [FINISH, DONE]),
        ([WORDS, PING, DONE], None, None),
        ([WORDS, TRAILER, WORDS, TRAILER], Usage(3, 4), [WORDS, WORDS]),
        ([TRAILER.replace(b'"usage": {', b'"usage" :\t{'), DONE], Usage(3, 4), [DONE]),
        ([PING[:-1] + TRAILER, DONE], Usage(3, 4), [DONE]),
        ([event(usage=None), DONE], None, None),
        ([event(x={"usage": {"prompt_tokens": 9}}), DONE], None, None),
        ([said("a", usage={"prompt_tokens": 1}), TRAILER], Usage(3, 4), [said("a", usage={"prompt_tokens": 1})]),
    ],
)
def test_usage_and_trailers(looked: bool, events: list[bytes], usage: Usage | None, left: list[bytes] | None) -> None:
    whole = batch(*events)
    if looked:
        whole = Batch.of(whole.chunks)
    assert whole.usage == usage
    assert whole.without_trailers() == b"".join(events if left is None else left)


def test_a_batch_without_trailers_is_the_same_bytes() -> None:
    whole = batch(NULL, WORDS, FINISH)
    assert whole.without_trailers() is whole.raw


def test_only_events_that_name_usage_are_decoded() -> None:
    whole = batch(b"data: {broken\n\n", TRAILER)
    assert whole.usage == Usage(3, 4)
    with pytest.raises(UpstreamError):
        _ = batch(b'data: {"usage":{\n\n').usage


def test_usage_of_a_whole_answer() -> None:
    whole = Batch(json.dumps({"choices": [], "usage": USAGE}).encode(), CHAT_ANSWER)
    assert whole.usage == Usage(3, 4)
    assert whole.without_trailers() is whole.raw
    assert Batch(b'{"choices":[]}', CHAT_ANSWER).usage is None
    assert Batch(b'{"choices":[{"message":{"content":"\\"usage\\":{"}}]}', CHAT_ANSWER).usage is None


def test_usage_in_other_dialects() -> None:
    start = b'event: message_start\ndata: {"type":"message_start","message":{"usage":{"input_tokens":5}}}\n\n'
    end = b'event: message_delta\ndata: {"type":"message_delta","usage":{"output_tokens":9}}\n\n'
    whole = Batch(start + end, MESSAGES_EVENT)
    assert whole.usage == Usage(5, 9)
    assert whole.without_trailers() is whole.raw


@given(
    st.lists(st.sampled_from([said("a"), NULL, WORDS, TRAILER, FINISH, PING, DONE, PING[:-1] + TRAILER]), max_size=12)
)
def test_trailers_are_removed_and_nothing_else(events: list[bytes]) -> None:
    kept = b"".join(event for event in events if event not in (TRAILER, PING[:-1] + TRAILER))
    assert batch(*events).without_trailers() == kept
    looked = batch(*events)
    _ = looked.chunks
    assert looked.without_trailers() == kept
