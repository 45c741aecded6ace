"""Whatever a provider sends, it is translated or it is an `UpstreamError`: nothing else is raised."""

import contextlib
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.seam import Batch, UpstreamError, fold
from gateway.wire.messages import MESSAGES_EVENT
from tests.translate.answers import (
    Doc,
    chat_stream,
    completion_streams,
    completions,
    docs,
    message_streams,
    messages,
    messages_stream,
    patient,
    to_chat,
    to_messages,
)

JUNK = st.sampled_from(
    [
        *("null", "true", "0", "-1", "1.5", "1" + "0" * 30, '""', '"x"', r'"\ud83d"'),
        *("[]", "[null]", '["x"]', "{}", '{"type":"x"}', "[[{}]]", '{"text":1}'),
    ]
)
ASKED = [
    {},
    {"tools": [{"type": "custom", "custom": {"name": "tool0"}}]},
    {"functions": [{"name": "tool0"}]},
    {"response_format": {"type": "json_schema", "json_schema": {"name": "tool0", "schema": {}}}},
]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Each place in a document."""
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, item in items:
        found += places(item, (*path, step))
    return found


def broken(draw: st.DrawFn, document: Any) -> Any:
    """A document with some places cut out, or filled with what does not belong there."""
    document = json.loads(json.dumps(document))
    for _ in range(draw(st.integers(1, 3))):
        there = places(document)
        if not there:
            break
        *way, last = draw(st.sampled_from(there))
        holder = document
        for step in way:
            holder = holder[step]
        if draw(st.booleans()):
            holder[last] = json.loads(draw(JUNK))  # a copy: what is put in may be broken in its turn
        else:
            del holder[last]
    return document


@st.composite
def broken_streams(draw: st.DrawFn, streams: st.SearchStrategy[tuple[Doc, list[Doc]]]) -> list[Doc]:
    _, events = draw(streams)
    return [event for event in broken(draw, events) if isinstance(event, dict)]


@st.composite
def broken_answers(draw: st.DrawFn, answers: st.SearchStrategy[Doc]) -> Doc:
    made: Doc = broken(draw, draw(answers))
    return made


@patient
@given(broken_answers(messages()), st.sampled_from(ASKED))
async def test_messages(answer: Doc, asked: Doc) -> None:
    with contextlib.suppress(UpstreamError):
        assert (await to_chat(answer, **asked))["object"] == "chat.completion"


@patient
@given(broken_answers(completions()))
async def test_completions(answer: Doc) -> None:
    with contextlib.suppress(UpstreamError):
        assert (await to_messages(answer))["type"] == "message"


@patient
@given(broken_streams(message_streams()), st.sampled_from(ASKED))
async def test_events(events: list[Doc], asked: Doc) -> None:
    typed = [
        event for event in events if isinstance(kind := event.get("type"), str) and kind.isidentifier()
    ]  # framing needs one
    with contextlib.suppress(UpstreamError):
        docs(await chat_stream(typed, **asked))


@patient
@given(broken_streams(message_streams()))
def test_folding(events: list[Doc]) -> None:
    batches = [Batch(b"data: %s\n\n" % json.dumps(event).encode(), MESSAGES_EVENT) for event in events]
    with contextlib.suppress(UpstreamError):
        fold(batches, "messages")


@patient
@given(broken_streams(completion_streams()))
async def test_chunks(chunks: list[Doc]) -> None:
    with contextlib.suppress(UpstreamError):
        docs(await messages_stream(chunks))
