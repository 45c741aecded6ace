"""Anthropic's events as chat chunks: single rules, and what breaks the order."""

import json
from typing import Any

import pytest

from gateway.seam import Chunk, UpstreamError
from gateway.translate.chat_messages_events import PING
from gateway.wire.messages_fold import frame
from gateway.wire.sse import DONE
from tests.translate.answers import CHAT_ON_MESSAGES, Doc, chat_stream, docs, folded, to_chat, translated

START: Doc = {
    "type": "message_start",
    "message": {"id": "msg_01", "model": "c", "content": [], "usage": {"input_tokens": 5, "output_tokens": 1}},
}
STOP: Doc = {"type": "message_stop"}
TOOLS = [{"type": "function", "function": {"name": "f"}}]


def end(reason: str | None, **more: Any) -> Doc:
    return {"type": "message_delta", "delta": {"stop_reason": reason, **more}, "usage": {"output_tokens": 7}}


def block(index: int, start: Doc, *deltas: Doc) -> list[Doc]:
    return [
        {"type": "content_block_start", "index": index, "content_block": start},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def use(index: int, name: str, *pieces: str, given: Any = None) -> list[Doc]:
    start = {"type": "tool_use", "id": f"toolu_{index}", "name": name, "input": given or {}}
    return block(index, start, *({"type": "input_json_delta", "partial_json": piece} for piece in pieces))


def whole(content: list[Doc], reason: str, **more: Any) -> Doc:
    usage = {"input_tokens": 5, "output_tokens": 7}
    head = {"id": "msg_01", "type": "message", "role": "assistant", "model": "c", "content": content}
    return {**head, "stop_reason": reason, "stop_sequence": None, "usage": usage, **more}


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
        ("pause_turn", "stop"),
        ("tool_use", "stop"),  # without any use of a tool
        ("yet_to_come", "stop"),
    ],
)
async def test_stop_reasons(reason: str, finish: str) -> None:
    text = [{"type": "text", "text": "a"}]
    assert (await to_chat(whole(text, reason)))["choices"][0]["finish_reason"] == finish
    events = [START, *block(0, {"type": "text", "text": "a"}), end(reason), STOP]
    assert folded(await chat_stream(events))["choices"][0]["finish_reason"] == finish


async def test_the_stop_sequence_stands_beside_the_finish_reason() -> None:
    chunks = await chat_stream([START, end("stop_sequence", stop_sequence="X"), STOP])
    assert folded(chunks)["choices"][0]["stop_reason"] == "X"
    answer = await to_chat(whole([], "stop_sequence", stop_sequence="X"))
    assert answer["choices"][0]["stop_reason"] == "X"


async def test_a_refusal_is_explained() -> None:
    details = {"type": "refusal", "category": "bio", "explanation": "no"}
    chunks = await chat_stream([START, end("refusal", stop_details=details), STOP])
    answer = await to_chat(whole([], "refusal", stop_details=details))
    for told in (folded(chunks), answer):
        assert told["choices"][0]["message"]["refusal"] == "no"
        assert told["choices"][0]["finish_reason"] == "content_filter"


async def test_usage_counts_what_was_cached() -> None:
    usage = {
        "input_tokens": 5,
        "cache_creation_input_tokens": 10,
        "cache_read_input_tokens": 100,
        "output_tokens": 7,
        "output_tokens_details": {"thinking_tokens": 3},
        "service_tier": "priority",
    }
    answer = await to_chat(whole([], "end_turn", usage=usage))
    expected = {
        "prompt_tokens": 115,
        "completion_tokens": 7,
        "total_tokens": 122,
        "prompt_tokens_details": {"cached_tokens": 100, "cache_write_tokens": 10},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }
    assert answer["usage"] == expected
    assert answer["service_tier"] == "priority"
    start = {**START, "message": {**START["message"], "usage": {**usage, "output_tokens": 1}}}
    told = folded(await chat_stream([start, end("end_turn"), STOP]))
    assert told["usage"] == expected
    assert told["service_tier"] == "priority"


@pytest.mark.parametrize("usage", [None, [], {"input_tokens": "x"}, {}])
async def test_usage_that_is_none_loses_no_answer(usage: Any) -> None:
    answer = await to_chat(whole([{"type": "text", "text": "a"}], "end_turn", usage=usage))
    assert answer["choices"][0]["message"]["content"] == "a"


async def test_pings_are_comments() -> None:
    chunks = await chat_stream([{"type": "ping"}, START, {"type": "ping"}, end("end_turn"), STOP])
    assert [chunk.raw == PING for chunk in chunks] == [False, True, False, False, False]
    chunks = await translated(CHAT_ON_MESSAGES, [frame(json.dumps(START).encode()), b": comment\n\n"])
    assert chunks[1].raw == PING


async def test_what_is_yet_to_come_is_passed_over() -> None:
    song = block(0, {"type": "song", "verse": "la"}, {"type": "song_delta", "verse": "la"})
    chunks = await chat_stream([START, {"type": "news"}, *song, end("end_turn"), STOP])
    assert folded(chunks)["choices"][0]["message"]["content"] is None


async def test_an_input_without_members_is_an_object() -> None:
    events = [START, *use(0, "f"), *use(1, "f", ""), end("tool_use"), STOP]
    calls = folded(await chat_stream(events))["choices"][0]["message"]["tool_calls"]
    assert [call["function"]["arguments"] for call in calls] == ["{}", "{}"]


async def test_an_input_that_comes_with_the_opening() -> None:
    events = [START, *use(0, "f", given={"a": 1}), end("tool_use"), STOP]
    (call,) = folded(await chat_stream(events))["choices"][0]["message"]["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"a": 1}


async def test_an_input_that_was_no_object() -> None:
    content = [{"type": "tool_use", "id": "t", "name": "f", "input": {"INVALID_JSON": '{"a": 1'}}]
    (call,) = (await to_chat(whole(content, "max_tokens")))["choices"][0]["message"]["tool_calls"]
    assert call["function"]["arguments"] == '{"a": 1'


# ---- answers of a shape that the request asked for

FORMAT = {"type": "json_schema", "json_schema": {"name": "out", "schema": {"type": "object", "properties": {}}}}


async def test_a_forced_tools_input_is_the_content() -> None:
    asked = {"model": "some-model", "response_format": FORMAT, "tools": TOOLS}
    events = [START, *use(0, "out", '{"a": ', '"\\u00e9"}'), end("tool_use"), STOP]
    chunks = await chat_stream(events, **asked)
    answer = await to_chat(
        whole([{"type": "tool_use", "id": "t", "name": "out", "input": {"a": "é"}}], "tool_use"), **asked
    )
    for told in (folded(chunks), answer):
        said = told["choices"][0]
        assert json.loads(said["message"]["content"]) == {"a": "é"}
        assert "tool_calls" not in said["message"]
        assert said["finish_reason"] == "stop"
    texts = [doc["choices"][0]["delta"].get("content") for doc in docs(chunks) if doc["choices"]]
    assert texts == [None, '{"a": ', '"\\u00e9"}', None]  # as it comes


async def test_beside_a_forced_tool_others_are_calls() -> None:
    asked = {"model": "some-model", "response_format": FORMAT, "tools": TOOLS}
    events = [START, *use(0, "f", "{}"), end("tool_use"), STOP]
    said = folded(await chat_stream(events, **asked))["choices"][0]
    assert said["message"]["tool_calls"][0]["function"]["name"] == "f"
    assert said["finish_reason"] == "tool_calls"


async def test_a_custom_tools_input_is_a_text() -> None:
    asked = {"tools": [{"type": "custom", "custom": {"name": "c"}}]}
    source = json.dumps({"input": 'print("é")'})
    events = [START, *use(0, "c", source[:9], source[9:]), *use(1, "c", '{"inp'), end("tool_use"), STOP]
    given = [{"type": "tool_use", "id": "toolu_0", "name": "c", "input": {"input": 'print("é")'}}]
    cut = {"type": "tool_use", "id": "toolu_1", "name": "c", "input": {"INVALID_JSON": '{"inp'}}
    expected = [
        {"id": "toolu_0", "type": "custom", "custom": {"name": "c", "input": 'print("é")'}},
        {"id": "toolu_1", "type": "custom", "custom": {"name": "c", "input": '{"inp'}},
    ]
    for told in (
        folded(await chat_stream(events, **asked)),
        await to_chat(whole([*given, cut], "tool_use"), **asked),
    ):
        assert told["choices"][0]["message"]["tool_calls"] == expected


async def test_who_asked_with_functions_is_told_so() -> None:
    asked = {"functions": [{"name": "f"}]}
    events = [START, *use(0, "f", '{"a":', "1}"), *use(1, "f", "{}"), end("tool_use"), STOP]
    given = [{"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}}]
    for told in (folded(await chat_stream(events, **asked)), await to_chat(whole(given, "tool_use"), **asked)):
        said = told["choices"][0]
        assert said["message"]["function_call"]["name"] == "f"
        assert json.loads(said["message"]["function_call"]["arguments"]) == {"a": 1}
        assert said["finish_reason"] == "function_call"


# ---- what is no stream of Anthropic's


@pytest.mark.parametrize(
    "events",
    [
        [b"data: {\n\n"],
        [b"data: [DONE]\n\n"],
        [b"data: 1\n\n"],
        [frame(b'{"type":"content_block_delta","delta":{"type":"text_delta","text":"a"}}')],
        [frame(json.dumps(START).encode())] * 2,
        [frame(json.dumps(START).encode()), b'data: {"type":"content_block_delta","delta":[]}\n\n'],
        [frame(json.dumps(START).encode()), b'data: {"type":"message_delta","delta":{"stop_reason":1}}\n\n'],
        [frame(b'{"type":"message_start","message":{"id":1}}')],
    ],
)
async def test_it_fails_closed(events: list[bytes]) -> None:
    with pytest.raises(UpstreamError):
        await translated(CHAT_ON_MESSAGES, events)


@pytest.mark.parametrize("answer", [b"{", b"[]", b"{}", b'{"type":"message"}', b'{"type":"message","content":[1]}'])
async def test_no_message(answer: bytes) -> None:
    with pytest.raises(UpstreamError):
        await to_chat(answer)


async def test_a_clean_end_without_message_stop() -> None:
    chunks: list[Chunk] = await chat_stream([START, end("end_turn")])
    assert chunks[-1].raw == DONE
    assert docs(chunks)[-1]["usage"]["completion_tokens"] == 7
    assert await chat_stream([]) == []


async def test_nothing_comes_behind_the_end() -> None:
    chunks = await chat_stream([START, end("end_turn"), STOP, STOP, {"type": "ping"}])
    assert [chunk.raw for chunk in chunks].count(DONE) == 1
    assert chunks[-1].raw in (DONE, PING)


async def test_halves_of_a_surrogate_pair_are_kept() -> None:
    deltas = ({"type": "text_delta", "text": "\ud83d"}, {"type": "text_delta", "text": "\ude00"})
    events = [START, *block(0, {"type": "text", "text": ""}, *deltas), end("end_turn"), STOP]
    assert folded(await chat_stream(events))["choices"][0]["message"]["content"] == "😀"
    answer = await to_chat(whole([{"type": "text", "text": "\ud83d"}], "end_turn"))
    assert answer["choices"][0]["message"]["content"] == "\ud83d"
