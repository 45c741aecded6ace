"""Reads that end anywhere in, whole plain events out; and the OpenAI SDK's own decoder reads what comes out."""

import itertools
import json
import random
import re

import pytest
from anthropic._streaming import SSEDecoder as NamedDecoder
from hypothesis import given
from hypothesis import strategies as st
from openai._streaming import SSEDecoder

from gateway.wire.sse import (
    DONE,
    MESSAGE_STOP,
    EventReader,
    StreamTooWide,
    find_event,
    frame,
    named,
    normalise,
    payload,
)

PLAIN = re.compile(rb"(?:(?::[^\r\n]*\n)*data: [^\r\n]+\n\n|(?::[^\r\n]*\n)+\n)*")

RECORDED = (
    b'data: {"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n'
    b": ping\n\n"
    b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"H\xc3\xa9llo \\n\\n data: x"}}]}\n\n'
    b'data: {"id":"c","choices":[],"usage":{"prompt_tokens":1}}\n\n'
    b"data: [DONE]\n\n"
)
ODD = (
    b'\xef\xbb\xbfretry: 3000\r\nid: 1\r\nevent: message\r\ndata:{\r\ndata: "a":1}\r\n\r\n'
    b': a comment\rdata: {"b": 2}\r\r'
    b"id: 7\n\n"
    b"event: ping\n\n"
    b"data\n\n"
    b"data:\n\n"
    b"data: \n\n"
    b"unknown: field\n\n"
    b"\n\n\n"
    b'data: {"c":3}\n\n'
    b"data:[DONE]"
)


def read(reads: list[bytes], reader: EventReader | None = None) -> bytes:
    reader = EventReader() if reader is None else reader
    out = [data if reader.one(data) else reader.feed(data) for data in reads]
    for events in out:
        assert PLAIN.fullmatch(events), events
    rest = reader.end()
    assert PLAIN.fullmatch(rest), rest
    return b"".join([*out, rest])


PIECES = [
    b"data: {",
    b"}",
    b"\n\n",
    b"\n",
    b"\r",
    DONE,
    b"data:x",
    b"x",
    b": c\n",
    b"id: 1\n",
    b"event: x\n",
    b"event: error\n",
]


@given(st.lists(st.lists(st.sampled_from(PIECES), max_size=8).map(b"".join), max_size=4))
def test_what_is_plain_passes_and_nothing_else(reads: list[bytes]) -> None:
    whole = read([b"".join(reads)])
    assert read(reads) == whole


@pytest.mark.parametrize("mark", [DONE, MESSAGE_STOP])
def test_one_plain_event_need_not_be_fed(mark: bytes) -> None:
    reader = EventReader(mark=mark)
    name = b"event: ping\n" if mark is MESSAGE_STOP else b""
    event = name + frame(b'{"a": "b"}')
    assert not reader.one(event)  # a byte order mark could come first
    assert reader.feed(event) == event
    assert reader.one(event)
    cut = [b"", event[:-1], event[:-2], event + b"\n", b"\n" + event, event + event]
    odd = [event.replace(b"\n\n", b"\r\n\n"), b": ping\n\n", b"id: 1\n" + event, b"event: error\n" + frame(b"{}")]
    odd += [b"event: \n" + frame(b"{}"), b"event: ping\n\n"]
    for other in [*cut, *odd, mark, mark + frame(b"{}")]:
        assert not reader.one(other), other
    reader.feed(event[:5])
    assert not reader.one(event)


def by_the_sdk(stream: bytes) -> list[str]:
    return [event.data for event in SSEDecoder().iter_bytes(iter([stream]))]


@pytest.mark.parametrize("stream", [RECORDED, ODD], ids=["recorded", "odd"])
def test_every_cut_gives_the_same_events(stream: bytes) -> None:
    whole = read([stream])
    for cut in range(len(stream) + 1):
        assert read([stream[:cut], stream[cut:]]) == whole, cut
    assert read([stream[at : at + 1] for at in range(len(stream))]) == whole


@pytest.mark.parametrize("stream", [RECORDED, ODD], ids=["recorded", "odd"])
def test_any_number_of_cuts_gives_the_same_events(stream: bytes) -> None:
    whole = read([stream])
    dice = random.Random(7)
    for _ in range(300):
        cuts = sorted(dice.choices(range(len(stream) + 1), k=dice.randint(1, 12)))
        reads = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
        assert read(reads) == whole, cuts


def test_a_plain_stream_leaves_byte_for_byte_and_without_a_copy() -> None:
    assert read([RECORDED]) == RECORDED
    plain = RECORDED.replace(b": ping\n\n", b"")
    assert EventReader().feed(plain) is plain


def test_odd_spellings_become_plain() -> None:
    assert read([ODD]) == (b'data: { "a":1}\n\n: a comment\ndata: {"b": 2}\n\ndata: {"c":3}\n\ndata: [DONE]\n\n')


@pytest.mark.parametrize("stream", [RECORDED, ODD], ids=["recorded", "odd"])
def test_the_sdk_reads_what_comes_out(stream: bytes) -> None:
    out = read([stream])
    assert not re.search(rb"^(?:id|event|retry)", out, re.MULTILINE)
    *documents, done = by_the_sdk(out)
    assert done == "[DONE]"
    assert [json.loads(document) for document in documents]


@pytest.mark.parametrize(
    ("newline", "name"), [(b"\r\n", "crlf"), (b"\r", "cr"), (b"\n", "lf")], ids=["crlf", "cr", "lf"]
)
def test_newlines(newline: bytes, name: str) -> None:
    stream = b'data: {"a":1}\n\ndata: [DONE]\n\n'.replace(b"\n", newline)
    for cut in range(len(stream) + 1):
        assert read([stream[:cut], stream[cut:]]) == b'data: {"a":1}\n\ndata: [DONE]\n\n'


def test_a_last_event_in_lone_carriage_returns_is_whole() -> None:
    assert read([b'data: {"a":1}\r\r']) == b'data: {"a":1}\n\n'


def test_events_do_not_wait_for_the_next_read() -> None:
    reader = EventReader()
    assert reader.feed(b'data: {"a":1}\n\ndata: {"b"') == b'data: {"a":1}\n\n'
    assert reader.feed(b":2}\n") == b""
    assert reader.feed(b"\n") == b'data: {"b":2}\n\n'
    assert reader.feed(b'data: {"c":3}\r\n\r\n') == b'data: {"c":3}\n\n'


def test_events_in_lone_carriage_returns_wait_for_one_read_at_most() -> None:
    reader = EventReader()
    assert reader.feed(b'data: {"a":1}\r\r') == b""  # a newline may follow, and belong to it
    assert reader.feed(b'data: {"b"') == b'data: {"a":1}\n\n'


def test_an_empty_read_brings_nothing() -> None:
    reader = EventReader()
    assert reader.feed(b"") == b""
    assert reader.feed(b"data: {}") == b""
    assert reader.feed(b"") == b""
    assert reader.feed(b"\n\n") == b"data: {}\n\n"


@pytest.mark.parametrize("tail", [b"data: [DONE]", b"data:[DONE]\n", b"data: [DONE]\r\n", b"\ndata: [DONE]\r"])
def test_the_end_mark_needs_no_blank_line(tail: bytes) -> None:
    assert read([b"data: {}\n\n" + tail]) == b"data: {}\n\n" + DONE


@pytest.mark.parametrize("tail", [b'data: {"a":1}', b'data: {"a":1}\n', b": comment", b"data: [DONE", b"\xef\xbb"])
def test_an_unfinished_event_is_dropped(tail: bytes) -> None:
    assert read([tail]) == b""


def test_an_event_error_without_an_error_key_gets_one() -> None:
    def out(data: bytes) -> object:
        return json.loads(payload(read([b"event: error\ndata: %s\n\n" % data])))

    assert out(b'{"message":"boom"}') == {"error": {"message": "boom"}}
    assert out(b'{"type":"error","message":"boom"}') == {"error": {"type": "error", "message": "boom"}}
    assert out(b'{"error":{"message":"boom"}}') == {"error": {"message": "boom"}}
    assert out(b'{"type":"error","error" : {"message":"boom"}}') == {"type": "error", "error": {"message": "boom"}}
    assert out(b'out of "memory"') == {"error": {"message": 'out of "memory"'}}


def test_other_event_names_are_dropped_and_their_data_kept() -> None:
    assert read([b"event: completion\ndata: {}\n\n"]) == b"data: {}\n\n"


def test_data_takes_one_optional_space() -> None:
    assert payload(b"data: a\n\n") == b"a"
    assert payload(b"data:a\n\n") == b"a"
    assert payload(b"data:  a\n\n") == b" a"
    assert payload(b"data: a") == b"a"
    assert payload(b"event: x\ndata: a\ndata:b\n\n") == b"a\nb"
    assert payload(b": nothing\n\n") == b""
    assert payload(b"") == b""


@pytest.mark.parametrize("size", [1, 7, 100, 5000])
def test_an_event_beyond_the_limit_raises(size: int) -> None:
    giant = b"data: {" + b"x\n" * 600
    reads = [giant[at : at + size] for at in range(0, len(giant), size)]
    with pytest.raises(StreamTooWide, match="1000 bytes"):
        read(reads, EventReader(limit=1000))


def test_many_events_beyond_the_limit_do_not_raise() -> None:
    reader = EventReader(limit=1000)
    event = b'data: {"a":"%s"}\n\n' % (b"x" * 500)
    stream = event * 50
    out = [reader.feed(stream[at : at + 300]) for at in range(0, len(stream), 300)]
    assert b"".join(out) == stream


def test_frame_is_plain() -> None:
    assert PLAIN.fullmatch(frame(b"{}"))
    assert normalise(frame(b"{}") + DONE) == frame(b"{}") + DONE


LINES = st.lists(
    st.one_of(
        st.sampled_from([b"", b"", b"", b":", b": c", b"data", b"data:", b"data: [DONE]", b"event: error", b"id: 1"]),
        st.sampled_from(
            [b"retry: 5", b"event:x", b'data: {"a":1}', b"data:{", b"data: }", b"\xef\xbb\xbf", b" data: x"]
        ),
        st.binary(max_size=8),
    ),
    max_size=20,
)


@given(LINES, st.lists(st.sampled_from([b"\n", b"\r\n", b"\r"]), min_size=20, max_size=20), st.data())
def test_whatever_comes_in_what_goes_out_is_plain(lines: list[bytes], ends: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(line + end for line, end in zip(lines, ends, strict=False))
    whole = read([stream])
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    reads = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert read(reads) == whole


@given(st.lists(st.text().map(lambda text: json.dumps({"text": text}, ensure_ascii=False).encode()), max_size=6))
def test_the_sdk_reads_any_payload(documents: list[bytes]) -> None:
    out = read([b"".join(b"id: 3\nevent: m\ndata:%s\n: c\n\n" % document for document in documents)])
    assert [json.loads(data) for data in by_the_sdk(out)] == [json.loads(document) for document in documents]


# ---- events with names

NAMED = re.compile(rb"(?:(?::[^\r\n]*\n)*(?:event: [^\r\n]+\n)?data: [^\r\n]+\n\n|(?::[^\r\n]*\n)+\n)*")
STOP = named(b"message_stop", b'{"type":"message_stop"}')
MESSAGES = named(b"message_start", b'{"type":"message_start"}') + named(b"ping", b'{"type": "ping"}') + STOP
ODD_NAMED = (
    b'\xef\xbb\xbfid: 1\r\nretry: 5\r\ndata:{"type":"message_start"}\r\nevent:message_start\r\n\r\n'
    b"event: ping\n\n: a comment\n\n"
    b'data: {"type":\ndata: "ping"}\n\n'
    b'event: message_stop\rdata: {"type":"message_stop"}'
)


def read_named(*reads: bytes) -> bytes:
    reader = EventReader(mark=MESSAGE_STOP)
    out = b"".join([*map(reader.feed, reads), reader.end()])
    assert NAMED.fullmatch(out), out
    return out


def test_named_events_keep_their_names_and_leave_without_a_copy() -> None:
    assert EventReader(mark=MESSAGE_STOP).feed(MESSAGES) is MESSAGES


def test_odd_spellings_of_named_events_become_plain() -> None:
    expected = MESSAGES.replace(b"event: ping", b": a comment\n\nevent: ping")
    assert read_named(ODD_NAMED) == expected
    for cut in range(len(ODD_NAMED) + 1):
        assert read_named(ODD_NAMED[:cut], ODD_NAMED[cut:]) == expected, cut


@pytest.mark.parametrize(
    "source", [b'{"type":"a\\nevent: b"}', b'{"type":5}', b'{"type":""}', b"[1]", b'{"half":"\\ud83d"', b"text"]
)
def test_an_event_that_does_not_say_its_name_has_none(source: bytes) -> None:
    assert read_named(b"data: %s\n\n" % source) == frame(source)


def test_a_named_error_without_an_error_key_gets_one() -> None:
    assert read_named(b'event: error\ndata: {"message":"m"}\n\n') == named(b"error", b'{"error":{"message":"m"}}')


@pytest.mark.parametrize(
    "tail", [STOP.rstrip(b"\n"), STOP[:-1], b'data: {"type":"message_stop"}', b": c\n" + STOP[:-1]]
)
def test_the_last_named_event_needs_no_blank_line(tail: bytes) -> None:
    assert read_named(MESSAGES[: -len(STOP)], tail) == MESSAGES


@pytest.mark.parametrize("tail", [STOP[:20], b"event: ping\ndata: {}", b'data: {"text":"event: message_stop'])
def test_another_unfinished_named_event_is_dropped(tail: bytes) -> None:
    assert read_named(MESSAGES, tail) == MESSAGES


@pytest.mark.parametrize(
    ("events", "at"),
    [
        (STOP, 0),
        (MESSAGES, len(MESSAGES) - len(STOP)),
        (b": c\n" + STOP, 4),
        (b"", -1),
        (frame(b'"\\n' + STOP[:20]), -1),
    ],
)
def test_finding_an_event_by_its_name(events: bytes, at: int) -> None:
    assert find_event(events, MESSAGE_STOP) == at


@given(
    st.lists(
        st.sampled_from(
            [
                b"event: error",
                b"event:x",
                b"data: {",
                b'data: "type":"t"}',
                b"data:",
                b": c",
                b"id: 1",
                b"",
                b"",
                b"\xff",
            ]
        ),
        max_size=30,
    ),
    st.data(),
)
def test_whatever_comes_in_named_events_are_plain(lines: list[bytes], data: st.DataObject) -> None:
    stream = b"\n".join(lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    bounds = [0, *cuts, len(stream)]
    out = read_named(*(stream[a:b] for a, b in itertools.pairwise(bounds)))
    for event in NamedDecoder().iter_bytes(iter([out])):
        assert event.data.strip()


def test_a_line_behind_data_that_is_no_field_is_not_taken_for_text() -> None:
    """One byte behind a newline is a line of its own, as any other is."""
    assert payload(b"data: {}\nx") == b"{}"
    assert payload(b"data: {}\n\xff\n\n") == b"{}"
    assert payload(b"data: {}\n\n") == payload(b"data: {}") == b"{}"
