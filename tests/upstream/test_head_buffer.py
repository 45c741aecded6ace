import pytest

from gateway.upstream.head import BadHead
from gateway.upstream.head_buffer import HeadBuffer

RAW = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n"


def test_a_head_cut_anywhere_is_put_together():
    for cut in range(1, len(RAW)):
        buffer = HeadBuffer(1024)
        assert buffer.feed(RAW[:cut], False) is None
        raw, head, rest = buffer.feed(RAW[cut:] + b"abc", False)
        assert (raw, head.length, rest) == (RAW, 3, b"abc")


def test_interim_answers_are_skipped():
    raw, head, rest = HeadBuffer(1024).feed(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103\r\nlink: x\r\n\r\n" + RAW, False
    )
    assert (raw, head.status, rest) == (RAW, 200, b"")


def test_there_is_an_end_to_interim_answers():
    with pytest.raises(BadHead, match="interim"):
        HeadBuffer(10_000).feed(b"HTTP/1.1 100 Continue\r\n\r\n" * 17 + RAW, False)


def test_protocols_are_not_switched():
    with pytest.raises(BadHead, match="101"):
        HeadBuffer(1024).feed(b"HTTP/1.1 101 Switching\r\nupgrade: x\r\n\r\n", False)


def test_a_head_is_bounded():
    with pytest.raises(BadHead, match="larger than 64"):
        HeadBuffer(64).feed(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 64, False)
    with pytest.raises(BadHead, match="larger than 64"):
        HeadBuffer(64).feed(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 64 + b"\r\n\r\n", False)
    assert HeadBuffer(len(RAW)).feed(RAW + b"x" * 100, False) is not None
