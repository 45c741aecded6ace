import asyncio

import pytest

from gateway.seam.errors import Unavailable, UpstreamError
from gateway.upstream import Origin
from gateway.upstream import pool as pool_module

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@pytest.fixture
def gated(upstream):
    """An upstream that answers once `server.gate` is open, and counts requests in `server.asked`."""

    async def make(answer=OK):
        gate = asyncio.Event()

        async def script(peer):
            while True:
                await peer.request()
                server.asked += 1
                await peer.until(gate)
                await peer.send(answer)

        server = await upstream(script)
        server.gate, server.asked = gate, 0
        return server

    return make


async def test_the_connection_used_last_is_used_first(client, ask, gated, until):
    server, one = await gated(), client()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(3):
            tasks.create_task(ask(one, server.origin))
        await until(lambda: server.asked == 3)
        server.gate.set()
    for _ in range(4):
        await (await ask(one, server.origin)).whole()
    assert sorted(len(peer.requests) for peer in server.peers) == [1, 1, 5]


async def test_no_more_connections_than_allowed_are_opened(client, ask, gated, until):
    server, one = await gated(), client(max_connections=3)
    async with asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(ask(one, server.origin)) for _ in range(20)]
        await until(lambda: server.asked == 3)
        server.gate.set()
    assert {task.result().status for task in waiting} == {200}
    assert len(server.peers) == 3


async def test_who_waited_first_is_served_first(client, ask, gated, until):
    server, one = await gated(), client(max_connections=1)
    order = []

    async def call(number):
        exchange = await ask(one, server.origin)
        order.append(number)
        await exchange.whole()

    async with asyncio.TaskGroup() as tasks:
        for number in range(10):
            tasks.create_task(call(number))
        await until(lambda: server.asked)
        server.gate.set()
    assert order == list(range(10))


async def test_a_newcomer_does_not_overtake(client, ask, gated, until, pool_of):
    server, one = await gated(), client(max_connections=1)
    order = []

    async def call(name):
        exchange = await ask(one, server.origin)
        order.append(name)
        await exchange.whole()
        if name == "first":
            await call("newcomer")  # asks in the very turn that frees the connection

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(call("first"))
        await until(lambda: server.asked)
        tasks.create_task(call("waiting"))
        await until(lambda: pool_of(one)._waiters)
        server.gate.set()
    assert order == ["first", "waiting", "newcomer"]


async def test_who_waits_too_long_is_told(client, ask, gated, until, pool_of):
    server, one = await gated(), client(max_connections=1)
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(ask(one, server.origin))
        await until(lambda: server.asked)
        with pytest.raises(Unavailable, match=r"stayed busy for 0.02 s") as told:
            await ask(one, server.origin, connect=0.02)
        assert (told.value.status, told.value.code) == (503, "upstream_pool_exhausted")
        assert not pool_of(one)._waiters
        server.gate.set()
    assert await first.result().whole() == b"ok"


async def test_a_place_that_comes_free_goes_to_who_waits(client, upstream, ask, until, pool_of):
    async def script(peer):
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok")
        await peer.gone()

    server, one = await upstream(script), client(max_connections=1)
    async with asyncio.TaskGroup() as tasks:
        calls = [tasks.create_task(ask(one, server.origin)) for _ in range(5)]
    assert [await call.result().whole() for call in calls] == [b"ok"] * 5
    assert len(server.peers) == 5


async def test_a_failed_connect_gives_its_place_to_who_waits(client, ask, timeouts, until):
    one = client(max_connections=1)
    origin = Origin.parse("http://127.0.0.1:1")
    async with asyncio.TaskGroup() as tasks:
        calls = [tasks.create_task(_error(ask(one, origin))) for _ in range(5)]
    assert all("Connecting to 127.0.0.1:1 failed: Connection refused." in str(call.result()) for call in calls)


def cancelling(monkeypatch, pool, method, task):
    """Have the pool's method be followed by the task's cancellation, before anyone else runs."""
    original = getattr(pool, method)

    def patched(*args):
        original(*args)
        monkeypatch.undo()
        task.cancel()

    monkeypatch.setattr(pool, method, patched)


@pytest.mark.parametrize("turns", range(8))
async def test_a_waiter_that_is_cancelled_loses_nothing(turns, client, ask, gated, until, pool_of):
    server, one = await gated(), client(max_connections=1)
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(ask(one, server.origin))
        await until(lambda: server.asked)
        waiting = [tasks.create_task(ask(one, server.origin)) for _ in range(3)]
        await until(lambda: len(pool_of(one)._waiters) == 3)
        server.gate.set()
        for _ in range(turns):
            await asyncio.sleep(0)
        waiting[0].cancel()
    assert await first.result().whole() == b"ok"
    assert [await task.result().whole() for task in waiting[1:]] == [b"ok", b"ok"]


async def test_a_waiter_that_is_given_a_connection_and_cancelled_at_once_passes_it_on(
    client, ask, gated, until, pool_of, monkeypatch
):
    server, one = await gated(), client(max_connections=1)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(ask(one, server.origin))
        await until(lambda: server.asked)
        waiting = [tasks.create_task(ask(one, server.origin)) for _ in range(2)]
        pool = pool_of(one)
        await until(lambda: len(pool._waiters) == 2)
        cancelling(monkeypatch, pool, "free", waiting[0])
        server.gate.set()
    assert waiting[0].cancelled()
    assert await waiting[1].result().whole() == b"ok"
    assert len(server.peers) == 1


async def test_a_waiter_that_is_given_a_place_and_cancelled_at_once_passes_it_on(
    client, upstream, ask, until, pool_of, monkeypatch
):
    go = asyncio.Event()

    async def script(peer):
        await peer.request()
        await peer.until(go)
        await peer.send(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok")

    server, one = await upstream(script), client(max_connections=1)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(ask(one, server.origin))
        await until(lambda: server.peers)
        waiting = [tasks.create_task(ask(one, server.origin)) for _ in range(2)]
        pool = pool_of(one)
        await until(lambda: len(pool._waiters) == 2)
        cancelling(monkeypatch, pool, "_give_place", waiting[0])
        go.set()
    assert waiting[0].cancelled()
    assert await waiting[1].result().whole() == b"ok"


async def test_a_connection_that_dies_on_its_way_to_who_waits_is_replaced(
    client, ask, gated, until, pool_of, monkeypatch
):
    server, one = await gated(), client(max_connections=1)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(ask(one, server.origin))
        await until(lambda: server.asked)
        waiting = [tasks.create_task(ask(one, server.origin)) for _ in range(3)]
        pool = pool_of(one)
        await until(lambda: len(pool._waiters) == 3)
        free = pool.free

        def free_and_kill(connection):
            monkeypatch.undo()
            free(connection)
            connection.abort()

        monkeypatch.setattr(pool, "free", free_and_kill)
        server.gate.set()
    assert [await task.result().whole() for task in waiting] == [b"ok"] * 3
    assert len(server.peers) == 2


async def test_the_kernels_own_time_limit_is_told_as_such(client, ask, monkeypatch):
    async def unreachable(host, port):
        raise TimeoutError(110, "Connection timed out")

    monkeypatch.setattr(pool_module, "connected_socket", unreachable)
    with pytest.raises(UpstreamError, match=r"Connecting to 127\.0\.0\.1:1 timed out"):
        await ask(client(), Origin.parse("http://127.0.0.1:1"))


async def test_a_client_that_closes_in_the_last_moment_of_connecting_takes_no_connection(
    client, upstream, ask, until, monkeypatch
):
    server, one = await upstream(OK), client()
    connect = pool_module.connected_socket

    async def connect_and_close(host, port):
        sock = await connect(host, port)
        (pool,) = one._hosts.values()
        pool._closed = True
        return sock

    monkeypatch.setattr(pool_module, "connected_socket", connect_and_close)
    with pytest.raises(Unavailable, match="is closed"):
        await ask(one, server.origin)
    await until(lambda: server.peers and not server.open)


async def test_a_connection_that_is_closed_as_soon_as_it_is_made_is_told_or_fails(client, upstream, ask):
    async def script(peer):
        peer.reset()

    server = await upstream(script)
    for _ in range(20):
        with pytest.raises(UpstreamError, match=r"reset|closed the connection without an answer|failed"):
            await ask(client(), server.origin)


async def test_an_idle_connection_is_closed_after_keepalive(client, upstream, ask, until, pool_of):
    server, one = await upstream(OK), client(keepalive=0.03)
    await (await ask(one, server.origin)).whole()
    await until(lambda: not server.open)
    assert not pool_of(one)._idle
    assert pool_of(one)._sweeper is None


async def test_a_connection_used_again_lives_on(client, upstream, ask, until, pool_of):
    server, one = await upstream(OK), client(keepalive=0.2)
    await (await ask(one, server.origin)).whole()
    (idle,) = pool_of(one)._idle
    idle.expires += 10
    pool_of(one)._sweep()
    assert pool_of(one)._sweeper is not None
    await (await ask(one, server.origin)).whole()
    assert len(server.peers) == 1


async def test_an_expired_connection_is_not_used_though_nobody_swept(client, upstream, ask, pool_of):
    server, one = await upstream(OK), client()
    await (await ask(one, server.origin)).whole()
    (idle,) = pool_of(one)._idle
    idle.expires = 0.0
    await (await ask(one, server.origin)).whole()
    assert len(server.peers) == 2


async def test_the_upstreams_own_keepalive_is_heeded(client, upstream, ask, pool_of):
    server, one = await upstream(b"HTTP/1.1 200 OK\r\nkeep-alive: timeout=5\r\ncontent-length: 2\r\n\r\nok"), client()
    await (await ask(one, server.origin)).whole()
    (idle,) = pool_of(one)._idle
    assert 3 < idle.expires - idle._clock.heard <= 4


async def test_closing_turns_away_who_waits(client, ask, gated, until, pool_of):
    server, one = await gated(), client(max_connections=1)
    async with asyncio.TaskGroup() as tasks:
        calls = [tasks.create_task(_error(ask(one, server.origin))) for _ in range(3)]
        await until(lambda: server.asked and len(pool_of(one)._waiters) == 2)
        await one.aclose()
    assert all("is closed" in str(call.result()) for call in calls)


async def _error(coroutine):
    try:
        return await coroutine
    except Exception as error:
        return error
