"""Events into a message and back: nothing is lost, and the SDK's own accumulator rebuilds the same message."""

import json
from typing import Any

import pytest
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import Message, RawMessageStreamEvent
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from gateway.seam import Chunk, UpstreamError
from gateway.seam import fold as fold_batches
from gateway.seam import unfold as unfold_chunk
from gateway.seam.chunk import Batch
from gateway.wire.dialect import DIALECTS
from gateway.wire.messages import MESSAGES_ANSWER, MESSAGES_EVENT
from gateway.wire.messages_fold import fold, frame, unfold
from gateway.wire.sse import payload
from gateway.wire.verbatim import INVALID
from tests.wire.test_chat_fold import JSON, NUMBERS, PLACES, TEXT, WORDS, Number, cut, dump, exact, shaped

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
OBJECTS = st.dictionaries(WORDS, JSON, max_size=3)
CITATIONS = st.lists(shaped({"type": WORDS, "cited_text": TEXT}, {}), max_size=3)
TOOLS = st.sampled_from(["tool_use", "server_tool_use", "mcp_tool_use"])
BLOCKS = st.one_of(
    shaped({"type": st.just("text"), "text": TEXT}, {"citations": st.none() | CITATIONS}),
    shaped({"type": st.just("thinking"), "thinking": TEXT, "signature": TEXT}, {}),
    shaped({"type": st.just("redacted_thinking"), "data": TEXT}, {}),
    shaped({"type": TOOLS, "id": WORDS, "name": TEXT, "input": OBJECTS}, {"caller": OBJECTS}),
    shaped({"type": st.just("web_search_tool_result"), "tool_use_id": WORDS, "content": st.lists(OBJECTS)}, {}),
    shaped({"type": WORDS}, {"text": TEXT, "thinking": TEXT, "input": JSON, "citations": JSON}),  # what is yet to come
)
USAGE = shaped(
    {"input_tokens": NUMBERS, "output_tokens": NUMBERS},
    {
        "cache_read_input_tokens": st.none() | NUMBERS,
        "cache_creation": st.none() | OBJECTS,
        "server_tool_use": st.none() | OBJECTS,
        "service_tier": WORDS,
    },
)
MESSAGES = shaped(
    {
        "id": WORDS,
        "type": st.just("message"),
        "role": st.just("assistant"),
        "model": TEXT,
        "content": st.lists(BLOCKS, max_size=4),
        "stop_reason": st.none() | WORDS,
        "stop_sequence": st.none() | TEXT,
        "usage": USAGE,
    },
    {"container": st.none() | OBJECTS, "stop_details": st.none() | OBJECTS},
)


@patient
@given(MESSAGES)
def test_a_message_folds_from_its_events(message: dict[str, Any]) -> None:
    source = dump(message).encode()
    assert exact(fold(unfold(source))) == exact(source)


@patient
@given(MESSAGES)
def test_events_have_the_shape_of_events(message: dict[str, Any]) -> None:
    events = [exact(event) for event in unfold(dump(message).encode())]
    kinds = [event["type"] for event in events]
    assert kinds[0] == "message_start"
    assert kinds[-2:] == ["message_delta", "message_stop"]
    assert events[0]["message"]["content"] == []
    assert events[0]["message"]["stop_reason"] is None
    opened = None
    count = 0
    for event in events[1:-2]:
        match event["type"]:
            case "content_block_start":
                assert opened is None
                opened = event["index"]
                assert opened == Number(count)
                count += 1
            case "content_block_delta":
                assert event["index"] == opened
            case "content_block_stop":
                assert event["index"] == opened
                opened = None
    assert opened is None
    assert count == len(message["content"])


# ---- streams as servers cut them


WHOLE_TEXT = st.text(max_size=15) | st.sampled_from(["😀😀", '{"a": "\\u00e9"}', "\u0000"])
CHAR = {
    "type": "char_location",
    "cited_text": "c",
    "document_index": 0,
    "document_title": None,
    "start_char_index": 0,
    "end_char_index": 1,
    "file_id": None,
}


@st.composite
def streamed(draw: st.DrawFn) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A message, and one of the ways in which Anthropic may stream it."""
    content: list[dict[str, Any]] = []
    events: list[dict[str, Any]] = []

    def block(index: int, block: dict[str, Any], start: dict[str, Any], deltas: list[dict[str, Any]]) -> None:
        content.append(block)
        events.append({"type": "content_block_start", "index": index, "content_block": start})
        for delta in deltas:
            if draw(st.integers(0, 9)) == 0:
                events.append({"type": "ping"})
            events.append({"type": "content_block_delta", "index": index, "delta": delta})
        events.append({"type": "content_block_stop", "index": index})

    for index in range(draw(st.integers(0, 4))):
        text = draw(WHOLE_TEXT)
        pieces = cut(text, draw(PLACES))
        match draw(st.sampled_from(["text", "cited", "thinking", "tool_use", "server_tool_use", "redacted"])):
            case "text":
                start: dict[str, Any] = {"type": "text", "text": ""}
                deltas = [{"type": "text_delta", "text": piece} for piece in pieces]
                block(index, {"type": "text", "text": text}, start, deltas)
            case "cited":
                deltas = [{"type": "citations_delta", "citation": CHAR}, {"type": "text_delta", "text": text}] * 2
                block(
                    index,
                    {"type": "text", "text": text * 2, "citations": [CHAR, CHAR]},
                    {"type": "text", "text": "", "citations": []},
                    deltas,
                )
            case "thinking":
                deltas = [{"type": "thinking_delta", "thinking": piece} for piece in pieces]
                deltas.append({"type": "signature_delta", "signature": text})
                block(
                    index,
                    {"type": "thinking", "thinking": text, "signature": text},
                    {"type": "thinking", "thinking": "", "signature": ""},
                    deltas,
                )
            case "redacted":
                block(
                    index, {"type": "redacted_thinking", "data": text}, {"type": "redacted_thinking", "data": text}, []
                )
            case kind:
                given = {"q": text, "n": [1, {"m": 2}]}
                head = {"type": kind, "id": f"toolu_{index}", "name": "web_search"}
                pieces = cut(json.dumps(given, ensure_ascii=draw(st.booleans())), draw(PLACES))
                deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in ["", *pieces]]
                block(index, {**head, "input": given}, {**head, "input": {}}, deltas)
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_sequence": None}
    usage = {"input_tokens": 3, "cache_read_input_tokens": 2, "output_tokens": 1, "service_tier": "standard"}
    start = {**head, "content": [], "stop_reason": None, "usage": usage}
    totals = draw(st.sampled_from([{}, {"input_tokens": 9}, {"cache_read_input_tokens": None}]))
    end = {"stop_reason": "end_turn", "stop_sequence": None}
    stream = [
        {"type": "message_start", "message": start},
        *events,
        {"type": "message_delta", "delta": end, "usage": {**totals, "output_tokens": 7}},
        {"type": "message_stop"},
    ]
    counted = {name: count for name, count in totals.items() if count is not None}
    whole = {**head, **end, "content": content, "usage": {**usage, **counted, "output_tokens": 7}}
    return whole, stream


@patient
@given(streamed())
def test_a_stream_folds_to_its_message(both: tuple[dict[str, Any], list[dict[str, Any]]]) -> None:
    whole, stream = both
    assert json.loads(fold([json.dumps(event).encode() for event in stream])) == whole


EVENTS: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)


@patient
@given(streamed())
def test_the_sdk_rebuilds_the_same_message(both: tuple[dict[str, Any], list[dict[str, Any]]]) -> None:
    whole, _ = both
    source = json.dumps(whole).encode()
    snapshot: Any = None
    buffers: dict[int, bytes] = {}
    for event in unfold(source):
        snapshot = accumulate_event(
            event=EVENTS.validate_python(json.loads(event)), current_snapshot=snapshot, json_bufs=buffers
        )
    rebuilt = json.loads(snapshot.to_json(exclude_none=True))
    assert rebuilt == json.loads(Message.model_validate(whole).to_json(exclude_none=True))


@patient
@given(streamed())
def test_through_the_seam(both: tuple[dict[str, Any], list[dict[str, Any]]]) -> None:
    whole, stream = both
    raw = b"".join(frame(json.dumps(event).encode()) for event in stream)
    (first, *rest) = raw.split(b"\n\n")[:-1]
    assert first.startswith(b"event: message_start\ndata: {")
    batches = [Batch(event + b"\n\n", MESSAGES_EVENT) for event in (first, *rest)]
    assert json.loads(fold_batches(batches, "messages").raw) == whole
    events = unfold_chunk(Chunk(json.dumps(whole).encode(), MESSAGES_ANSWER))
    assert events[-1].raw == b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
    assert json.loads(fold([payload(event.raw) for event in events])) == whole


# ---- single rules


def message(*events: dict[str, Any]) -> Any:
    start = {"type": "message_start", "message": {"id": "m", "content": [], "usage": {"input_tokens": 1}}}
    return json.loads(fold([json.dumps(event).encode() for event in (start, *events)]))


def block(start: dict[str, Any], *deltas: dict[str, Any], index: int = 0) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": start},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def test_a_later_signature_stands_for_an_earlier_one() -> None:
    events = block(
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "signature_delta", "signature": "a"},
        {"type": "signature_delta", "signature": "b"},
    )
    assert message(*events)["content"][0]["signature"] == "b"


def test_deltas_of_a_kind_yet_to_come_are_joined() -> None:
    events = block(
        {"type": "song", "verse": "la", "notes": None},
        {"type": "song_delta", "verse": " la", "notes": [1], "key": {"of": "C"}, "bars": 4},
        {"type": "song_delta", "verse": " la", "notes": [2], "bars": None, "coda": "fin"},
    )
    assert message(*events)["content"] == [
        {"type": "song", "verse": "la la la", "notes": [1, 2], "key": {"of": "C"}, "bars": 4, "coda": "fin"}
    ]


def test_a_field_that_changes_its_kind() -> None:
    events = block({"type": "song", "verse": []}, {"type": "song_delta", "verse": [1]}, {"type": "x", "verse": "la"})
    assert message(*events)["content"] == [{"type": "song", "verse": "la"}]


def test_what_stands_beside_the_end_is_the_messages() -> None:
    end = {"type": "message_delta", "delta": {"stop_reason": "x", "container": {"id": "c"}}, "usage": None}
    folded = message({**end, "context_management": {"edits": []}}, {"type": "message_stop"})
    assert folded["container"] == {"id": "c"}
    assert folded["context_management"] == {"edits": []}
    assert folded["usage"] == {"input_tokens": 1}


def test_totals_of_two_ends() -> None:
    first = {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 2, "input_tokens": None}}
    second = {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 5}}
    assert message(first, second)["usage"] == {"input_tokens": 1, "output_tokens": 5}


@pytest.mark.parametrize("source", ['{"a": [1, 2', "no json", "[1]", '"a"', '{"a":1} x'])
def test_input_that_is_no_object_is_wrapped(source: str) -> None:
    events = block(
        {"type": "tool_use", "id": "t", "name": "f", "input": {}},
        *({"type": "input_json_delta", "partial_json": piece} for piece in source),
    )
    assert message(*events)["content"][0]["input"] == {"INVALID_JSON": source}


def test_numbers_of_an_input_keep_their_source() -> None:
    source = b'{"content":[{"type":"tool_use","input":{"a": 1.00, "b":123456789012345678901234567890,"c":1e400}}]}'
    assert exact(fold(unfold(source)))["content"] == exact(source)["content"]


@pytest.mark.parametrize(
    "events",
    [
        [],
        [{"type": "ping"}],
        [{"type": "message_stop"}],
        [{"type": "message_delta", "delta": {}}],
        [{"type": "message_start", "message": {}}, {"type": "message_start", "message": {}}],
        [{"type": "message_start", "message": {}}, {"type": "content_block_delta", "index": 0, "delta": {}}],
        [{"type": "message_start", "message": {}}, {"type": "content_block_start", "index": "x"}],
        [{"type": "message_start", "message": []}],
        [{"type": "message_start", "message": {}}, {"type": "content_block_start", "content_block": 1}],
    ],
)
def test_what_does_not_fold(events: list[dict[str, Any]]) -> None:
    with pytest.raises((*INVALID, ValueError)):
        fold([json.dumps(event).encode() for event in events])
    with pytest.raises(UpstreamError):
        fold_batches([Batch(frame(json.dumps(event).encode()), MESSAGES_EVENT) for event in events], "messages")


@pytest.mark.parametrize("source", [b"[]", b"1", b'{"content":1}', b'{"content":[1]}', b'{"usage":[]}', b"{"])
def test_what_does_not_unfold(source: bytes) -> None:
    with pytest.raises((*INVALID, ValueError)):
        unfold(source)
    with pytest.raises(UpstreamError):
        unfold_chunk(Chunk(source, MESSAGES_ANSWER))


def test_messages_are_a_dialect() -> None:
    dialect = DIALECTS["messages"]
    assert dialect.done == b""
    assert dialect.frame(b'{"type":"ping"}') == b'event: ping\ndata: {"type":"ping"}\n\n'
