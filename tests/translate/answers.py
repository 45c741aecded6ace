"""Answers of both dialects, whole and as the streams that servers make of them; and the ways through a translation."""

import json
import logging
from collections.abc import Callable
from typing import Any

from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import Message, RawMessageStreamEvent
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from openai.lib.streaming.chat._completions import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import TypeAdapter

from gateway.seam import Batch, Call, Chunk, Given, Reply, Request, Tasks, fold
from gateway.translate.chat_messages import CHAT_ON_MESSAGES
from gateway.translate.contract import Translation
from gateway.translate.messages_chat import MESSAGES_ON_CHAT
from gateway.wire.chat import CHAT_ANSWER, CHAT_EVENT
from gateway.wire.messages import MESSAGES_ANSWER, MESSAGES_EVENT
from gateway.wire.messages_fold import frame as messages_frame
from gateway.wire.sse import DONE, frame, payload
from tests.wire.test_chat_fold import PLACES, cut, shuffled

Doc = dict[str, Any]

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""For generated answers: a machine that is busy must not fail them."""

EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)


def call_of(translation: Translation, **body: Any) -> Call:
    """A call of the front's dialect."""
    raw = json.dumps({"model": "m", "messages": [{"role": "user", "content": "q"}], **body}).encode()
    request = Request(
        translation.front,
        raw,
        model=str(body.get("model", "m")),
        stream=True,
        wants_usage=bool(body.get("stream_options")),
    )
    return Call(request, Tasks(logging.getLogger("test")))


async def translated(translation: Translation, raws: list[bytes], size: int = 1, **body: Any) -> list[Chunk]:
    """What the front sees of a stream; `size` events come with one read."""
    codec = CHAT_EVENT if translation.back == "chat" else MESSAGES_EVENT
    batches = [Batch(b"".join(raws[at : at + size]), codec) for at in range(0, len(raws), size)]
    call = call_of(translation, **body)
    inner = Reply(call, Given(batches), surface=translation.back)
    reply = translation.reply(call, inner)
    assert reply.surface == translation.front
    return [chunk async for batch in reply for chunk in Batch(batch.raw, batch.codec)]


async def translated_whole(translation: Translation, answer: Doc | bytes, **body: Any) -> Any:
    """What the front sees of a whole answer."""
    codec = CHAT_ANSWER if translation.back == "chat" else MESSAGES_ANSWER
    call = call_of(translation, **body)
    source = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    chunk = await translation.reply(call, Reply.of(call, Chunk(source, codec))).whole()
    return json.loads(chunk.raw)


async def to_chat(message: Doc | bytes, **body: Any) -> Any:
    """A message as a completion."""
    return await translated_whole(CHAT_ON_MESSAGES, message, **body)


async def to_messages(completion: Doc | bytes, **body: Any) -> Any:
    """A completion as a message."""
    return await translated_whole(MESSAGES_ON_CHAT, completion, **body)


async def chat_stream(events: list[Doc], size: int = 1, **body: Any) -> list[Chunk]:
    """Anthropic's events as chunks."""
    raws = [messages_frame(json.dumps(event).encode()) for event in events]
    return await translated(CHAT_ON_MESSAGES, raws, size, **body)


async def messages_stream(chunks: list[Doc], size: int = 1, *, done: bool = True, **body: Any) -> list[Chunk]:
    """Chunks as Anthropic's events."""
    raws = [frame(json.dumps(chunk).encode()) for chunk in chunks]
    return await translated(MESSAGES_ON_CHAT, [*raws, DONE] if done else raws, size, **body)


def docs(chunks: list[Chunk]) -> list[Any]:
    """The documents of events; comments and the end mark have none."""
    return [json.loads(source) for chunk in chunks if (source := chunk.codec.source(chunk.raw))]


def folded(chunks: list[Chunk]) -> Any:
    """The answer that a stream is."""
    return json.loads(fold([Batch.of(chunks)], chunks[0].codec.surface).raw)


def rebuilt_by_openai(chunks: list[Chunk]) -> Any:
    """The completion that OpenAI's SDK makes of a stream. Each chunk is validated."""
    state: Any = ChatCompletionStreamState()
    for doc in docs(chunks):
        state.handle_chunk(ChatCompletionChunk.model_validate(doc))
    return state.current_completion_snapshot.model_dump(exclude_none=True)


def rebuilt_by_anthropic(chunks: list[Chunk]) -> Any:
    """The message that Anthropic's SDK makes of a stream. Each event is validated."""
    snapshot: Any = None
    buffers: dict[int, bytes] = {}
    for chunk in chunks:
        source = payload(chunk.raw)
        if source != b'{"type":"ping"}':
            event = EVENT.validate_python(json.loads(source))  # pydantic reads no half of a surrogate pair
            assert chunk.raw.startswith(b"event: %s\n" % event.type.encode())
            snapshot = accumulate_event(event=event, current_snapshot=snapshot, json_bufs=buffers)
    return json.loads(snapshot.to_json(exclude_none=True))


def as_openai_reads(completion: Doc) -> Any:
    """A whole completion, validated."""
    return ChatCompletion.model_validate(completion).model_dump(exclude_none=True)


def as_anthropic_reads(message: Doc) -> Any:
    """A whole message, validated."""
    return json.loads(Message.model_validate(message).to_json(exclude_none=True))


def without_time(completion: Doc) -> Doc:
    """A completion but for when it was made."""
    return {name: value for name, value in completion.items() if name != "created"}


# ---- generated answers

TEXT = st.text(min_size=1, max_size=12) | st.sampled_from(['{"a": 1}', "😀 \u0000", '"\\', "\n\n", "data: [DONE]"])
INPUTS = st.dictionaries(
    st.text(max_size=4),
    st.recursive(st.integers() | TEXT | st.none(), lambda inner: st.lists(inner, max_size=2), max_leaves=3),
    max_size=3,
)
COUNTS = st.integers(0, 10**6)


@st.composite
def blocks(draw: st.DrawFn) -> list[Doc]:
    """Content as Anthropic's models give it: thoughts, then text, then uses of tools."""
    made: list[Doc] = []
    for _ in range(draw(st.integers(0, 2))):
        if draw(st.booleans()):
            made.append({"type": "thinking", "thinking": draw(TEXT), "signature": draw(TEXT)})
        else:
            made.append({"type": "redacted_thinking", "data": draw(TEXT)})
    if draw(st.booleans()):
        made.append({"type": "text", "text": draw(TEXT)})
    for number in range(draw(st.integers(0, 3))):
        if draw(st.integers(0, 3)) == 0:  # thoughts between
            made.append({"type": "thinking", "thinking": draw(TEXT), "signature": draw(TEXT)})
        made.append({"type": "tool_use", "id": f"toolu_{number}", "name": f"tool{number}", "input": draw(INPUTS)})
    return made


@st.composite
def messages(draw: st.DrawFn) -> Doc:
    content = draw(blocks())
    used = any(block["type"] == "tool_use" for block in content)
    stop = draw(st.sampled_from(["tool_use", "max_tokens"] if used else ["end_turn", "stop_sequence", "max_tokens"]))
    return {
        "id": "msg_01",
        "type": "message",
        "role": "assistant",
        "model": "claude-x",
        "content": content,
        "stop_reason": stop,
        "stop_sequence": draw(TEXT) if stop == "stop_sequence" else None,
        "usage": {
            "input_tokens": draw(COUNTS),
            "cache_creation_input_tokens": draw(COUNTS),
            "cache_read_input_tokens": draw(COUNTS),
            "output_tokens": draw(COUNTS),
        },
    }


def by_characters(text: str, at: list[int]) -> list[str]:
    """A text in pieces that each are text: the SDKs cannot put halves of a surrogate pair together."""
    places = sorted(place % (len(text) + 1) for place in at)
    return [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]


Cut = Callable[[str, list[int]], list[str]]


@st.composite
def message_streams(draw: st.DrawFn, *, cut: Cut = cut) -> tuple[Doc, list[Doc]]:
    """A message, and one of the ways in which Anthropic may stream it."""
    whole = draw(messages())
    events: list[Doc] = []
    for index, block in enumerate(whole["content"]):
        start, kind, field, text = dict(block), "", "", ""
        match block["type"]:
            case "text":
                start, kind, field, text = {"type": "text", "text": ""}, "text_delta", "text", block["text"]
            case "thinking":
                start = {"type": "thinking", "thinking": "", "signature": ""}
                kind, field, text = "thinking_delta", "thinking", block["thinking"]
            case "tool_use":
                start["input"] = {}
                kind, field, text = "input_json_delta", "partial_json", json.dumps(block["input"])
                text = "" if text == "{}" and draw(st.booleans()) else text
        events.append({"type": "content_block_start", "index": index, "content_block": start})
        for piece in cut(text, draw(PLACES)) if kind else ():
            if draw(st.integers(0, 9)) == 0:
                events.append({"type": "ping"})
            events.append({"type": "content_block_delta", "index": index, "delta": {"type": kind, field: piece}})
        if block["type"] == "thinking":
            signature = {"type": "signature_delta", "signature": block["signature"]}
            events.append({"type": "content_block_delta", "index": index, "delta": signature})
        events.append({"type": "content_block_stop", "index": index})
    end = {name: whole[name] for name in ("stop_reason", "stop_sequence")}
    start = {**whole, "content": [], "stop_reason": None, "stop_sequence": None}
    start["usage"] = {**whole["usage"], "output_tokens": 1}
    return whole, [
        {"type": "message_start", "message": start},
        *events,
        {"type": "message_delta", "delta": end, "usage": {"output_tokens": whole["usage"]["output_tokens"]}},
        {"type": "message_stop"},
    ]


@st.composite
def completions(draw: st.DrawFn) -> Doc:
    said: Doc = {"role": "assistant", "content": draw(st.none() | TEXT), "refusal": None}
    if draw(st.booleans()):
        said["reasoning_content"] = draw(TEXT)
    calls = [
        {
            "id": f"call_{number}",
            "type": "function",
            "function": {"name": f"tool{number}", "arguments": json.dumps(draw(INPUTS))},
        }
        for number in range(draw(st.integers(0, 3)))
    ]
    if calls:
        said["tool_calls"] = calls
    finish = draw(st.sampled_from(["tool_calls", "length"] if calls else ["stop", "length", "content_filter"]))
    cached = draw(COUNTS)
    prompt, completion = cached + draw(COUNTS), draw(COUNTS)
    return {
        "id": "chatcmpl-01",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-x",
        "choices": [{"index": 0, "message": said, "logprobs": None, "finish_reason": finish}],
        "usage": {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": cached},
        },
    }


@st.composite
def completion_streams(draw: st.DrawFn, *, interleaved: bool = False, cut: Cut = cut) -> tuple[Doc, list[Doc]]:
    """A completion, and one of the ways in which a server may stream it."""
    whole = draw(completions())
    choice = whole["choices"][0]
    said = choice["message"]
    deltas: list[Doc] = [{"role": "assistant", "content": ""}]
    for field in ("reasoning_content", "content"):
        if said.get(field):
            deltas += [{field: piece} for piece in cut(said[field], draw(PLACES))]
    queues: list[list[Doc]] = []
    nameless = draw(st.booleans())  # some servers give every call index 0
    for number, call in enumerate(said.get("tool_calls", ())):
        index = 0 if nameless and not interleaved else number
        pieces = cut(call["function"]["arguments"], draw(PLACES))
        opening = {"index": index, **call, "function": {"name": call["function"]["name"], "arguments": ""}}
        queues.append([opening, *({"index": index, "function": {"arguments": piece}} for piece in pieces)])
    order = shuffled(draw, queues) if interleaved else [delta for queue in queues for delta in queue]
    deltas += [{"tool_calls": [delta]} for delta in order]
    base = {"id": "chatcmpl-01", "object": "chat.completion.chunk", "created": 1, "model": "gpt-x"}
    chunks = [{**base, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    chunks.append({**base, "choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]})
    return whole, [*chunks, {**base, "choices": [], "usage": whole["usage"]}]
