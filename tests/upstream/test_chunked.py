import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstream.chunked import BadChunk, ChunkedBody


def feed(data, size):
    pieces = []
    body = ChunkedBody(pieces)
    ended = False
    for start in range(0, len(data), size):
        assert not ended
        ended = body.feed(data[start : start + size])
    return b"".join(pieces), ended


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
        body.feed(data)
    except BadChunk:
        return True
    return False
