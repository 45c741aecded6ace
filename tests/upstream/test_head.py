import re

import pytest

from gateway.upstream.head import (
    CHUNKED,
    UNTIL_CLOSE,
    BadHead,
    Head,
    check_header,
    check_start,
    parse_fields,
    parse_head,
)

LINE = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (LINE + b"content-length: 3\r\n", Head(200, 3, True, None, None)),
        (LINE + b"CONTENT-LENGTH:\t3 \t\r\n", Head(200, 3, True, None, None)),
        (LINE + b"Transfer-Encoding: Chunked\r\n", Head(200, CHUNKED, True, None, None)),
        (LINE, Head(200, UNTIL_CLOSE, False, None, None)),
        (LINE + b"content-length: 3\r\nconnection: close\r\n", Head(200, 3, False, None, None)),
        (LINE + b"content-length: 3\r\nconnection: x, Close\r\n", Head(200, 3, False, None, None)),
        (LINE + b"content-length: 3\r\nconnection: keep-alive\r\n", Head(200, 3, True, None, None)),
        (LINE + b"content-length: 3\r\nkeep-alive: timeout=5, max=9\r\n", Head(200, 3, True, None, 5)),
        (LINE + b"content-length: 3\r\nkeep-alive: max=9\r\n", Head(200, 3, True, None, None)),
        (LINE + b"content-length: 3\r\ncontent-encoding: GZIP\r\n", Head(200, 3, True, "gzip", None)),
        (LINE + b"content-length: 3\r\ncontent-encoding: x-gzip\r\n", Head(200, 3, True, "gzip", None)),
        (LINE + b"content-length: 3\r\ncontent-encoding: deflate\r\n", Head(200, 3, True, "deflate", None)),
        (LINE + b"content-length: 3\r\ncontent-encoding: identity\r\n", Head(200, 3, True, None, None)),
        (LINE + b"content-length: 0\r\ncontent-encoding: gzip\r\n", Head(200, 0, True, None, None)),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 3\r\n", Head(200, 3, False, None, None)),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 3\r\nconnection: keep-alive\r\n", Head(200, 3, True, None, None)),
        (b"HTTP/1.1 204 No Content\r\n", Head(204, 0, True, None, None)),
        (b"HTTP/1.1 204 No Content\r\ncontent-length: 3\r\n", Head(204, 0, False, None, None)),
        (b"HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n", Head(204, 0, False, None, None)),
        (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 3\r\n", Head(304, 0, True, None, None)),
        (b"HTTP/1.1 100 Continue\r\n", Head(100, 0, True, None, None)),
        (b"HTTP/1.1 200\r\ncontent-length: 0\r\n", Head(200, 0, True, None, None)),
        (b"HTTP/1.1 200 \r\ncontent-length: 0\r\n", Head(200, 0, True, None, None)),
        (b"HTTP/1.1 200 \xe4\tb\r\ncontent-length: 0\r\nx: \xff\r\ny:\r\n", Head(200, 0, True, None, None)),
    ],
)
def test_what_a_head_says(raw, expected):
    assert parse_head(raw + b"\r\n") == expected


def test_a_close_is_never_taken_back_by_another_line():
    for line in (LINE, b"HTTP/1.0 200 OK\r\n"):
        for options in (b"keep-alive", b"close"), (b"close", b"keep-alive"):
            fields = b"".join(b"connection: %b\r\n" % option for option in options)
            assert not parse_head(line + b"content-length: 0\r\n" + fields + b"\r\n").keep


SMUGGLING = {
    "CL.TE": (LINE + b"content-length: 3\r\ntransfer-encoding: chunked\r\n", "both"),
    "TE.CL": (LINE + b"transfer-encoding: chunked\r\ncontent-length: 3\r\n", "both"),
    "two lengths": (LINE + b"content-length: 3\r\ncontent-length: 4\r\n", "two content-length"),
    "the same length twice": (LINE + b"content-length: 3\r\nContent-Length: 3\r\n", "two content-length"),
    "a list of lengths": (LINE + b"content-length: 3, 3\r\n", "no plain number"),
    "a signed length": (LINE + b"content-length: +3\r\n", "no plain number"),
    "a negative length": (LINE + b"content-length: -3\r\n", "no plain number"),
    "a hexadecimal length": (LINE + b"content-length: 0x3\r\n", "no plain number"),
    "a length with an underscore": (LINE + b"content-length: 1_0\r\n", "no plain number"),
    "a length with a space": (LINE + b"content-length: 1 0\r\n", "no plain number"),
    "an empty length": (LINE + b"content-length:\r\n", "no plain number"),
    "an endless length": (LINE + b"content-length: " + b"9" * 30 + b"\r\n", "no plain number"),
    "a float length": (LINE + b"content-length: 3.0\r\n", "no plain number"),
    "TE gzip, chunked": (LINE + b"transfer-encoding: gzip, chunked\r\n", "other than chunked"),
    "TE identity": (LINE + b"transfer-encoding: identity\r\n", "other than chunked"),
    "TE xchunked": (LINE + b"transfer-encoding: xchunked\r\n", "other than chunked"),
    "TE chunked, chunked": (LINE + b"transfer-encoding: chunked, chunked\r\n", "other than chunked"),
    "TE empty": (LINE + b"transfer-encoding:\r\n", "other than chunked"),
    "TE quoted": (LINE + b'transfer-encoding: "chunked"\r\n', "other than chunked"),
    "TE with vertical tab": (LINE + b"transfer-encoding: \x0bchunked\r\n", "control"),
    "TE twice": (LINE + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", "two transfer-encoding"),
    "TE twice, one identity": (LINE + b"transfer-encoding: chunked\r\ntransfer-encoding: x\r\n", "two transfer"),
    "TE in HTTP/1.0": (b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n", "HTTP/1.0"),
    "obs-fold": (LINE + b"content-length: 3\r\nx: a\r\n b\r\n", "obs-fold"),
    "obs-fold by tab": (LINE + b"transfer-encoding:\r\n\tchunked\r\n", "obs-fold"),
    "obs-fold at the start": (LINE + b" x: a\r\n", "obs-fold"),
    "bare LF": (LINE + b"x: a\ncontent-length: 3\r\n", "bare CR or LF"),
    "bare CR": (LINE + b"x: a\rcontent-length: 3\r\n", "bare CR or LF"),
    "bare LF in the status line": (b"HTTP/1.1 200 OK\ncontent-length: 3\r\n", "bare CR or LF"),
    "CR CR LF": (LINE + b"x: a\r\r\n", "bare CR or LF"),
    "space before the colon": (LINE + b"content-length : 3\r\n", "name and its colon"),
    "tab before the colon": (LINE + b"transfer-encoding\t: chunked\r\n", "name and its colon"),
    "NUL in a value": (LINE + b"x: a\x00b\r\n", "control"),
    "DEL in a value": (LINE + b"x: a\x7fb\r\n", "control"),
    "NUL in a name": (LINE + b"x\x00: a\r\n", "control"),
    "no name": (LINE + b": a\r\n", "no header"),
    "no colon": (LINE + b"content-length 3\r\n", "no header"),
    "a name in UTF-8": (LINE + b"content-l\xc3\xa9ngth: 3\r\n", "no header"),
    "a name in brackets": (LINE + b"(x): 3\r\n", "no header"),
    "HTTP/0.9": (b"<html>\r\n", "status line"),
    "HTTP/2.0": (b"HTTP/2.0 200 OK\r\n", "status line"),
    "HTTP/1.2": (b"HTTP/1.2 200 OK\r\n", "status line"),
    "HTTP/1.10": (b"HTTP/1.10 200 OK\r\n", "status line"),
    "http in lower case": (b"http/1.1 200 OK\r\n", "status line"),
    "status 99": (b"HTTP/1.1 099 OK\r\n", "status line"),
    "status 600": (b"HTTP/1.1 600 OK\r\n", "status line"),
    "status 2000": (b"HTTP/1.1 2000 OK\r\n", "status line"),
    "status with sign": (b"HTTP/1.1 +20 OK\r\n", "status line"),
    "two spaces": (b"HTTP/1.1  200 OK\r\n", "status line"),
    "an empty line first": (b"\r\n" + LINE, "status line"),
    "NUL in the reason": (b"HTTP/1.1 200 \x00\r\n", "control"),
    "an unknown coding": (LINE + b"content-length: 3\r\ncontent-encoding: br\r\n", "content-encoding"),
    "two codings": (LINE + b"content-length: 3\r\ncontent-encoding: gzip, gzip\r\n", "content-encoding"),
    "coding twice": (LINE + b"content-encoding: gzip\r\ncontent-encoding: gzip\r\n", "two content-encoding"),
}


@pytest.mark.parametrize(("raw", "why"), SMUGGLING.values(), ids=SMUGGLING)
def test_what_could_be_read_in_two_ways_is_refused(raw, why):
    with pytest.raises(BadHead, match=re.escape(why)):
        parse_head(raw + b"\r\n")


@pytest.mark.parametrize(("raw", "why"), SMUGGLING.values(), ids=SMUGGLING)
async def test_the_client_tells_and_closes(raw, why, client, upstream, ask, until, pool_of):
    async def script(peer):
        await peer.request()
        await peer.send(raw + b"\r\nabc")
        await peer.gone()

    server, one = await upstream(script), client()
    with pytest.raises(Exception, match=re.escape(why)) as told:
        await ask(one, server.origin)
    assert told.value.status == 502
    await until(lambda: not server.open)
    assert not pool_of(one)._idle


def test_the_grammar_takes_no_time_that_grows_faster_than_the_head():
    for evil in (b"a" * 60_000, b"a:" * 30_000, b"a: " + b" " * 60_000, b"a:b\r\n" * 12_000 + b"\x00"):
        with pytest.raises(BadHead):
            parse_head(LINE + evil + b"\x00\r\n\r\n")


@pytest.mark.parametrize("begun", [b"", b"H", b"HTTP/1.", b"HTTP/1.1 200 OK\r", b"HTTP/1.1 200 OK\r\nx: y\r\n\r"])
def test_a_head_that_has_begun_well_is_waited_for(begun):
    for new in range(len(begun) + 1):
        check_start(bytearray(begun), new)


@pytest.mark.parametrize(("begun", "why"), [(b"SSH-2.0", "HTTP/1."), (b"HTTP/2", "HTTP/1."), (b"HTTP/1.1 200\n", "CR")])
def test_a_head_that_has_begun_badly_is_not(begun, why):
    with pytest.raises(BadHead, match=why):
        check_start(bytearray(begun), 0)


def test_fields_keep_order_and_doubles():
    raw = LINE + b"B:  2 \r\nA:\r\nb:\t3:4\t\r\n\r\n"
    assert parse_fields(raw) == [(b"b", b"2"), (b"a", b""), (b"b", b"3:4")]


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        (b"x", b"a\r\nb: c", "line break"),
        (b"x", b"a\nb", "line break"),
        (b"x", b"a\x00", "line break"),
        (b"x\r\ny", b"a", "header name"),
        (b"x y", b"a", "header name"),
        (b"", b"a", "header name"),
        (b"x:", b"a", "header name"),
        (b"Content-Length", b"3", "frames the message"),
        (b"transfer-encoding", b"chunked", "frames the message"),
    ],
)
def test_a_configured_header_that_breaks_out_is_refused(name, value, why):
    with pytest.raises(ValueError, match=why):
        check_header(name, value)


def test_a_refused_value_is_not_shown():
    with pytest.raises(ValueError) as told:
        check_header(b"authorization", b"sk-secret\n")
    assert "secret" not in str(told.value)


def test_a_good_configured_header_passes():
    check_header(b"x-api_key", b"Bearer a=b; \xc3\xa9\t1")
    check_header(b"x", b"")
