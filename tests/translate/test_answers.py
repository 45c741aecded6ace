"""One answer is one answer: whole or streamed, in either dialect, and for the unmodified SDKs.

Every body and event is validated by the SDKs' own types; their accumulators rebuild what the whole answer says.
"""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.sse import DONE
from tests.translate.answers import (
    Doc,
    as_anthropic_reads,
    as_openai_reads,
    by_characters,
    chat_stream,
    completion_streams,
    completions,
    docs,
    folded,
    message_streams,
    messages,
    messages_stream,
    patient,
    rebuilt_by_anthropic,
    rebuilt_by_openai,
    to_chat,
    to_messages,
    without_time,
)

SIZES = st.sampled_from([1, 3, 1000])


# ---- chat from Messages


@patient
@given(message_streams(), SIZES)
async def test_a_messages_stream_says_what_the_message_says(both: tuple[Doc, list[Doc]], size: int) -> None:
    whole, events = both
    chunks = await chat_stream(events, size)
    assert without_time(folded(chunks)) == without_time(await to_chat(whole))


@patient
@given(message_streams(cut=by_characters))
async def test_openai_rebuilds_the_same_completion(both: tuple[Doc, list[Doc]]) -> None:
    whole, events = both
    rebuilt = rebuilt_by_openai(await chat_stream(events))
    for call in rebuilt["choices"][0]["message"].get("tool_calls", ()):
        call.pop("index", None)  # the SDK keeps what only deltas have
        call["function"].pop("parsed_arguments", None)
    for thought in rebuilt["choices"][0]["message"].get("thinking_blocks", ()):
        thought.pop("index")
    expected = as_openai_reads(await to_chat(whole))
    expected["choices"][0].pop("stop_reason", None)  # the SDK forgets what it does not know of a choice
    assert without_time(rebuilt) == without_time(expected)


@patient
@given(message_streams())
async def test_chunks_come_in_openais_order(both: tuple[Doc, list[Doc]]) -> None:
    whole, events = both
    chunks = await chat_stream(events, stream_options={"include_usage": True})
    assert chunks[-1].raw == DONE
    first, *between, finish, trailer = docs(chunks)
    assert first["choices"][0]["delta"]["role"] == "assistant"
    assert trailer["choices"] == []
    assert trailer["usage"]["completion_tokens"] == whole["usage"]["output_tokens"]
    assert finish["choices"][0]["finish_reason"]
    assert finish["choices"][0]["delta"] == {}
    for event in (first, *between):
        assert event["choices"][0]["finish_reason"] is None
        assert "role" not in event["choices"][0]["delta"] or event is first
    for event in (first, *between, finish):
        assert event["usage"] is None
    assert len({event["id"] for event in docs(chunks)}) == 1
    seen: list[int] = []
    for event in between:
        for call in event["choices"][0]["delta"].get("tool_calls", ()):
            if "id" in call:
                seen.append(call["index"])
            assert call["index"] == seen[-1]
    assert seen == list(range(len(seen)))


async def test_without_being_asked_chunks_name_no_usage() -> None:
    start = {"id": "msg_1", "model": "m", "content": [], "usage": {"input_tokens": 1, "output_tokens": 1}}
    chunks = await chat_stream([{"type": "message_start", "message": start}, {"type": "message_stop"}])
    first, trailer = docs(chunks)
    assert "usage" not in first
    assert trailer["usage"]["prompt_tokens"] == 1  # in band always: the door takes it out


# ---- Messages from chat


@patient
@given(completion_streams(), SIZES)
async def test_a_chat_stream_says_what_the_completion_says(both: tuple[Doc, list[Doc]], size: int) -> None:
    whole, chunks = both
    assert folded(await messages_stream(chunks, size)) == await to_messages(whole)


@patient
@given(completion_streams(interleaved=True), SIZES)
async def test_parallel_calls_that_come_interleaved(both: tuple[Doc, list[Doc]], size: int) -> None:
    whole, chunks = both
    events = await messages_stream(chunks, size)
    checked_order(docs(events))
    said, expected = folded(events), await to_messages(whole)
    key = lambda block: (block["type"], block.get("id", ""))  # noqa: E731 (which call comes first is the stream's own)
    assert sorted(said["content"], key=key) == sorted(expected["content"], key=key)
    assert {**said, "content": 0} == {**expected, "content": 0}


@patient
@given(completion_streams(cut=by_characters))
async def test_anthropic_rebuilds_the_same_message(both: tuple[Doc, list[Doc]]) -> None:
    whole, chunks = both
    assert rebuilt_by_anthropic(await messages_stream(chunks)) == as_anthropic_reads(await to_messages(whole))


@patient
@given(completion_streams())
async def test_events_come_in_anthropics_order(both: tuple[Doc, list[Doc]]) -> None:
    _, chunks = both
    checked_order(docs(await messages_stream(chunks)))


def checked_order(events: list[Any]) -> None:
    """One start, blocks that never overlap with indices that rise, then the end, and nothing behind it."""
    kinds = [event["type"] for event in events]
    assert kinds[0] == "message_start"
    assert kinds[-2:] == ["message_delta", "message_stop"]
    opened, count = None, 0
    for event in events[1:-2]:
        match event["type"]:
            case "content_block_start":
                assert opened is None
                opened = event["index"]
                assert opened == count
                count += 1
            case "content_block_delta":
                assert event["index"] == opened
            case "content_block_stop":
                assert event["index"] == opened
                opened = None
            case other:
                raise AssertionError(other)
    assert opened is None


# ---- there and back


@patient
@given(messages())
async def test_a_message_comes_back_from_chat(message: Doc) -> None:
    back = await to_messages(await to_chat(message))
    texts = "".join(block["text"] for block in message["content"] if block["type"] == "text")
    assert "".join(block["text"] for block in back["content"] if block["type"] == "text") == texts
    assert back == message


@patient
@given(message_streams())
async def test_a_messages_stream_comes_back_from_chat(both: tuple[Doc, list[Doc]]) -> None:
    whole, events = both
    chunks = docs(await chat_stream(events))
    assert folded(await messages_stream(chunks)) == whole


@patient
@given(completions())
async def test_a_completion_comes_back_from_messages(completion: Doc) -> None:
    back = await to_chat(await to_messages(completion))
    said = back["choices"][0]["message"]
    thoughts = said.pop("thinking_blocks", [])  # marked as the chat model's own
    assert all(thought["signature"] == "chat:m" for thought in thoughts)
    assert usage(back) == usage(completion)
    for call in said.get("tool_calls", ()):
        call["function"]["arguments"] = json.loads(call["function"]["arguments"])
    for call in completion["choices"][0]["message"].get("tool_calls", ()):
        call["function"]["arguments"] = json.loads(call["function"]["arguments"])
    assert {**without_time(back), "usage": 0} == {**without_time(completion), "usage": 0}


def usage(completion: Doc) -> list[int]:
    report = completion["usage"]
    return [
        report["prompt_tokens"],
        report["completion_tokens"],
        report["total_tokens"],
        report["prompt_tokens_details"]["cached_tokens"],
    ]
