"""Clients that leave: whatever they began is given up at once, and nothing is left of it."""

import gc
import json
import os
import socket
from collections.abc import Callable, Iterator

import pytest

from gateway.seam import Reply
from gateway.testing import Received, Wire, events
from tests.doors import USER, Doors, Raw, hello, opened

ROLE, WORD = events("Hello", usage=False, done=False, finish=None)
CROWD = 200


@pytest.fixture(scope="module")
def _crowded() -> Iterator[Doors]:
    mock = {"type": "mock", "models": {"slow": {"like": "lorem", "pace": "10s", "first_token": "10s"}}}
    with opened({"providers": {"mock": mock}, "server": {"max_body": "1MiB"}}) as doors:
        yield doors


@pytest.fixture
def crowded(_crowded: Doors) -> Iterator[Doors]:
    """A gateway of which no descriptor, connection, task or Reply may be left behind."""
    _crowded.upstream.script = hello
    _crowded.chat()  # opens what stays open
    _crowded.upstream.left = 0
    _crowded.upstream.received.clear()
    gc.collect()
    before = descriptors()
    yield _crowded
    _crowded.quiet()
    background = _crowded.served.background
    background.until(lambda: _crowded.served.connections <= 1)
    background.until(lambda: descriptors() <= before)
    gc.collect()
    assert not [thing for thing in gc.get_objects() if isinstance(thing, Reply)]


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 (one number, of a folder that is no folder)


def body(**fields: object) -> bytes:
    return json.dumps({"model": "up/m", "messages": USER, **fields}).encode()


def crowd(doors: Doors, send: Callable[[Raw], None], ready: Callable[[], bool], *, reset: bool = False) -> None:
    """Let many clients come, and leave at once when all are being served."""
    clients = [doors.raw() for _ in range(CROWD)]
    try:
        for client in clients:
            send(client)
        doors.upstream.background.until(ready)
    finally:
        for client in clients:
            if reset:
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.socket.close()


def given_up(doors: Doors) -> None:
    """Wait until the upstream has seen every client of the crowd leave."""
    doors.upstream.background.until(lambda: doors.upstream.left == CROWD)
    assert doors.upstream.open == 0


@pytest.mark.parametrize("reset", [False, True])
def test_before_the_head(crowded: Doors, reset: bool) -> None:
    async def script(request: Received, wire: Wire) -> None:
        await wire.left()

    crowded.upstream.script = script
    crowd(
        crowded,
        lambda client: client.post(body(stream=True)),
        lambda: crowded.upstream.open == CROWD,
        reset=reset,
    )
    given_up(crowded)


def test_before_the_first_token(crowded: Doors) -> None:
    async def script(request: Received, wire: Wire) -> None:
        await wire.open()
        await wire.chunk(ROLE)
        await wire.left()

    crowded.upstream.script = script
    crowd(crowded, lambda client: client.post(body(stream=True)), lambda: crowded.upstream.open == CROWD)
    given_up(crowded)


def test_while_a_whole_answer_is_awaited(crowded: Doors) -> None:
    async def script(request: Received, wire: Wire) -> None:
        await wire.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{")
        await wire.left()

    crowded.upstream.script = script
    crowd(crowded, lambda client: client.post(body()), lambda: crowded.upstream.open == CROWD)
    given_up(crowded)


def test_in_mid_stream(crowded: Doors) -> None:
    begun = 0

    async def script(request: Received, wire: Wire) -> None:
        nonlocal begun
        await wire.open()
        await wire.chunk(ROLE + WORD)
        begun += 1
        await wire.left()

    def send(client: Raw) -> None:
        client.post(body(stream=True))
        client.until(WORD)

    crowded.upstream.script = script
    crowd(crowded, send, lambda: begun == CROWD)
    given_up(crowded)


def test_while_the_stream_flows(crowded: Doors) -> None:
    async def script(request: Received, wire: Wire) -> None:
        await wire.open()
        await wire.chunk(ROLE)
        while True:
            await wire.chunk(WORD * 100)

    def send(client: Raw) -> None:
        client.post(body(stream=True))
        client.until(WORD)

    crowded.upstream.script = script
    clients = [crowded.raw() for _ in range(20)]
    for client in clients:
        send(client)
    for client in clients:
        client.socket.close()
    crowded.upstream.background.until(lambda: crowded.upstream.left == 20)


@pytest.mark.parametrize("headers", ["content-length: 1000", "transfer-encoding: chunked"])
def test_in_the_middle_of_their_own_body(crowded: Doors, headers: str) -> None:
    piece = b'{"model"' if "length" in headers else b'8\r\n{"model"\r\n'

    def send(client: Raw) -> None:
        client.send(f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n{headers}\r\n\r\n".encode() + piece)

    crowd(crowded, send, lambda: crowded.served.connections >= CROWD)
    assert not crowded.upstream.received


def test_in_the_middle_of_their_own_head(crowded: Doors) -> None:
    crowd(crowded, lambda client: client.send(b"POST /v1/chat/com"), lambda: crowded.served.connections >= CROWD)


@pytest.mark.parametrize("stream", [False, True])
def test_the_mock_is_given_up_too(crowded: Doors, stream: bool) -> None:
    served = crowded.served
    requests = served._server.server_state.tasks
    crowd(
        crowded,
        lambda client: client.post(body(model="mock/slow", stream=stream)),
        lambda: len(requests) >= CROWD,
    )


def test_a_client_that_leaves_is_counted_as_cancelled(crowded: Doors) -> None:
    async def script(request: Received, wire: Wire) -> None:
        await wire.left()

    crowded.upstream.script = script
    with crowded.raw() as client:
        client.post(body())
        crowded.upstream.background.until(lambda: crowded.upstream.open == 1)
    crowded.quiet()
    assert 'outcome="cancelled"' in crowded.client.get("/metrics").text


def test_one_that_leaves_does_not_disturb_the_next_on_the_same_upstream(crowded: Doors) -> None:
    async def script(request: Received, wire: Wire) -> None:
        if request.json.get("stream"):
            await wire.open()
            await wire.chunk(ROLE + WORD)
            await wire.left()
        else:
            await wire.json({"choices": [], "n": request.json["n"]})

    crowded.upstream.script = script
    for n in range(20):
        with crowded.raw() as client:
            client.post(body(stream=True))
            client.until(WORD)
        assert crowded.chat(n=n).json()["n"] == n


def test_with_a_large_body_behind_them(crowded: Doors) -> None:
    async def script(request: Received, wire: Wire) -> None:
        await wire.left()

    crowded.upstream.script = script
    large = body(stream=True, pad="x" * 300_000)
    crowd(crowded, lambda client: client.post(large), lambda: crowded.upstream.open == CROWD)
    given_up(crowded)
