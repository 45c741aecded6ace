"""Chat chunks as Anthropic's events: single rules, and what breaks the order."""

import json
from typing import Any

import pytest

from gateway.seam import UpstreamError
from gateway.translate.messages_chat_events import PING
from gateway.wire.sse import DONE, frame
from tests.translate.answers import MESSAGES_ON_CHAT, Doc, docs, folded, messages_stream, to_messages, translated

BASE = {"id": "chatcmpl-01", "object": "chat.completion.chunk", "created": 1, "model": "g"}


def chunk(delta: Doc, finish: str | None = None, **more: Any) -> Doc:
    return {**BASE, "choices": [{"index": 0, "delta": delta, "finish_reason": finish, **more}]}


def usage(**counts: Any) -> Doc:
    return {**BASE, "choices": [], "usage": counts}


def call(index: int | None, arguments: str, name: str = "", id: str = "") -> Doc:  # noqa: A002 (the wire's own name)
    made: Doc = {} if index is None else {"index": index}
    made |= {"id": id} if id else {}
    return {"tool_calls": [{**made, "function": {"arguments": arguments} | ({"name": name} if name else {})}]}


def whole(said: Doc, finish: str, **more: Any) -> Doc:
    message = {"role": "assistant", "content": None, **said}
    return {
        **BASE,
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": finish, **more}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12},
    }


ROLE = chunk({"role": "assistant", "content": ""})
USE = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}


@pytest.mark.parametrize(
    ("finish", "said", "reason"),
    [
        ("stop", {"content": "a"}, "end_turn"),
        ("length", {"content": "a"}, "max_tokens"),
        ("content_filter", {"content": "a"}, "refusal"),
        ("tool_calls", {"tool_calls": [USE]}, "tool_use"),
        ("stop", {"tool_calls": [USE]}, "tool_use"),  # some servers say stop; clients run tools by the word
        ("tool_calls", {"content": "a"}, "end_turn"),  # and some promise calls that never come
        ("function_call", {"function_call": {"name": "f", "arguments": "{}"}}, "tool_use"),
        ("length", {"tool_calls": [USE]}, "max_tokens"),
        ("stop", {"refusal": "no"}, "refusal"),
        ("yet_to_come", {"content": "a"}, "end_turn"),
    ],
)
async def test_finish_reasons(finish: str, said: Doc, reason: str) -> None:
    assert (await to_messages(whole(said, finish)))["stop_reason"] == reason
    assert folded(await messages_stream([ROLE, chunk(said), chunk({}, finish)]))["stop_reason"] == reason


async def test_a_stop_sequence_where_the_server_tells_it() -> None:
    answer = await to_messages(whole({"content": "a"}, "stop", stop_reason="X"))
    told = folded(await messages_stream([ROLE, chunk({}, "stop", stop_reason="X")]))
    for message in (answer, told):
        assert message["stop_reason"] == "stop_sequence"
        assert message["stop_sequence"] == "X"
    answer = await to_messages(whole({"content": "a"}, "stop", stop_reason=128_009))  # a token's number
    assert answer["stop_reason"] == "end_turn"


async def test_a_refusal_is_a_text() -> None:
    answer = await to_messages(whole({"refusal": "no"}, "stop"))
    told = folded(await messages_stream([ROLE, chunk({"refusal": "n"}), chunk({"refusal": "o"}, "stop")]))
    for message in (answer, told):
        assert message["content"] == [{"type": "text", "text": "no"}]


async def test_usage_leaves_out_what_was_cached() -> None:
    counts = {
        "prompt_tokens": 115,
        "completion_tokens": 7,
        "prompt_tokens_details": {"cached_tokens": 100, "cache_write_tokens": 10},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }
    events = docs(await messages_stream([ROLE, chunk({"content": "a"}), chunk({}, "stop"), usage(**counts)]))
    assert events[-2]["usage"] == {
        "input_tokens": 5,
        "cache_creation_input_tokens": 10,
        "cache_read_input_tokens": 100,
        "output_tokens": 7,
        "output_tokens_details": {"thinking_tokens": 3},
    }
    assert [event["type"] for event in events][-3:] == ["content_block_stop", "message_delta", "message_stop"]


@pytest.mark.parametrize(
    "counts", [None, [], {"prompt_tokens": "x"}, {"prompt_tokens": 1, "prompt_tokens_details": {"cached_tokens": 9}}]
)
async def test_usage_that_is_none_loses_no_answer(counts: Any) -> None:
    for message in (
        folded(
            await messages_stream([ROLE, chunk({"content": "a"}, "stop"), {**BASE, "choices": [], "usage": counts}])
        ),
        await to_messages({**whole({"content": "a"}, "stop"), "usage": counts}),
    ):
        assert message["content"] == [{"type": "text", "text": "a"}]
        assert message["usage"]["input_tokens"] == 0


async def test_message_delta_waits_for_usage() -> None:
    chunks = [ROLE, chunk({"content": "a"}), chunk({}, "stop")]
    kinds = [doc["type"] for doc in docs(await messages_stream(chunks, done=False))]
    assert kinds[-1] == "message_stop"  # a clean end without [DONE] is an end
    kinds = [doc["type"] for doc in docs(await messages_stream([*chunks, usage(prompt_tokens=1)]))]
    assert kinds.count("message_delta") == 1


async def test_thinking_comes_first_and_is_marked() -> None:
    deltas: list[Doc] = [{"reasoning_content": "t"}, {"reasoning_content": "u", "content": "a"}, {"content": "b"}]
    message = folded(await messages_stream([ROLE, *map(chunk, deltas), chunk({}, "stop")], model="r1"))
    assert message["content"] == [
        {"type": "thinking", "thinking": "tu", "signature": "chat:r1"},
        {"type": "text", "text": "ab"},
    ]
    assert (
        message["content"]
        == (await to_messages(whole({"reasoning": "tu", "content": "ab"}, "stop"), model="r1"))["content"]
    )


async def test_thinking_as_pieces_of_the_content() -> None:
    pieces = [{"type": "thinking", "thinking": [{"type": "text", "text": "t"}]}, {"type": "text", "text": "a"}]
    streamed = folded(await messages_stream([ROLE, chunk({"content": pieces}), chunk({"content": "b"}, "stop")]))
    answer = await to_messages(whole({"content": [*pieces, {"type": "text", "text": "b"}]}, "stop"))
    for message in (streamed, answer):
        assert [block["type"] for block in message["content"]] == ["thinking", "text"]
        assert message["content"][0]["thinking"] == "t"
        assert message["content"][1]["text"] == "ab"


async def test_thinking_between_texts_opens_another_block() -> None:
    deltas = [{"content": "a"}, {"reasoning": "t"}, {"content": "b"}]
    message = folded(await messages_stream([ROLE, *map(chunk, deltas), chunk({}, "stop")]))
    assert [block["type"] for block in message["content"]] == ["text", "thinking", "text"]


# ---- tool calls


async def test_calls_that_all_have_index_0() -> None:
    one = [call(0, "", "f", "a"), call(0, '{"x":'), call(0, "1}")]
    two = [call(0, '{"y":2}', "g", "b"), call(0, "", "h", "c")]
    message = folded(await messages_stream([ROLE, *map(chunk, [*one, *two]), chunk({}, "tool_calls")]))
    assert [(block["id"], block["name"], block["input"]) for block in message["content"]] == [
        ("a", "f", {"x": 1}),
        ("b", "g", {"y": 2}),
        ("c", "h", {}),
    ]


async def test_calls_without_index_in_one_event() -> None:
    calls = [{**USE, "id": name, "function": {"name": "f", "arguments": "{}"}} for name in ("a", "b")]
    message = folded(await messages_stream([ROLE, chunk({"tool_calls": calls}, "tool_calls")]))
    assert [block["id"] for block in message["content"]] == ["a", "b"]


async def test_ids_that_are_repeated_or_missing() -> None:
    deltas = [call(0, "{", "f", "a"), call(0, "}", "f", "a"), call(1, "{}", "g")]
    message = folded(await messages_stream([ROLE, *map(chunk, deltas), chunk({}, "tool_calls")]))
    assert [block["id"] for block in message["content"]] == ["a", "toolu_01_1"]
    calls = [USE, {"function": {"name": "g", "arguments": "{}"}}]
    answer = await to_messages(whole({"tool_calls": calls}, "tool_calls"))
    assert [block["id"] for block in answer["content"]] == ["a", "toolu_01_1"]


async def test_interleaved_calls_wait() -> None:
    deltas = [call(0, '{"x":', "f", "a"), call(1, '{"y":', "g", "b"), call(0, "1}"), call(1, "2}"), {"content": "t"}]
    events = docs(await messages_stream([ROLE, *map(chunk, deltas), chunk({}, "tool_calls")]))
    order = [(event["type"].removeprefix("content_block_"), event["index"]) for event in events if "index" in event]
    assert order == [
        *(("start", 0), ("delta", 0), ("delta", 0), ("stop", 0)),
        *(("start", 1), ("delta", 1), ("delta", 1), ("stop", 1)),
        *(("start", 2), ("delta", 2), ("stop", 2)),
    ]


async def test_what_never_completes_is_written_at_the_end() -> None:
    deltas = [call(0, '{"x":', "f", "a"), {"content": "t"}, call(1, "{", "g", "b"), {"content": "u"}]
    message = folded(await messages_stream([ROLE, *map(chunk, deltas), chunk({}, "length")]))
    assert message["content"] == [
        {"type": "tool_use", "id": "a", "name": "f", "input": {"INVALID_JSON": '{"x":'}},
        {"type": "text", "text": "t"},
        {"type": "tool_use", "id": "b", "name": "g", "input": {"INVALID_JSON": "{"}},
        {"type": "text", "text": "u"},
    ]


async def test_a_name_that_comes_late() -> None:
    deltas = [call(0, '{"x":', id="a"), call(0, "1}", "f")]
    message = folded(await messages_stream([ROLE, *map(chunk, deltas), chunk({}, "tool_calls")]))
    assert message["content"] == [{"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}}]


async def test_arguments_behind_the_end_of_a_call() -> None:
    deltas = [call(0, "{}", "f", "a"), call(1, "{", "g", "b"), call(0, " \n"), call(1, "}")]
    message = folded(await messages_stream([ROLE, *map(chunk, deltas), chunk({}, "tool_calls")]))
    assert [block["input"] for block in message["content"]] == [{}, {}]
    with pytest.raises(UpstreamError):
        await messages_stream([ROLE, *map(chunk, [*deltas, call(0, "x")])])


# ---- the rest


async def test_a_first_event_without_choices() -> None:
    first = {"id": "", "model": "", "choices": [], "prompt_filter_results": []}  # Azure's
    events = docs(await messages_stream([first, ROLE, chunk({"content": "a"}, "stop")]))
    assert events[0]["message"]["id"] == "msg_01"
    assert events[0]["message"]["model"] == "g"


async def test_other_choices_are_nobodys() -> None:
    other = {**BASE, "choices": [{"index": 1, "delta": {"content": "x"}}, {"index": 0, "delta": {"content": "a"}}]}
    assert folded(await messages_stream([ROLE, other, chunk({}, "stop")]))["content"] == [{"type": "text", "text": "a"}]


async def test_comments_are_pings_once_it_has_begun() -> None:
    raws = [b": early\n\n", frame(json.dumps(ROLE).encode()), b": late\n\n", DONE]
    chunks = await translated(MESSAGES_ON_CHAT, raws)
    assert [chunk.raw == PING for chunk in chunks] == [False, True, False, False]


async def test_a_tier_that_served() -> None:
    answer = await to_messages({**whole({"content": "a"}, "stop"), "service_tier": "default"})
    assert answer["usage"]["service_tier"] == "standard"


async def test_thoughts_of_another_gateway_are_verbatim() -> None:
    thoughts = [{"type": "thinking", "thinking": "t", "signature": "s"}, {"type": "redacted_thinking", "data": "x"}]
    said = {"content": "a", "reasoning_content": "t", "thinking_blocks": thoughts}
    answer = await to_messages(whole(said, "stop"))
    deltas: list[Doc] = [
        {"reasoning_content": "t", "thinking_blocks": [{"index": 0, "type": "thinking", "thinking": "t"}]},
        {"thinking_blocks": [{"index": 0, "type": "thinking", "signature": "s"}]},
        {"thinking_blocks": [{"index": 1, "type": "redacted_thinking", "data": "x"}]},
        {"content": "a"},
    ]
    told = folded(await messages_stream([ROLE, *map(chunk, deltas), chunk({}, "stop")]))
    for message in (answer, told):
        assert message["content"] == [*thoughts, {"type": "text", "text": "a"}]


@pytest.mark.parametrize(
    "event", [b"data: {\n\n", b"data: 1\n\n", b'data: {"choices":{}}\n\n', b'data: {"choices":[{"delta":1}]}\n\n']
)
async def test_it_fails_closed(event: bytes) -> None:
    with pytest.raises(UpstreamError):
        await translated(MESSAGES_ON_CHAT, [event])


@pytest.mark.parametrize(
    "answer", [b"{", b"[]", b"{}", b'{"choices":[]}', b'{"choices":[{"message":null}]}', b'{"choices":[1]}']
)
async def test_no_completion(answer: bytes) -> None:
    with pytest.raises(UpstreamError):
        await to_messages(answer)


async def test_an_empty_stream_says_nothing() -> None:
    assert await messages_stream([]) == []


async def test_halves_of_a_surrogate_pair_are_kept() -> None:
    chunks = [ROLE, chunk({"content": "\ud83d"}), chunk({"content": "\ude00"}), chunk({}, "stop")]
    assert folded(await messages_stream(chunks))["content"][0]["text"] == "😀"
    assert (await to_messages(whole({"content": "\ud83d"}, "stop")))["content"][0]["text"] == "\ud83d"
