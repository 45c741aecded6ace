"""A scripted upstream on a real socket, and both event loops."""

import asyncio
import contextlib
import socket
import struct
import time

import pytest
import uvloop

from gateway.seam.settings import Duration, Size
from gateway.seam.timeouts import Timeouts
from gateway.upstream import ClientSettings, Origin
from gateway.upstream.native import NativeClient

POST = b"POST /v1/chat HTTP/1.1\r\nhost: upstream\r\nauthorization: Bearer sk-secret\r\n"


def pytest_asyncio_loop_factories(config, item):
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


async def until(condition, seconds=5.0):
    """Poll until `condition()` holds; fail after a generous time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.001)


class Peer:
    """The upstream's side of one connection."""

    def __init__(self, reader, writer):
        self.reader = reader
        self.writer = writer
        self.requests = []
        self.closed = asyncio.Event()

    async def request(self):
        """Read one request; return its head and body."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        body = await self.reader.readexactly(length)
        self.requests.append((head, body))
        return head, body

    async def send(self, *pieces):
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()

    async def until(self, event):
        """Wait for `event`; give up where the client is gone."""
        while not event.is_set():
            if self.reader.at_eof() or self.reader.exception() is not None:
                raise ConnectionResetError
            await asyncio.sleep(0.001)

    async def gone(self):
        """Wait until the client closes or resets the connection."""
        try:
            while await self.reader.read(65536):
                pass
        except ConnectionError:
            pass
        self.closed.set()

    def reset(self):
        """Close with a RST."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


class Upstream:
    """Runs `script(peer)` for each connection; a script that returns closes its connection."""

    def __init__(self, script):
        self.script = script
        self.peers = []
        self.server = None

    async def start(self, **options):
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0, **options)
        return self

    @property
    def port(self):
        return self.server.sockets[0].getsockname()[1]

    @property
    def origin(self):
        return Origin.parse(f"http://127.0.0.1:{self.port}")

    @property
    def open(self):
        return sum(not peer.closed.is_set() for peer in self.peers)

    async def _serve(self, reader, writer):
        peer = Peer(reader, writer)
        self.peers.append(peer)
        try:
            await self.script(peer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            peer.closed.set()
            writer.close()

    async def stop(self):
        self.server.close()
        for peer in self.peers:
            peer.writer.transport.abort()
        await until(lambda: not self.open)


@pytest.fixture
async def upstream():
    """Make upstreams: `await upstream(script)`, or `await upstream(bytes)` to answer each request with them."""
    made = []

    async def make(script, **options):
        if isinstance(script, bytes):
            answer = script

            async def script(peer):
                while True:
                    await peer.request()
                    await peer.send(answer)

        server = await Upstream(script).start(**options)
        made.append(server)
        return server

    yield make
    for server in made:
        await server.stop()


@pytest.fixture
async def client():
    """Make clients: `client(max_connections=1)`. Each must leave no socket and no place taken."""
    made = []

    def make(dial=None, **settings):
        if "max_body" in settings:
            settings["max_body"] = Size(settings["max_body"])
        if "keepalive" in settings:
            settings["keepalive"] = Duration(settings["keepalive"])
        one = NativeClient(ClientSettings(**settings), dial)
        made.append(one)
        return one

    yield make
    for one in made:
        await one.aclose()
        for pool in one._hosts.values():
            assert not pool._open
            assert not pool._idle
            assert not pool._waiters
            assert pool._places == one._settings.max_connections


@pytest.fixture
def timeouts():
    """Make time limits: `timeouts(idle=0.1)`."""

    def make(**limits):
        return Timeouts(**{name: Duration(seconds) for name, seconds in limits.items()})

    return make


@pytest.fixture
def ask(timeouts):
    """Send a POST: `await ask(client, origin)`."""

    async def send(client, origin, body=b"{}", head=POST, **limits):
        return await client.send(origin, head, body, timeouts(**limits))

    return send


@pytest.fixture
def pool_of():
    """The only pool of a client."""

    def find(client):
        (pool,) = client._hosts.values()
        return pool

    return find


@pytest.fixture
def full():
    """An address that neither takes nor refuses connections: its backlog is full."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):
            caller = stack.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(server.getsockname())
        yield server.getsockname()


@pytest.fixture(name="until")
def until_fixture():
    return until
