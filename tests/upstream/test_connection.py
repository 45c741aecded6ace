import asyncio
import gzip

import pytest

from gateway.seam.errors import UpstreamError
from gateway.upstream import ClientSettings
from gateway.upstream import connection as connection_module

LENGTH = b"HTTP/1.1 200 OK\r\ncontent-type: a/b\r\ncontent-length: 11\r\n\r\nhello world"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nx-t: u\r\n\r\n"
PACKED = gzip.compress(b"hello world")
GZIPPED = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n%b" % (len(PACKED), PACKED)
GZIP_CHUNKED = (
    b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n"
    b"a\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (PACKED[:10], len(PACKED) - 10, PACKED[10:])
)
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + LENGTH
FORMS = {"length": LENGTH, "chunked": CHUNKED, "gzip": GZIPPED, "gzip chunked": GZIP_CHUNKED, "interim": INTERIM}
EMPTY = {
    "length 0": b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "304": b"HTTP/1.1 304 Not Modified\r\ncontent-length: 10\r\n\r\n",
    "no chunk": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
}


class FakeTransport:
    """Takes what the connection writes; the test plays the network."""

    def __init__(self):
        self.written = b""
        self.aborted = self.paused = False

    def write(self, data):
        self.written += data

    def abort(self):
        self.aborted = True

    def pause_reading(self):
        self.paused = True

    def resume_reading(self):
        self.paused = False

    def get_write_buffer_size(self):
        return 0


class FakeOwner:
    address = "fake:80"

    def __init__(self):
        self.settings = ClientSettings()
        self.freed = 0

    def free(self, connection):
        self.freed += 1

    def gone(self, connection):
        pass


def received(connection, owner, timeouts, pieces):
    before = owner.freed
    exchange = connection.begin(b"GET / HTTP/1.1\r\n", b"", timeouts())
    for piece in pieces:
        connection.data_received(piece)
    assert exchange.ended
    assert owner.freed == before + 1
    return exchange


@pytest.mark.parametrize("data", FORMS.values(), ids=FORMS)
async def test_an_answer_cut_at_any_byte_is_the_same_answer(data, timeouts):
    owner = FakeOwner()
    connection = connection_module.Connection(owner, asyncio.get_running_loop())
    connection.connection_made(FakeTransport())
    cuts = [[data], [data[i : i + 1] for i in range(len(data))]]
    cuts += [[data[:cut], data[cut:]] for cut in range(1, len(data))]
    for cut in cuts:
        exchange = received(connection, owner, timeouts, cut)
        assert exchange.status == 200
        assert await exchange.whole() == b"hello world"
    connection.connection_lost(None)


@pytest.mark.parametrize("data", FORMS.values(), ids=FORMS)
async def test_an_answer_that_comes_byte_by_byte_over_a_socket_is_read(data, client, upstream, ask):
    async def script(peer):
        while True:
            await peer.request()
            for i in range(len(data)):
                await peer.send(data[i : i + 1])
                await asyncio.sleep(0)

    server, one = await upstream(script), client()
    for _ in range(2):
        assert await (await ask(one, server.origin)).whole() == b"hello world"
    assert len(server.peers) == 1


@pytest.mark.parametrize("data", EMPTY.values(), ids=EMPTY)
async def test_an_empty_answer_is_at_its_end(data, client, upstream, ask):
    server, one = await upstream(data), client()
    for _ in range(2):
        exchange = await ask(one, server.origin)
        assert await exchange.read() == b""
        assert await exchange.whole() == b""
    assert len(server.peers) == 1


@pytest.mark.parametrize("data", [*FORMS.values(), *EMPTY.values()], ids=[*FORMS, *EMPTY])
@pytest.mark.parametrize("extra", [b"X", b"\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil"])
@pytest.mark.parametrize("later", [False, True])
async def test_bytes_behind_an_answer_never_become_the_next(data, extra, later, client, upstream, ask, until):
    async def script(peer):
        await peer.request()
        await (peer.send(data, extra) if later else peer.send(data + extra))
        await peer.gone()

    server, one = await upstream(script), client()
    first = await (await ask(one, server.origin)).whole()
    await until(lambda: not server.open)
    assert await (await ask(one, server.origin)).whole() == first
    assert len(server.peers) == 2


async def test_bytes_that_wait_in_the_kernel_never_become_the_next_answer(client, upstream, ask, until, pool_of):
    """The loop has not seen them yet: only a look at the socket can tell."""
    sent = asyncio.Event()
    go = asyncio.Event()

    async def script(peer):
        await peer.request()
        await peer.send(LENGTH)
        await peer.until(go)
        peer.writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")  # goes to the kernel at once
        sent.set()
        await peer.gone()

    server, one = await upstream(script), client()
    await (await ask(one, server.origin)).whole()
    (idle,) = pool_of(one)._idle
    idle._transport.pause_reading()  # in the place of a loop that is busy
    go.set()
    await sent.wait()
    idle._clock.heard -= 1  # seconds ago
    await until(lambda: idle._poll.poll(0))
    assert not idle.ready(idle._clock.heard + 1)
    go.set()
    assert await (await ask(one, server.origin)).whole() == b"hello world"
    assert len(server.peers) == 2


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_connection_that_was_closed_while_idle_is_not_used(how, client, upstream, ask, until, pool_of):
    async def script(peer):
        await peer.request()
        await peer.send(LENGTH)
        if how == "reset":
            peer.reset()

    server, one = await upstream(script), client()
    for _ in range(3):
        assert await (await ask(one, server.origin)).whole() == b"hello world"
        pool_of(one)  # the close may or may not have been seen: both must do
        for connection in pool_of(one)._open:
            connection._clock.heard -= 1
        await until(lambda: not server.open)
    assert len(server.peers) == 3


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_request_on_a_live_connection_is_never_sent_twice(how, client, upstream, ask):
    async def script(peer):
        if len(server.peers) == 1:
            await peer.request()
            await peer.send(LENGTH)
        await peer.request()
        if how == "reset":
            peer.reset()

    server = await upstream(script)
    one = client()
    assert await (await ask(one, server.origin)).whole() == b"hello world"
    for _ in range(2):  # first on the connection used before, then on a new one
        with pytest.raises(UpstreamError, match=r"without an answer.*was not sent again"):
            await ask(one, server.origin)
    assert [len(peer.requests) for peer in server.peers] == [2, 1]


BROKEN = {
    "length": (b"HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\nhello", "mid-answer"),
    "chunked": (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n", "mid-answer"),
    "no last chunk's end": (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", "mid-answer"),
    "bad chunk": (
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0x3\r\nabc",
        "malformed chunked",
    ),
}


@pytest.mark.parametrize(("data", "why"), BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("way", ["read", "whole"])
async def test_a_broken_body_is_told_after_what_came_of_it(data, why, way, client, upstream, ask):
    async def script(peer):
        await peer.request()
        await peer.send(data)

    server = await upstream(script)
    exchange = await ask(client(), server.origin)
    if way == "read":
        assert await exchange.read() == b"hello"
        with pytest.raises(UpstreamError, match=why):
            await exchange.read()
    else:
        with pytest.raises(UpstreamError, match=why):
            await exchange.whole()
    with pytest.raises(UpstreamError, match=why):
        await exchange.read()
    await exchange.aclose()


async def test_a_head_that_breaks_off_is_told(client, upstream, ask):
    async def script(peer):
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-")

    server = await upstream(script)
    with pytest.raises(UpstreamError, match="in the middle of an answer's head"):
        await ask(client(), server.origin)


@pytest.mark.parametrize("line", [b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 200 OK\r\nconnection: close\r\n"])
async def test_a_body_that_the_close_ends_is_marked(line, client, upstream, ask):
    async def script(peer):
        await peer.request()
        await peer.send(line + b"\r\n" + b"hello")

    server, one = await upstream(script), client()
    for _ in range(2):
        exchange = await ask(one, server.origin)
        assert exchange.until_close
        assert await exchange.whole() == b"hello"
    assert len(server.peers) == 2


async def test_a_body_that_a_reset_ends_is_broken(client, upstream, ask):
    read = asyncio.Event()

    async def script(peer):
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\nhello")
        await peer.until(read)
        peer.reset()

    server = await upstream(script)
    exchange = await ask(client(), server.origin)
    assert await exchange.read() == b"hello"
    read.set()
    with pytest.raises(UpstreamError, match="mid-answer"):
        await exchange.read()


async def test_http_1_0_keeps_a_connection_only_where_it_says_so(client, upstream, ask, until):
    async def script(peer):
        while True:
            head, _ = await peer.request()
            keep = b"connection: keep-alive\r\n" if b"keep" in head else b""
            await peer.send(b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n" + keep + b"\r\nok")

    server, one = await upstream(script), client()
    for line, opened in ((b"GET /keep HTTP/1.1\r\n", 1), (b"GET / HTTP/1.1\r\n", 1), (b"GET / HTTP/1.1\r\n", 2)):
        assert await (await ask(one, server.origin, b"", head=line)).whole() == b"ok"
        assert len(server.peers) == opened


async def test_a_slow_reader_holds_the_upstream_back(client, upstream, ask, until):
    """50 MB upstream, and a reader that stops: what waits stays bounded, and all arrives in the end."""
    total, sent = 50_000_000, 0

    async def script(peer):
        nonlocal sent
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % total)
        while sent < total:
            await peer.send(b"x" * 100_000)
            sent += 100_000
        await peer.gone()

    server = await upstream(script)
    exchange = await ask(client(), server.origin, idle=0.05)
    await until(lambda: exchange.line._paused)
    stopped = -1
    while stopped != sent:  # until the kernel's buffers are full too
        stopped = sent
        await asyncio.sleep(0.06)  # longer than idle: the upstream is not to blame
    assert sum(map(len, exchange.pieces)) <= connection_module.UNREAD + 1024 * 1024
    assert sent < total / 2
    got = 0
    while data := await exchange.read():
        got += len(data)
    assert got == total


async def test_a_burst_of_tiny_chunks_is_held_back_too(client, upstream, ask, until):
    async def script(peer):
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        for _ in range(1000):
            await peer.send(b"1\r\nx\r\n" * 1000)
        await peer.send(b"0\r\n\r\n")
        await peer.gone()

    server = await upstream(script)
    exchange = await ask(client(), server.origin)
    await until(lambda: exchange.line._paused)
    assert len(await exchange.whole()) == 1_000_000


async def test_a_connection_paused_at_its_answers_end_still_sees_the_close(client, upstream, ask, until):
    body = b"x" * 300_000

    async def script(peer):
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body), body)
        await peer.request()
        await peer.send(LENGTH)

    server, one = await upstream(script), client()
    exchange = await ask(one, server.origin)
    assert await exchange.whole() == body
    assert await (await ask(one, server.origin)).whole() == b"hello world"
    await until(lambda: not server.open)


async def test_bytes_on_an_idle_connection_close_it(client, upstream, ask, until, pool_of):
    answered = asyncio.Event()

    async def script(peer):
        await peer.request()
        await peer.send(LENGTH)
        await peer.until(answered)
        await peer.send(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n")
        await peer.gone()

    server, one = await upstream(script), client()
    await (await ask(one, server.origin)).whole()
    answered.set()
    await until(lambda: not pool_of(one)._open)
    await until(lambda: not server.open)
