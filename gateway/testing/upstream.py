"""A scripted provider on a real socket: it answers, or misbehaves, as its script says."""

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, NamedTuple, Self

from gateway.testing.background import Background


class Received(NamedTuple):
    """One request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body's document."""
        return json.loads(self.body)


class Wire:
    """The connection that a script writes to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        """Send bytes as they are; waits while the other side does not read."""
        self._writer.write(data)
        await self._writer.drain()

    async def json(self, document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """Send a whole JSON answer; bytes and text go as they are."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        lines = {"content-type": "application/json", "content-length": str(len(body))} | dict(headers or {})
        await self.send(_head(status, lines) + body)

    async def open(self, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """Begin a chunked event stream."""
        lines = {"content-type": "text/event-stream", "transfer-encoding": "chunked"} | dict(headers or {})
        await self.send(_head(status, lines))

    async def chunk(self, data: bytes) -> None:
        """Send one HTTP chunk."""
        await self.send(b"%x\r\n%s\r\n" % (len(data), data))

    async def end(self) -> None:
        """End the chunked body."""
        await self.send(b"0\r\n\r\n")

    async def stream(self, pieces: Iterable[bytes]) -> None:
        """Send a whole event stream, one HTTP chunk a piece."""
        await self.open()
        for piece in pieces:
            await self.chunk(piece)
        await self.end()

    async def left(self) -> None:
        """Wait until the other side has closed the connection; then raises ConnectionError, as a write would."""
        while await self._reader.read(65536):
            pass
        raise ConnectionResetError("the client left")

    def close(self) -> None:
        """Close the connection in order (FIN)."""
        self._writer.close()

    def reset(self) -> None:
        """Break the connection (RST)."""
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


Script = Callable[[Received, Wire], Awaitable[None]]


class Upstream:
    """A server in a loop of its own. `script` answers each request and can be changed at any time.

    `received` keeps all requests; `open` counts those being answered, `left` those whose client went away first.
    """

    def __init__(self, script: Script) -> None:
        self.script = script
        self.received: list[Received] = []
        self.open = 0
        self.left = 0
        self.url = ""
        self.background = Background()
        self._server: asyncio.Server
        self._connections: set[asyncio.Task[Any]] = set()

    def __enter__(self) -> Self:
        self.background.__enter__()
        self.background.run(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self.background.run(self._stop())
        self.background.__exit__(None, None, None)

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._connection, "127.0.0.1", 0, backlog=1024)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    async def _stop(self) -> None:
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while not writer.is_closing() and (request := await _request(reader)) is not None:
                    await self._answer(request, Wire(reader, writer))
        finally:
            self._connections.discard(task)
            writer.close()

    async def _answer(self, request: Received, wire: Wire) -> None:
        self.received.append(request)
        self.open += 1
        try:
            await self.script(request, wire)
        except (ConnectionError, EOFError):
            self.left += 1
            raise
        finally:
            self.open -= 1


async def _request(reader: asyncio.StreamReader) -> Received | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    line, *lines = head.decode("latin-1").split("\r\n")[:-2]
    method, path, _ = line.split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (text.partition(":") for text in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(method, path, headers, body)


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} Scripted\r\n{lines}\r\n".encode()


def completion(text: str = "Hello.", **more: Any) -> dict[str, Any]:
    """A whole chat completion."""
    message = {"role": "assistant", "content": text, "refusal": None}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "upstream-model",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
    } | more


def events(*texts: str, usage: bool = True, done: bool = True, finish: str | None = "stop") -> list[bytes]:
    """The events of a streamed chat completion, one piece each: role, texts, finish, usage, end mark."""

    def event(choices: list[dict[str, Any]], **more: Any) -> bytes:
        base = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "up"}
        return b"data: " + json.dumps(base | {"choices": choices} | more).encode() + b"\n\n"

    def delta(fields: dict[str, Any], reason: str | None = None) -> bytes:
        return event([{"index": 0, "delta": fields, "logprobs": None, "finish_reason": reason}])

    pieces = [delta({"role": "assistant", "content": ""}), *(delta({"content": text}) for text in texts)]
    if finish is not None:
        pieces.append(delta({}, finish))
    if usage:
        pieces.append(event([], usage={"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}))
    if done:
        pieces.append(b"data: [DONE]\n\n")
    return pieces
