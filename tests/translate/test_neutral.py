"""What is written once on the seam works on translated answers: a redactor, a counter, and the rules of a Reply."""

import json
from typing import Any

import pytest

from gateway.seam import Batch, Chunk, Given, Key, Outcome, Reply, UpstreamError, unfold
from gateway.translate.chat_messages import CHAT_ON_MESSAGES
from gateway.translate.contract import Translation
from gateway.translate.messages_chat import MESSAGES_ON_CHAT
from gateway.wire.chat import CHAT_ANSWER, CHAT_EVENT
from gateway.wire.messages import MESSAGES_ANSWER, MESSAGES_EVENT
from tests.seam.test_neutral import CLEAN, SECRET, TEXT, Redactor
from tests.translate.answers import call_of

MESSAGE = {
    "id": "msg_01",
    "type": "message",
    "role": "assistant",
    "model": "c",
    "content": [
        {"type": "thinking", "thinking": TEXT, "signature": "s"},
        {"type": "text", "text": TEXT},
        {"type": "tool_use", "id": "t", "name": "f", "input": {"a": TEXT}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {"input_tokens": 5, "output_tokens": 7},
}
COMPLETION = {
    "id": "chatcmpl-01",
    "object": "chat.completion",
    "created": 1,
    "model": "g",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": TEXT,
                "reasoning_content": TEXT,
                "tool_calls": [
                    {"id": "a", "type": "function", "function": {"name": "f", "arguments": json.dumps({"a": TEXT})}}
                ],
            },
            "finish_reason": "tool_calls",
        }
    ],
    "usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12},
}
WAYS = [
    (CHAT_ON_MESSAGES, Chunk(json.dumps(MESSAGE).encode(), MESSAGES_ANSWER)),
    (MESSAGES_ON_CHAT, Chunk(json.dumps(COMPLETION).encode(), CHAT_ANSWER)),
]


def pieces(chunk: Chunk) -> list[Chunk]:
    """Its text deltas one character each."""
    cut: list[Chunk] = []
    for part in chunk.parts():
        cut += [chunk.like(part.key, letter) for letter in part.text]
    return cut or [chunk]


def inner_of(translation: Translation, answer: Chunk, *, streamed: bool) -> tuple[Reply, Reply]:
    """The target's Reply, and the translated one."""
    chunks = [answer]
    if streamed:
        events = unfold(answer)
        chunks = events if translation.back == "chat" else [piece for event in events for piece in pieces(event)]
    call = call_of(translation)
    inner = Reply(call, Given([Batch.of([chunk]) for chunk in chunks]), surface=translation.back)
    return inner, translation.reply(call, inner)


@pytest.mark.parametrize(("translation", "answer"), WAYS)
@pytest.mark.parametrize("streamed", [True, False])
async def test_a_redactor(translation: Translation, answer: Chunk, streamed: bool) -> None:
    _, reply = inner_of(translation, answer, streamed=streamed)
    texts: dict[Key, str] = {}
    over: set[Key] = set()
    async for batch in reply.rewrite(Redactor):
        for chunk in Batch(batch.raw, batch.codec):
            assert SECRET.encode() not in chunk.raw
            for part in chunk.parts():
                assert part.key not in over
                texts[part.key] = texts.get(part.key, "") + part.text
            over |= {key for key in texts if chunk.closes(key)}
    assert {key.kind for key in texts} == {"text", "reasoning", "tool_args"}
    for key, text in texts.items():
        assert (json.loads(text)["a"] if key.kind == "tool_args" else text) == CLEAN
    assert over == set(texts)


@pytest.mark.parametrize(("translation", "answer"), WAYS)
@pytest.mark.parametrize("streamed", [True, False])
async def test_a_counter(translation: Translation, answer: Chunk, streamed: bool) -> None:
    inner, reply = inner_of(translation, answer, streamed=streamed)
    counted = 0
    endings: list[tuple[str, Outcome]] = []

    def count(batch: Batch) -> None:
        nonlocal counted
        counted += sum(len(part.text) for chunk in batch.chunks for part in chunk.parts())

    inner.on_end(lambda outcome: endings.append(("inner", outcome)))
    reply.on_end(lambda outcome: endings.append(("outer", outcome)))
    whole = await reply.tap(count).whole()
    assert counted == sum(len(part.text) for part in whole.parts())
    assert [name for name, _ in endings] == ["inner", "outer"]
    for _, outcome in endings:
        assert outcome.kind == "ok"
        assert (outcome.usage.input, outcome.usage.output) == (5, 7)
        assert not outcome.estimated


@pytest.mark.parametrize(("translation", "answer"), WAYS)
async def test_closing_it_closes_the_targets(translation: Translation, answer: Chunk) -> None:
    inner, reply = inner_of(translation, answer, streamed=True)
    ended: list[str] = []
    inner.on_end(lambda outcome: ended.append(outcome.kind))
    await anext(reply)
    await reply.aclose()
    assert ended == ["cancelled"]
    assert reply.head is inner.head


@pytest.mark.parametrize(
    ("translation", "raw", "codec"),
    [
        (CHAT_ON_MESSAGES, b"event: x\ndata: {\n\n", MESSAGES_EVENT),
        (MESSAGES_ON_CHAT, b"data: {\n\n", CHAT_EVENT),
    ],
)
async def test_what_breaks_ends_both(translation: Translation, raw: bytes, codec: Any) -> None:
    call = call_of(translation)
    inner = Reply(call, Given([Batch(raw, codec)]), surface=translation.back)
    reply = translation.reply(call, inner)
    ended: list[str] = []
    inner.on_end(lambda outcome: ended.append(outcome.kind))
    reply.on_end(lambda outcome: ended.append(outcome.kind))
    with pytest.raises(UpstreamError):
        await reply.whole()
    assert "failed" in ended
    assert len(ended) == 2
