import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstream.chunked import BadChunk, ChunkedBody


def feed(data, size):
    return read([data[start : start + size] for start in range(0, len(data), size)])


def read(reads):
    """As a connection does it: a read that is one chunk exactly is taken as it is, all others are fed."""
    pieces = []
    body = ChunkedBody(pieces)
    for data in reads:
        assert not body.ended
        one = body.one(data)
        if one is not None:
            pieces.append(one)
        else:
            assert body.feed(data) == body.ended
    return b"".join(pieces), body.ended


@given(
    chunks=st.lists(
        st.tuples(st.binary(min_size=1, max_size=300), st.sampled_from([b"", b";a", b';a="b"', b";x=y;z"]))
    ),
    trailer=st.sampled_from([b"", b"x-t: 1\r\n", b"a: b\r\nc: d\r\n"]),
    size=st.integers(1, 400),
)
def test_whatever_was_cut_into_chunks_comes_out_whole(chunks, trailer, size):
    data = b"".join(b"%x%b\r\n%b\r\n" % (len(chunk), extension, chunk) for chunk, extension in chunks)
    assert feed(data + b"0\r\n" + trailer + b"\r\n", size) == (b"".join(chunk for chunk, _ in chunks), True)


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=300), st.booleans(), st.sampled_from(["%x", "%X", "0%x"]))))
def test_reads_may_end_where_chunks_do(chunks):
    reads, held = [], b""
    for chunk, cut, size in chunks:
        held += b"%b\r\n%b\r\n" % ((size % len(chunk)).encode(), chunk)
        if cut:
            reads.append(held)
            held = b""
    assert read([*reads, held + b"0\r\n\r\n"]) == (b"".join(chunk for chunk, _, _ in chunks), True)


CUT = [b"", b"\r\n\r\n", b"3\r\n", b"3\r\nabc", b"3\r\nabc\r", b"3\r\nab\r\n", b"3\r\nabcd\r\n", b"3\r\nabcXY"]
ODD = [b"3;a\r\nabc\r\n", b"03\r\nabc\r\n", b"0\r\n\r\n", b"-2\r\n", b"3\nabc\r\n", b"3\r\nabc\r\n3\r\nabc\r\n"]


@pytest.mark.parametrize("data", [*CUT, *ODD])
def test_what_is_not_one_chunk_exactly_is_still_to_be_fed(data):
    assert ChunkedBody([]).one(data) is None


def test_in_the_middle_of_a_chunk_nothing_is_taken_for_one():
    pieces = []
    body = ChunkedBody(pieces)
    assert not body.feed(b"10\r\n")
    assert body.one(b"3\r\nabc\r\n") is None  # it is data
    assert not body.feed(b"3\r\nabc\r\n")
    assert not body.feed(b"3\r\nabc\r\n\r\n"[:10])
    assert b"".join(pieces) == b"3\r\nabc\r\n3\r\nabc\r\n"[:16]


BAD = {
    "0x": b"0x3\r\nabc\r\n0\r\n\r\n",
    "plus": b"+3\r\nabc\r\n0\r\n\r\n",
    "minus": b"-3\r\nabc\r\n0\r\n\r\n",
    "space before": b" 3\r\nabc\r\n0\r\n\r\n",
    "space after": b"3 \r\nabc\r\n0\r\n\r\n",
    "underscore": b"1_0\r\nabc\r\n0\r\n\r\n",
    "no size": b"\r\nabc\r\n0\r\n\r\n",
    "overflow": b"10000000000000003\r\nabc\r\n0\r\n\r\n",
    "bare LF": b"3\nabc\n0\n\n",
    "bare LF after the size": b"3\nabc\r\n0\r\n\r\n",
    "bare LF after the data": b"3\r\nabc\n0\r\n\r\n",
    "bare LF at the end": b"3\r\nabc\r\n0\r\n\n",
    "bare CR in an extension": b"3;a\rb\r\nabc\r\n0\r\n\r\n",
    "bare LF in an extension": b"3;a\nb\r\nabc\r\n0\r\n\r\n",
    "NUL in an extension": b"3;\x00\r\nabc\r\n0\r\n\r\n",
    "data too long": b"3\r\nabcd\r\n0\r\n\r\n",
    "data too short": b"3\r\nab\r\n0\r\n\r\n",
    "space before a trailer's colon": b"3\r\nabc\r\n0\r\nx : y\r\n\r\n",
    "folded trailer": b"3\r\nabc\r\n0\r\nx: y\r\n z\r\n\r\n",
    "length in the trailer": b"3\r\nabc\r\n0\r\ncontent-length: 5\r\n\r\nHELLO",
    "another message behind": b"3\r\nabc\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    "a line end behind": b"3\r\nabc\r\n0\r\n\r\n\r\n",
    "a letter behind": b"3\r\nabc\r\n0\r\n\r\nX",
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
def test_anything_else_is_refused(data):
    with pytest.raises(BadChunk):
        feed(data, len(data))


@pytest.mark.parametrize("cut", range(1, 16))
@pytest.mark.parametrize("extra", [b"\r\n", b"\n", b"\r", b"\r\n\r\n"])
def test_line_ends_behind_the_end_are_seen_wherever_the_reads_fall(cut, extra):
    pieces = []
    body = ChunkedBody(pieces)
    data = b"3\r\nabc\r\n0\r\n\r\n" + extra
    seen = _refused(body, data[:cut]) or body.ended  # once it has ended, the connection refuses what comes
    assert seen or _refused(body, data[cut:])
    assert body.ended


def test_extensions_and_trailers_are_bounded():
    for start in (b"3;", b"3\r\nabc\r\n0\r\n"):
        body = ChunkedBody([])
        body.feed(start)
        assert not any(_refused(body, b"a" * 1000) for _ in range(16))
        with pytest.raises(BadChunk, match="too many"):
            body.feed(b"a" * 1000)


def _refused(body, data):
    try:
        if body.one(data) is None:
            body.feed(data)
    except BadChunk:
        return True
    return False
