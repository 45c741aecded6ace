import asyncio
import gzip

import pytest

from gateway.seam.errors import UpstreamError
from gateway.upstream import connection as connection_module

START = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@pytest.fixture
def paced(upstream):
    """An upstream that sends START and a chunk, and what `server.rest` holds once `server.go` is set."""

    async def make(rest=b"0\r\n\r\n"):
        async def script(peer):
            while True:
                await peer.request()
                await peer.send(START + b"5\r\nhello\r\n")
                await peer.until(server.go)
                await peer.send(server.rest)

        server = await upstream(script)
        server.go, server.rest = asyncio.Event(), rest
        return server

    return make


async def test_finish_keeps_the_connection_where_the_end_comes_soon(client, paced, ask, until, pool_of):
    server, one = await paced(), client()
    exchange = await ask(one, server.origin)
    assert await exchange.read() == b"hello"
    exchange.finish()
    exchange.finish()
    await exchange.aclose()
    assert await exchange.read() == b""
    assert not pool_of(one)._idle
    server.go.set()
    await until(lambda: pool_of(one)._idle)
    await (await ask(one, server.origin)).whole()
    assert len(server.peers) == 1


async def test_finish_after_the_end_is_nothing(client, upstream, ask, pool_of):
    server, one = await upstream(OK), client()
    exchange = await ask(one, server.origin)
    exchange.finish()
    assert await exchange.read() == b""
    assert len(pool_of(one)._idle) == 1


async def test_finish_waits_no_longer_than_a_moment(client, paced, ask, until, monkeypatch):
    monkeypatch.setattr(connection_module, "LINGER", 0.02)
    server = await paced()
    exchange = await ask(client(), server.origin)
    exchange.finish()
    await until(lambda: not server.open)


async def test_finish_does_not_wait_for_a_connection_that_cannot_be_used_again(client, upstream, ask, until):
    async def script(peer):
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\nhello")
        await peer.gone()

    server = await upstream(script)
    (await ask(client(), server.origin)).finish()
    await until(lambda: not server.open, 0.9 * connection_module.LINGER)


async def test_finish_takes_no_more_than_a_little(client, paced, ask, until):
    server = await paced(rest=b"".join(b"1000\r\n%b\r\n" % (b"x" * 4096) for _ in range(100)))
    exchange = await ask(client(), server.origin)
    exchange.finish()
    server.go.set()
    await until(lambda: not server.open)
    assert not exchange.pieces


@pytest.mark.parametrize("rest", [b"rubbish\r\n", b"0\r\n\r\nrubbish"])
async def test_a_bad_end_after_finish_closes_the_connection(rest, client, paced, ask, until):
    server = await paced(rest=rest)
    exchange = await ask(client(), server.origin)
    exchange.finish()
    server.go.set()
    await until(lambda: not server.open)


async def test_the_client_closes_while_a_connection_lingers(client, paced, ask, until):
    server, one = await paced(), client()
    (await ask(one, server.origin)).finish()
    await one.aclose()
    await until(lambda: not server.open)


async def test_aclose_before_the_end_closes_the_connection_at_once(client, paced, ask, until, pool_of):
    server, one = await paced(), client()
    exchange = await ask(one, server.origin)
    await exchange.aclose()
    await exchange.aclose()
    await until(lambda: pool_of(one)._places == 2000)
    assert not pool_of(one)._open
    server.go.set()
    await until(lambda: not server.open)
    assert await exchange.read() == b"hello"  # it had come
    with pytest.raises(UpstreamError, match="was closed before its end"):
        await exchange.read()


async def test_aclose_wakes_who_reads(client, paced, ask):
    server = await paced()
    exchange = await ask(client(), server.origin)
    assert await exchange.read() == b"hello"
    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(_error(exchange.read()))
        await asyncio.sleep(0)
        await exchange.aclose()
    assert "closed before its end" in str(reading.result())


@pytest.mark.parametrize("where", ["head", "read", "whole", "decoded"])
async def test_cancelling_leaves_no_socket_and_no_place(where, client, upstream, ask, until, pool_of):
    async def script(peer):
        await peer.request()
        if where != "head":
            coding = b"content-encoding: gzip\r\n" if where == "decoded" else b""
            await peer.send(b"HTTP/1.1 200 OK\r\n" + coding + b"content-length: 100\r\n\r\n")
        await peer.gone()

    server, one = await upstream(script), client(max_connections=1)

    async def call():
        exchange = await ask(one, server.origin)
        await (exchange.whole() if where == "whole" else exchange.read())

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(call())
        await until(lambda: server.peers and server.peers[0].requests)
        await asyncio.sleep(0.005)
        task.cancel()
    assert task.cancelled()
    await until(lambda: not server.open and pool_of(one)._places == 1)


@pytest.mark.parametrize("turns", range(30))
async def test_cancelling_after_any_number_of_turns_leaves_nothing(turns, client, upstream, ask, until):
    """Whatever it awaits just then: the name, the connection, the head, the body."""
    server, one = await upstream(START + b"5\r\nhello\r\n0\r\n\r\n"), client(max_connections=1)

    async def call():
        await (await ask(one, server.origin)).whole()

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(call())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
    assert await (await ask(one, server.origin)).whole() == b"hello"  # the one place is there


async def test_whole_is_bounded_before_it_is_read(client, upstream, ask, until):
    async def script(peer):
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n" + b"x" * 2000)
        await peer.gone()

    server = await upstream(script)
    exchange = await ask(client(max_body=1000), server.origin)
    with pytest.raises(UpstreamError, match="larger than the 1000 bytes"):
        await exchange.whole()
    await until(lambda: not server.open)


async def test_whole_is_bounded_where_all_has_come(client, upstream, ask):
    server = await upstream(b"HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n" + b"x" * 1001)
    one = client(max_body=1000)
    with pytest.raises(UpstreamError, match="larger than the 1000 bytes"):
        await (await ask(one, server.origin)).whole()


async def test_whole_is_bounded_after_decoding(client, upstream, ask):
    bomb = gzip.compress(b"\0" * 10_000_000)
    server = await upstream(
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n%b" % (len(bomb), bomb)
    )
    with pytest.raises(UpstreamError, match="larger than the 1000000 bytes"):
        await (await ask(client(max_body=1_000_000), server.origin)).whole()


async def test_a_stream_is_not_bounded(client, upstream, ask):
    server = await upstream(b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n" + b"x" * 5000)
    exchange, got = await ask(client(max_body=1000), server.origin), 0
    while data := await exchange.read():
        got += len(data)
    assert got == 5000


@pytest.mark.parametrize("damage", ["cut", "junk", "other"])
async def test_a_body_that_does_not_decode_is_told(damage, client, upstream, ask):
    packed = gzip.compress(b"hello" * 100)
    data = {"cut": packed[:-3], "junk": packed + b"x", "other": b"<html></html>"}[damage]
    server = await upstream(
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n%b" % (len(data), data)
    )
    exchange = await ask(client(), server.origin)
    with pytest.raises(UpstreamError, match="does not decode"):
        await exchange.whole()
    with pytest.raises(UpstreamError):
        await exchange.read()


async def _error(coroutine):
    try:
        return await coroutine
    except Exception as error:
        return error
