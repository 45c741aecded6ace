"""The seam is neutral: one redactor, written once on `Reply.rewrite`, over dialects and forms that it knows nothing of.

The secret must not leave in the joined text, nor in the bytes of any single event; the rest must be intact; and what
was held must leave before the event that closes its part.
"""

import json
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.seam import Batch, Call, Chunk, Given, Key, Reply, Request, Tasks, UpstreamError, Usage
from gateway.wire.chat import CHAT_ANSWER, CHAT_EVENT
from gateway.wire.codec import Codec
from gateway.wire.completions import COMPLETIONS_ANSWER, COMPLETIONS_EVENT
from gateway.wire.embeddings import EMBEDDINGS_ANSWER
from gateway.wire.messages import MESSAGES_ANSWER, MESSAGES_EVENT
from gateway.wire.moderations import MODERATIONS_ANSWER
from gateway.wire.sse import DONE, frame

SECRET = "SeSecretS"  # a beginning of it ends it, and another stands in its middle
MASK = "***"
TEXT = f"Se{SECRET} and {SECRET}{SECRET}, SeSecret. Se"
CLEAN = TEXT.replace(SECRET, MASK)


class Redactor:
    """Masks the secret; holds back what may be its beginning."""

    def __init__(self, key: Key) -> None:
        self.held = ""

    def feed(self, text: str) -> str:
        text = (self.held + text).replace(SECRET, MASK)
        size = next(size for size in range(len(SECRET) - 1, -1, -1) if text.endswith(SECRET[:size]))
        self.held = text[len(text) - size :]
        return text[: len(text) - size]

    def end(self) -> str:
        return self.held


async def redacted(batches: list[Batch], surface: str) -> list[Chunk]:
    call = Call(Request(surface, b"{}", stream=True), Tasks(logging.getLogger("test")))
    reply = Reply(call, Given(batches), surface=surface).rewrite(Redactor)
    chunks = [chunk async for batch in reply for chunk in Batch(batch.raw, batch.codec)]
    for chunk in chunks:
        assert SECRET.encode() not in chunk.raw
    return chunks


def checked(chunks: list[Chunk], *keys: Key, clean: str = CLEAN) -> None:
    """Each text is whole and clean, and is complete before the event that closes it."""
    texts = dict.fromkeys(keys, "")
    over: set[Key] = set()
    for chunk in chunks:
        for part in chunk.parts():
            assert part.key not in over
            texts[part.key] += part.text
        over |= {key for key in keys if chunk.closes(key)}
    assert texts == dict.fromkeys(keys, clean)
    assert over == set(keys)


def batched(events: list[bytes], codec: Codec, size: int) -> list[Batch]:
    return [Batch(b"".join(events[at : at + size]), codec) for at in range(0, len(events), size)]


# ---- chat


def chat(*choices: dict[str, Any]) -> bytes:
    return frame(json.dumps({"id": "c", "model": "m", "choices": list(choices)}).encode())


def delta(field: str, text: str, choice: int = 0, **more: Any) -> dict[str, Any]:
    if field == "arguments":
        return {"index": choice, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": text}}]}, **more}
    tokens = [{"token": text, "bytes": list(text.encode()), "top_logprobs": [{"token": text}]}]
    return {"index": choice, "delta": {field: text}, "logprobs": {"content": tokens}, **more}


FIELDS = {
    "content": Key(0, "text", 0),
    "reasoning_content": Key(0, "reasoning", 0),
    "reasoning": Key(0, "reasoning", 1),
    "refusal": Key(0, "refusal", 0),
    "arguments": Key(0, "tool_args", 0),
}
ROLE = chat({"index": 0, "delta": {"role": "assistant", "content": ""}})
FINISH = chat({"index": 0, "delta": {}, "finish_reason": "stop"})


def pieces(text: str, cut: int) -> list[str]:
    return [text[:cut], text[cut:]]


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("size", [1, 100])
@pytest.mark.parametrize("ending", ["finish", "together", "no finish"])
async def test_chat_streamed_and_cut_anywhere(field: str, size: int, ending: str) -> None:
    for cut in range(len(TEXT) + 1):
        texts = pieces(TEXT, cut)
        if ending == "together":
            events = [ROLE, chat(delta(field, texts[0])), chat(delta(field, texts[1], finish_reason="stop"))]
        else:
            events = [ROLE, *(chat(delta(field, text)) for text in texts), *([FINISH] if ending == "finish" else [])]
        chunks = await redacted(batched([*events, DONE], CHAT_EVENT, size), "chat")
        checked(chunks, FIELDS[field])
        assert chunks[-1].raw == DONE


@pytest.mark.parametrize("field", FIELDS)
async def test_chat_one_character_an_event(field: str) -> None:
    events = [ROLE, *(chat(delta(field, letter)) for letter in TEXT), FINISH, DONE]
    checked(await redacted(batched(events, CHAT_EVENT, 3), "chat"), FIELDS[field])


async def test_chat_a_stream_that_ends_without_any_closing_event() -> None:
    for cut in range(len(TEXT) + 1):
        events = [chat(delta("content", text)) for text in pieces(TEXT, cut)]
        chunks = await redacted(batched(events, CHAT_EVENT, 1), "chat")
        assert "".join(part.text for chunk in chunks for part in chunk.parts()) == CLEAN


@pytest.mark.parametrize("joined", [True, False])
async def test_chat_two_interleaved_choices(joined: bool) -> None:
    keys = Key(0, "text", 0), Key(1, "text", 0)
    for cut in range(len(TEXT) + 1):
        events = []
        for text in pieces(TEXT, cut):
            both = delta("content", text), delta("content", text, 1)
            events += [chat(*both)] if joined else [chat(one) for one in both]
        events += [FINISH, chat({"index": 1, "delta": {}, "finish_reason": "stop"}), DONE]
        checked(await redacted(batched(events, CHAT_EVENT, 2), "chat"), *keys)


async def test_chat_all_kinds_at_once() -> None:
    for cut in range(len(TEXT) + 1):
        events = []
        for text in pieces(TEXT, cut):
            fields: dict[str, Any] = {field: text for field in FIELDS if field != "arguments"}
            calls = [{"index": 0, "function": {"arguments": text}}]
            events.append(chat({"index": 0, "delta": {**fields, "tool_calls": calls}}))
        checked(await redacted(batched([*events, FINISH, DONE], CHAT_EVENT, 1), "chat"), *FIELDS.values())


@given(st.lists(st.integers(0, len(TEXT)), max_size=8), st.integers(1, 5))
async def test_chat_any_cuts(cuts: list[int], size: int) -> None:
    places = sorted(cuts)
    texts = [TEXT[a:b] for a, b in zip([0, *places], [*places, len(TEXT)], strict=True)]
    events = [*(chat(delta("content", text)) for text in texts), FINISH, DONE]
    checked(await redacted(batched(events, CHAT_EVENT, size), "chat"), FIELDS["content"])


async def test_chat_the_rest_is_intact() -> None:
    """What carries none of the secret leaves as the bytes that came."""
    usage = frame(b'{"id":"c","n":1.00,"choices":[],"usage":{"prompt_tokens":1}}')
    plain = chat(delta("content", "hello"))
    events = [ROLE, b": ping\n\n", plain, FINISH, usage, DONE]
    chunks = await redacted([Batch(b"".join(events), CHAT_EVENT)], "chat")
    assert [chunk.raw for chunk in chunks] == events


async def test_chat_whole() -> None:
    message = {
        **{field: TEXT for field in FIELDS if field != "arguments"},
        "tool_calls": [{"id": "x", "function": {"name": "f", "arguments": TEXT}}],
    }
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    logprobs = {"content": [{"token": SECRET}]}
    source = json.dumps({"id": "c", "choices": [{**choice, "logprobs": logprobs}, {**choice, "index": 1}]}).encode()
    chunks = await redacted([Batch(source, CHAT_ANSWER)], "chat")
    checked(chunks, *(Key(choice, key.kind, key.index) for key in FIELDS.values() for choice in (0, 1)))
    expected = json.loads(source.replace(TEXT.encode(), CLEAN.encode()))
    expected["choices"][0]["logprobs"] = None
    assert json.loads(chunks[0].raw) == expected


# ---- completions


def completed(*choices: dict[str, Any]) -> bytes:
    return frame(json.dumps({"id": "c", "object": "text_completion", "choices": list(choices)}).encode())


def written(text: str, choice: int = 0, finish: str | None = None) -> dict[str, Any]:
    logprobs = {"tokens": [text], "top_logprobs": [{text: -1.0}]}
    return {"index": choice, "text": text, "logprobs": logprobs, "finish_reason": finish}


OVER = completed({"index": 0, "text": "", "logprobs": None, "finish_reason": "stop"})


@pytest.mark.parametrize("size", [1, 100])
@pytest.mark.parametrize("ending", ["finish", "together", "no finish"])
async def test_completions_streamed_and_cut_anywhere(size: int, ending: str) -> None:
    for cut in range(len(TEXT) + 1):
        first, second = pieces(TEXT, cut)
        events = [
            completed(written(first)),
            completed(written(second, finish="stop" if ending == "together" else None)),
        ]
        events += [OVER] if ending == "finish" else []
        chunks = await redacted(batched([*events, DONE], COMPLETIONS_EVENT, size), "completions")
        checked(chunks, Key(0, "text", 0))
        assert chunks[-1].raw == DONE


async def test_completions_two_interleaved_choices_a_character_an_event() -> None:
    events = [completed(written(letter), written(letter, 1)) for letter in TEXT]
    events += [OVER, completed(written("", 1, "length")), DONE]
    checked(await redacted(batched(events, COMPLETIONS_EVENT, 3), "completions"), Key(0, "text", 0), Key(1, "text", 0))


async def test_completions_whole() -> None:
    source = json.dumps({"id": "c", "choices": [written(TEXT, 0, "stop"), written(TEXT, 1, "stop")]}).encode()
    chunks = await redacted([Batch(source, COMPLETIONS_ANSWER)], "completions")
    checked(chunks, Key(0, "text", 0), Key(1, "text", 0))


# ---- answers without texts, and requests of every surface


@pytest.mark.parametrize(
    ("surface", "codec", "source"),
    [
        ("embeddings", EMBEDDINGS_ANSWER, b'{"data":[{"embedding":[1.00]}],"usage":{"prompt_tokens":3}}'),
        ("moderations", MODERATIONS_ANSWER, b'{"results":[{"flagged":true,"category_scores":{"hate":1.00}}]}'),
    ],
)
async def test_what_carries_no_text_passes_as_it_came(surface: str, codec: Codec, source: bytes) -> None:
    assert [chunk.raw for chunk in await redacted([Batch(source, codec)], surface)] == [source]


async def test_what_carries_no_text_cost_no_output_where_nobody_reports_it() -> None:
    """The length of a vector, or of a verdict, tells nothing of tokens."""
    call = Call(Request("moderations", b'{"input":"eight ch"}'), Tasks(logging.getLogger("test")))
    reply = Reply.of(call, Chunk(b'{"results":[{"flagged":false}]}', MODERATIONS_ANSWER))
    await reply.whole()
    assert reply.usage() == (Usage(5, 0), True)


REQUESTS: list[tuple[str, Any]] = [
    ("chat", {"messages": [{"role": "user", "content": TEXT}]}),
    ("messages", {"system": TEXT, "messages": [{"role": "user", "content": [{"type": "text", "text": TEXT}]}]}),
    ("completions", {"prompt": TEXT, "suffix": TEXT}),
    ("completions", {"prompt": ["x", TEXT, [1, 2]]}),
    ("embeddings", {"input": TEXT}),
    ("embeddings", {"input": [TEXT, "x", TEXT]}),
    ("moderations", {"input": [TEXT]}),
    ("moderations", {"input": [{"type": "text", "text": TEXT}, {"type": "image_url", "image_url": {"url": "x"}}]}),
]


@pytest.mark.parametrize(("surface", "body"), REQUESTS)
def test_one_redactor_and_one_counter_for_requests_of_every_surface(surface: str, body: dict[str, Any]) -> None:
    source = json.dumps({"n": 1.0, **body}).replace('"n": 1.0', '"n": 1.00').encode()
    request = Request(surface, source)
    copy = request.copy()
    assert sum(text.text.count(SECRET) for text in copy.texts()) == source.count(SECRET.encode())
    for text in copy.texts():
        text.text = text.text.replace(SECRET, MASK)
    assert json.loads(copy.raw) == json.loads(source.replace(SECRET.encode(), MASK.encode()))
    assert b'"n": 1.00' in copy.raw
    assert request.raw == source


# ---- messages


def named(kind: str, **more: Any) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), json.dumps({"type": kind, **more}).encode())


KINDS = {
    "text": ("text_delta", "text"),
    "reasoning": ("thinking_delta", "thinking"),
    "tool_args": ("input_json_delta", "partial_json"),
}
BLOCKS: dict[str, dict[str, Any]] = {
    "text": {"type": "text", "text": ""},
    "reasoning": {"type": "thinking", "thinking": ""},
    "tool_args": {"type": "tool_use", "id": "t", "name": "f", "input": {}},
}


def block(index: int, kind: str, *texts: str, stop: bool = True) -> list[bytes]:
    name, field = KINDS[kind]
    return [
        named("content_block_start", index=index, content_block=BLOCKS[kind]),
        *(named("content_block_delta", index=index, delta={"type": name, field: text}) for text in texts),
        *([named("content_block_stop", index=index)] if stop else []),
    ]


START = named("message_start", message={"id": "m", "content": [], "usage": {"input_tokens": 1}})
CLOSING = [named("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 1}), named("message_stop")]


@pytest.mark.parametrize("size", [1, 2, 100])
@pytest.mark.parametrize("stop", [True, False])
async def test_messages_streamed_and_cut_anywhere(size: int, stop: bool) -> None:
    keys = [Key(0, "reasoning", 0), Key(0, "text", 1), Key(0, "tool_args", 2), Key(0, "text", 3)]
    for cut in range(len(TEXT) + 1):
        blocks = [event for key in keys for event in block(key.index, key.kind, *pieces(TEXT, cut), stop=stop)]
        events = [START, named("ping"), *blocks, *CLOSING]
        chunks = await redacted(batched(events, MESSAGES_EVENT, size), "messages")
        checked(chunks, *keys)
        assert chunks[0].raw == START
        assert [chunk.raw for chunk in chunks[-2:]] == CLOSING
        opened: set[int] = set()
        for chunk in chunks:  # blocks never overlap
            document = json.loads(MESSAGES_EVENT.source(chunk.raw))
            assert chunk.raw.startswith(b"event: %s\n" % document["type"].encode())
            if stop and document["type"] == "content_block_start":
                assert not opened
                opened.add(document["index"])
            elif document["type"] == "content_block_stop":
                opened.remove(document["index"])


async def test_messages_whole() -> None:
    source = json.dumps(
        {
            "content": [
                {"type": "thinking", "thinking": TEXT, "signature": "s"},
                {"type": "text", "text": TEXT},
                {"type": "tool_use", "id": "t", "name": "f", "input": {"q": TEXT, "n": 1}},
            ]
        }
    ).encode()
    (chunk,) = await redacted([Batch(source, MESSAGES_ANSWER)], "messages")
    assert json.loads(chunk.raw) == json.loads(source.replace(TEXT.encode(), CLEAN.encode()))


# ---- what a filter must not do


class Breaker(Redactor):
    """Puts a quote where JSON source has none."""

    def feed(self, text: str) -> str:
        return text.replace("x", '"')


@pytest.mark.parametrize(
    ("surface", "codec", "events"),
    [
        ("chat", CHAT_EVENT, [ROLE, chat(delta("arguments", '{"a":')), chat(delta("arguments", '"x"}')), FINISH, DONE]),
        ("chat", CHAT_EVENT, [ROLE, chat(delta("arguments", '{"a":"x"}', finish_reason="tool_calls")), DONE]),
        ("chat", CHAT_EVENT, [ROLE, chat(delta("arguments", '{"a":"x"}')), DONE]),
        ("messages", MESSAGES_EVENT, [START, *block(0, "tool_args", '{"a":', '"x"}'), *CLOSING]),
        ("messages", MESSAGES_EVENT, [START, *block(0, "tool_args", '{"a":"x"}', stop=False), *CLOSING]),
        (
            "chat",
            CHAT_ANSWER,
            [b'{"choices":[{"message":{"tool_calls":[{"function":{"arguments":"{\\"a\\":\\"x\\"}"}}]}}]}'],
        ),
        ("messages", MESSAGES_ANSWER, [b'{"content":[{"type":"tool_use","input":{"a":"x"}}]}']),
    ],
)
@pytest.mark.parametrize("size", [1, 100])
async def test_arguments_that_a_filter_breaks_are_never_closed(
    surface: str, codec: Codec, events: list[bytes], size: int
) -> None:
    call = Call(Request(surface, b"{}", stream=True), Tasks(logging.getLogger("test")))
    reply = Reply(call, Given(batched(events, codec, size)), surface=surface).rewrite(Breaker)
    kinds: list[str] = []
    reply.on_end(lambda outcome: kinds.append(outcome.kind))
    left: list[Chunk] = []

    async def read() -> None:
        async for batch in reply:
            left.extend(batch.chunks)

    with pytest.raises(UpstreamError):
        await read()
    assert not any(chunk.ends or chunk.whole for chunk in left)
    assert kinds == ["failed"]
