import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstream.coding import STEP, BadCoding, Inflater

bare = zlib.compressobj(wbits=-15)
TEXT = b"Hello, " * 1000
FORMS = {
    "gzip": ("gzip", gzip.compress(TEXT)),
    "deflate": ("deflate", zlib.compress(TEXT)),
    "bare deflate": ("deflate", bare.compress(TEXT) + bare.flush()),
}


def inflate(coding, data, size):
    inflater, out = Inflater(coding), b""
    for start in range(0, len(data), size):
        out += inflater.feed(data[start : start + size])
        while inflater.waiting:
            out += inflater.feed(b"")
    while more := inflater.drain():
        out += more
    return out


@pytest.mark.parametrize(("coding", "data"), FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("size", [1, 2, 7, 10_000])
def test_what_was_packed_comes_out(coding, data, size):
    assert inflate(coding, data, size) == TEXT


@given(text=st.binary(max_size=3000), size=st.integers(1, 500))
def test_anything_packed_comes_out(text, size):
    assert inflate("gzip", gzip.compress(text), size) == text
    assert inflate("deflate", zlib.compress(text), size) == text


@pytest.mark.parametrize(("coding", "data"), FORMS.values(), ids=FORMS)
def test_broken_bodies_are_told(coding, data):
    for cut in (0, 1, 5, len(data) - 1):
        with pytest.raises(BadCoding):
            inflate(coding, data[:cut], 10_000)
    for junk in (b"x", data):
        with pytest.raises(BadCoding, match="follows"):
            inflate(coding, data + junk, 10_000)


def test_what_is_no_gzip_is_told():
    with pytest.raises(BadCoding, match="corrupt"):
        Inflater("gzip").feed(b"<html>")


def test_junk_in_a_later_read_is_told():
    inflater = Inflater("gzip")
    inflater.feed(gzip.compress(b"x"))
    with pytest.raises(BadCoding, match="follows"):
        inflater.feed(b"y")


def test_a_bomb_goes_off_in_steps():
    inflater = Inflater("gzip")
    out = len(inflater.feed(gzip.compress(b"\0" * 10_000_000)))
    assert out == STEP
    while inflater.waiting:
        step = len(inflater.feed(b""))
        assert step <= STEP
        out += step
    while step := len(inflater.drain()):
        assert step <= STEP
        out += step
    assert out == 10_000_000
