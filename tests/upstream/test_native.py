import asyncio
import gc
import gzip
import weakref

import pytest

from gateway.seam.errors import UpstreamError
from gateway.upstream import Origin, native
from gateway.upstream.dial import connected_socket

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nX-One: 1\r\nx-one:  two \r\n\r\nhello"
PACKED = gzip.compress(b"hello")


async def test_a_request_goes_out_in_one_piece_and_its_answer_comes_back(client, upstream, ask):
    server = await upstream(OK)
    exchange = await ask(client(), server.origin, b'{"a":1}')
    assert exchange.status == 200
    assert exchange.headers == [(b"content-length", b"5"), (b"x-one", b"1"), (b"x-one", b"two")]
    assert exchange.header(b"x-one") == b"1"
    assert exchange.header(b"x-two") is None
    assert await exchange.read() == b"hello"
    assert await exchange.read() == b""
    ((head, body),) = server.peers[0].requests
    assert head == (
        b"POST /v1/chat HTTP/1.1\r\nhost: upstream\r\nauthorization: Bearer sk-secret\r\ncontent-length: 7\r\n\r\n"
    )
    assert body == b'{"a":1}'


async def test_the_connection_is_used_again(client, upstream, ask):
    server, one = await upstream(OK), client()
    for _ in range(5):
        assert await (await ask(one, server.origin)).whole() == b"hello"
    assert len(server.peers) == 1


async def test_an_answer_can_be_read_after_its_connection_serves_again(client, upstream, ask):
    server, one = await upstream(OK), client()
    first = await ask(one, server.origin)
    second = await ask(one, server.origin)
    assert (await first.whole(), await second.whole(), len(server.peers)) == (b"hello", b"hello", 1)


async def test_origins_that_differ_in_path_share_a_pool(client, upstream, ask):
    server, one = await upstream(OK), client()
    for path in ("/v1", "/v2"):
        origin = Origin.parse(f"http://127.0.0.1:{server.port}{path}")
        await (await ask(one, origin)).whole()
    assert len(server.peers) == 1


@pytest.mark.parametrize(
    ("line", "body", "length"),
    [
        (b"POST / HTTP/1.1\r\n", b"", b"content-length: 0\r\n"),
        (b"GET / HTTP/1.1\r\n", b"", b""),
        (b"GET / HTTP/1.1\r\n", b"x", b"content-length: 1\r\n"),
    ],
)
async def test_content_length_is_sent_where_it_belongs(client, upstream, ask, line, body, length):
    server = await upstream(OK)
    await (await ask(client(), server.origin, body, head=line)).whole()
    assert server.peers[0].requests == [(line + length + b"\r\n", body)]


async def test_a_large_body_goes_out_whole(client, upstream, ask):
    server, one = await upstream(OK), client()
    body = bytes(range(256)) * 4096 * 10
    for _ in range(2):
        assert await (await ask(one, server.origin, body)).whole() == b"hello"
    assert [sent for _, sent in server.peers[0].requests] == [body, body]


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("framing", [b"content-length: 8\r\n\r\n", b"connection: close\r\n\r\n"])
async def test_an_answer_that_comes_before_the_body_is_read_is_delivered(client, upstream, ask, how, framing):
    async def refuse(peer):
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.send(b"HTTP/1.1 413 Too Large\r\n" + framing + b"too long")
        if how == "reset":
            await peer.writer.drain()
            await asyncio.sleep(0)

    server = await upstream(refuse, limit=1024)
    exchange = await ask(client(), server.origin, b"x" * 10_000_000)
    assert (exchange.status, await exchange.whole()) == (413, b"too long")


async def test_after_an_early_answer_the_rest_of_the_request_is_not_sent_to_the_next(client, upstream, ask, until):
    async def refuse(peer):
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.send(b"HTTP/1.1 429 Slow Down\r\ncontent-length: 2\r\n\r\nno")
        await peer.gone()

    server, one = await upstream(refuse, limit=1024), client()
    exchange = await ask(one, server.origin, b"x" * 10_000_000)
    assert (exchange.status, await exchange.whole()) == (429, b"no")
    await until(lambda: not server.open)


async def test_an_answer_to_head_has_no_body(client, upstream, ask):
    async def script(peer):
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n")
        await peer.request()
        await peer.send(OK)
        await peer.gone()

    server, one = await upstream(script), client()
    assert await (await ask(one, server.origin, b"", head=b"HEAD / HTTP/1.1\r\n")).whole() == b""
    assert await (await ask(one, server.origin)).whole() == b"hello"


async def test_a_closed_client_refuses_and_closes_twice(client, upstream, ask):
    server, one = await upstream(OK), client()
    await (await ask(one, server.origin)).whole()
    await one.aclose()
    await one.aclose()
    for origin in (server.origin, Origin.parse("http://127.0.0.1:1")):
        with pytest.raises(Exception, match="is closed"):
            await ask(one, origin)


async def test_closing_the_client_aborts_what_is_under_way(client, upstream, ask):
    async def script(peer):
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello")
        await peer.gone()

    server, one = await upstream(script), client()
    exchange = await ask(one, server.origin)
    assert await exchange.read() == b"hello"
    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(_error_of(exchange.read()))
        await asyncio.sleep(0)
        await one.aclose()
    assert "is closed" in reading.result().message
    await server.peers[0].closed.wait()


async def test_messages_never_show_a_header(client, upstream, ask):
    server = await upstream(b"rubbish\r\n\r\n")
    with pytest.raises(UpstreamError) as told:
        await ask(client(), server.origin)
    assert "secret" not in str(told.value)
    assert f"127.0.0.1:{server.port}" in str(told.value)


FORMS = {
    "length": OK,
    "chunked": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "gzip": b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n%b" % (len(PACKED), PACKED),
    "cut": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n5\r\nhello\r\nX",
    "refused": b"HTTP/9 200 OK\r\n\r\n",
}


@pytest.mark.parametrize("answer", FORMS.values(), ids=FORMS)
async def test_nothing_of_a_request_waits_for_the_garbage_collector(answer, client, upstream, ask):
    server, one = await upstream(answer), client()
    kept = weakref.WeakSet()

    async def call():
        try:
            exchange = await ask(one, server.origin, first_byte=5)
            kept.add(exchange)
            await exchange.whole()
        except UpstreamError:
            pass

    gc.disable()
    try:
        await call()
        await call()
        assert not kept
    finally:
        gc.enable()


async def _error_of(coroutine):
    try:
        await coroutine
    except Exception as error:
        return error
    raise AssertionError("no error")


async def test_who_dials_decides_where_to(upstream, client, ask):
    """One socket for each connection, dialled by whoever the client was given."""
    server = await upstream(OK)
    dialled = []

    async def dial(origin):
        dialled.append(origin)
        return await connected_socket("127.0.0.1", server.port)

    one = client(dial=dial)
    origin = Origin.parse("http://elsewhere.invalid")
    for _ in range(3):
        assert await (await ask(one, origin)).whole() == b"hello"
    assert dialled == [origin]


async def test_who_dials_may_refuse(client, ask, pool_of):
    async def dial(origin):
        raise UpstreamError("Not there.", retryable=False)

    one = client(dial=dial)
    with pytest.raises(UpstreamError, match="Not there"):
        await ask(one, Origin.parse("http://elsewhere.invalid"))
    assert pool_of(one)._places == one._settings.max_connections


async def test_hosts_that_nobody_is_connected_to_are_forgotten(upstream, client, ask, monkeypatch):
    """Redirects may lead to ever new names: their pools must not fill the memory, and those in use stay."""
    monkeypatch.setattr(native, "MOST_HOSTS", 3)
    server = await upstream(OK)

    async def dial(origin):
        if origin.host == "there.invalid":
            return await connected_socket("127.0.0.1", server.port)
        raise UpstreamError("Not there.", retryable=False)

    one = client(dial=dial)
    for number in range(10):
        assert await (await ask(one, Origin.parse("http://there.invalid"))).whole() == b"hello"
        with pytest.raises(UpstreamError, match="Not there"):
            await ask(one, Origin.parse(f"http://no{number}.invalid"))
        assert len(one._hosts) <= 3
        assert len(one._pools) <= 3
    assert len(server.peers) == 1
