import asyncio
import gzip
import zlib

import httpx
import pytest
import respx

from gateway.seam.errors import Unavailable, UpstreamError, UpstreamTimeout
from gateway.seam.settings import Size
from gateway.upstream import ClientSettings, Origin, httpx_transport
from gateway.upstream.httpx_transport import HttpxClient, NativeTransport

HEAD = b"POST /v1/chat?x=1 HTTP/1.1\r\nhost: api.test\r\nauthorization: Bearer sk-secret\r\nx-a: b\r\n"
ORIGIN = Origin.parse("https://api.test/v1")


@pytest.fixture
async def mocked():
    """A client over a handler: `mocked(handler)`."""
    made = []

    def make(handler, **settings):
        made.append(HttpxClient(ClientSettings(**settings), httpx.MockTransport(handler)))
        return made[-1]

    yield make
    for one in made:
        await one.aclose()


async def test_a_request_goes_through_a_mock(mocked, timeouts):
    def handler(request):
        assert request.method == "POST"
        assert str(request.url) == "https://api.test/v1/chat?x=1"
        assert request.headers["authorization"] == "Bearer sk-secret"
        assert request.headers["content-length"] == "2"
        assert request.content == b"{}"
        assert request.extensions["timeout"]["connect"] == 3
        return httpx.Response(201, json={"a": 1}, headers={"X-B": "c"})

    exchange = await mocked(handler).send(ORIGIN, HEAD, b"{}", timeouts(connect=3))
    assert exchange.status == 201
    assert exchange.header(b"x-b") == b"c"
    assert exchange.header(b"x-c") is None
    assert await exchange.whole() == b'{"a":1}'
    assert await exchange.read() == b""
    await exchange.aclose()


async def test_respx_is_a_transport(timeouts):
    router = respx.MockRouter(assert_all_called=True)
    router.post("https://api.test/v1/chat", params={"x": "1"}).respond(200, text="hello")
    one = HttpxClient(ClientSettings(), httpx.MockTransport(router.async_handler))
    assert await (await one.send(ORIGIN, HEAD, b"{}", timeouts())).whole() == b"hello"
    await one.aclose()
    await one.aclose()
    with pytest.raises(Unavailable, match="is closed"):
        await one.send(ORIGIN, HEAD, b"", timeouts())


async def test_a_stream_comes_piece_by_piece(mocked, timeouts):
    async def pieces():
        for piece in (b"a", b"", b"b"):
            yield piece

    one = mocked(lambda request: httpx.Response(200, content=pieces()))
    exchange = await one.send(ORIGIN, HEAD, b"", timeouts())
    assert [await exchange.read() for _ in range(3)] == [b"a", b"b", b""]


@pytest.mark.parametrize(("coding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
async def test_bodies_are_decoded(coding, pack, mocked, timeouts):
    headers = {"content-encoding": coding}
    body = b"\0" * 3_000_000
    one = mocked(lambda request: httpx.Response(200, content=_once(pack(body)), headers=headers))
    assert await (await one.send(ORIGIN, HEAD, b"", timeouts())).whole() == body
    broken = mocked(lambda request: httpx.Response(200, content=_once(pack(body)[:-9]), headers=headers))
    with pytest.raises(UpstreamError, match="does not decode"):
        await (await broken.send(ORIGIN, HEAD, b"", timeouts())).whole()


async def test_an_unknown_coding_is_told(mocked, timeouts):
    one = mocked(lambda request: httpx.Response(200, content=_once(b"x"), headers={"content-encoding": "br"}))
    with pytest.raises(UpstreamError, match="content-encoding"):
        await one.send(ORIGIN, HEAD, b"", timeouts())


async def test_whole_is_bounded(mocked, timeouts):
    one = mocked(lambda request: httpx.Response(200, content=b"x" * 11), max_body=Size(10))
    with pytest.raises(UpstreamError, match="larger than the 10 bytes"):
        await (await one.send(ORIGIN, HEAD, b"", timeouts())).whole()


@pytest.mark.parametrize(
    ("error", "kind", "why"),
    [
        (httpx.ConnectTimeout, UpstreamTimeout, r"took longer than 5 s \(connect\)"),
        (httpx.ReadTimeout, UpstreamTimeout, r"did not begin to answer in 7 s \(first_byte\)"),
        (httpx.PoolTimeout, Unavailable, "stayed busy"),
        (httpx.ConnectError, UpstreamError, "Connecting to api.test:443 failed"),
        (httpx.ProxyError, UpstreamError, "ProxyError"),
        (httpx.RemoteProtocolError, UpstreamError, "without an answer"),
        (httpx.LocalProtocolError, UpstreamError, "LocalProtocolError"),
    ],
)
async def test_errors_become_ours(error, kind, why, mocked, timeouts):
    def handler(request):
        raise error("Illegal header value b'sk-secret'")

    with pytest.raises(kind, match=why) as told:
        await mocked(handler).send(ORIGIN, HEAD, b"", timeouts(first_byte=7))
    assert "secret" not in str(told.value)


@pytest.mark.parametrize(
    ("error", "kind", "why"),
    [(httpx.ReadTimeout, UpstreamTimeout, "silent for 9 s"), (httpx.ReadError, UpstreamError, "in mid-answer")],
)
async def test_errors_in_mid_answer_become_ours(error, kind, why, mocked, timeouts):
    async def pieces():
        yield b"a"
        raise error("x")

    one = mocked(lambda request: httpx.Response(200, content=pieces()))
    exchange = await one.send(ORIGIN, HEAD, b"", timeouts(idle=9))
    assert await exchange.read() == b"a"
    for _ in range(2):
        with pytest.raises(kind, match=why):
            await exchange.read()


async def test_finish_and_aclose_close_the_answer(mocked, timeouts):
    one = mocked(lambda request: httpx.Response(200, content=_once(b"x")))
    exchange = await one.send(ORIGIN, HEAD, b"", timeouts())
    exchange.finish()
    assert await exchange.read() == b""
    await exchange.aclose()


async def test_httpx_s_own_pool_speaks_to_a_server(upstream, timeouts, ask):
    server = await upstream(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello")
    one = HttpxClient(ClientSettings(transport="httpx"))
    for _ in range(2):
        assert await (await ask(one, server.origin)).whole() == b"hello"
    assert len(server.peers) == 1
    await one.aclose()


def test_http2_without_its_package_is_told(monkeypatch):
    monkeypatch.setattr(httpx_transport, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="the package h2"):
        HttpxClient(ClientSettings(transport="httpx", http2=True))


@pytest.mark.parametrize("silent_in", ["head", "body"])
async def test_httpx_s_own_pool_keeps_our_limits(silent_in, upstream, ask):
    async def script(peer):
        await peer.request()
        if silent_in == "body":
            await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello")
        await peer.gone()

    server = await upstream(script)
    one = HttpxClient(ClientSettings(transport="httpx"))
    if silent_in == "head":
        with pytest.raises(UpstreamTimeout, match="first_byte"):
            await ask(one, server.origin, first_byte=0.02)
    else:
        exchange = await ask(one, server.origin, first_byte=9, idle=0.02)
        assert await exchange.read() == b"hello"
        with pytest.raises(UpstreamTimeout, match="idle"):
            await exchange.read()
    await one.aclose()


async def test_our_pool_stands_under_httpx_s_client(client, upstream):
    packed = gzip.compress(b'{"a": 1}')
    server = await upstream(
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\nx-a: b\r\ncontent-length: %d\r\n\r\n%b" % (len(packed), packed)
    )
    async with httpx.AsyncClient(transport=NativeTransport(client())) as http:
        for _ in range(2):
            answer = await http.post(f"http://127.0.0.1:{server.port}/v1/x?y=1", json={"b": 2})
            assert answer.json() == {"a": 1}
            assert answer.headers["x-a"] == "b"
        async with http.stream("GET", f"http://127.0.0.1:{server.port}/") as answer:
            assert [piece async for piece in answer.aiter_bytes()] == [b'{"a": 1}']
        answer = await http.post(f"http://127.0.0.1:{server.port}/", content=_once(b"streamed"))
    assert len(server.peers) == 1
    (head, body), *_, last = server.peers[0].requests
    assert head.startswith(b"POST /v1/x?y=1 HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" % server.port)
    assert body == b'{"b":2}'
    assert last[1] == b"streamed"


async def test_our_errors_are_httpx_s_there(client, upstream, full):
    async def script(peer):
        head, _ = await peer.request()
        if b"/silent" in head:
            await peer.gone()
        elif b"/cut" in head:
            await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello")

    server = await upstream(script)
    base = f"http://127.0.0.1:{server.port}"
    async with httpx.AsyncClient(transport=NativeTransport(client()), timeout=0.05) as http:
        with pytest.raises(httpx.ReadTimeout):
            await http.get(f"{base}/silent")
        with pytest.raises(httpx.RemoteProtocolError, match="without an answer"):
            await http.get(f"{base}/close")
        with pytest.raises(httpx.RemoteProtocolError, match="mid-answer"):
            await http.get(f"{base}/cut")
        with pytest.raises(httpx.ConnectTimeout):
            await http.get(f"http://127.0.0.1:{full[1]}")
        with pytest.raises(httpx.ConnectError):
            await http.get("http://127.0.0.1:1")
        with pytest.raises(ValueError, match="line break"):
            await http.get(base, headers={"x": "a\r\nb: c"})


async def test_leaving_a_stream_early_closes_the_connection(client, upstream, until):
    async def script(peer):
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello")
        await peer.gone()

    server = await upstream(script)
    async with httpx.AsyncClient(transport=NativeTransport(client()), timeout=None) as http:
        async with http.stream("GET", f"http://127.0.0.1:{server.port}/"):
            pass
        await until(lambda: not server.open)


async def _once(data):
    await asyncio.sleep(0)
    yield data
