"""HTTP as the gateway serves it: uvicorn's protocol, with writes joined and a lost connection told at once."""

import asyncio
from collections.abc import Callable
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.api.answers import openai_error
from gateway.api.ids import request_id
from gateway.seam import InvalidRequest

MAX_HEAD = 64 * 1024
"""Bytes that a request's line and headers may have."""


_LARGE = 64 * 1024  # bytes


class Joined:
    """A transport whose writes of one turn of the loop leave as one: head and body are two writes, and each costs."""

    __slots__ = ("__dict__", "_pieces", "_size", "_soon", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._pieces: list[bytes] = []
        self._size = 0
        self._soon = loop.call_soon

    def write(self, data: bytes) -> None:
        """Write at the end of this turn; at once what grows large, so that the transport can ask for a pause."""
        if not self._pieces:
            self._soon(self.flush)
        self._pieces.append(data)
        self._size += len(data)
        if self._size > _LARGE:
            self.flush()

    def flush(self) -> None:
        """Write now what is joined."""
        pieces = self._pieces
        if pieces:
            self._pieces = []
            self._size = 0
            if not self._transport.is_closing():
                self._transport.write(pieces[0] if len(pieces) == 1 else b"".join(pieces))

    def close(self) -> None:
        """Write what is joined, then close."""
        self.flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Protocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, but: joined writes, a watcher, JSON errors, bounded heads, offers declined."""

    watcher: Callable[[], None] | None = None
    """Called at once when the connection is lost, for the request that is being served."""
    _head_bytes = 0
    _idle_since: float | None = None
    _served: Any = None

    def watch(self, watcher: Callable[[], None]) -> None:
        """Call `watcher` when the client leaves. A large body pauses reading, and a pause hides that it left."""
        self.watcher = watcher
        self.flow.resume_reading()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client connects."""
        super().connection_made(Joined(transport, self.loop))  # type: ignore[arg-type]
        self._idle_since = self.loop.time()
        self._look_again_in(self.timeout_keep_alive)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        watcher, self.watcher = self.watcher, None
        if watcher is not None:
            watcher()
        super().connection_lost(exc)
        self.scope = self._served = None  # type: ignore[assignment]  # they hold this protocol
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self.scope["gateway.connection"] = self  # type: ignore[typeddict-unknown-key]

    def data_received(self, data: bytes) -> None:
        """Bytes have come. The parser takes heads of any length, in memory: they end here."""
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            self._decline(data[offer.args[0] :])
        except httptools.HttpParserError:
            self.send_400_response("What was sent is no valid HTTP request.")
        scope: Any = self.scope
        if scope is None or "path" in scope:
            self._head_bytes = 0
            return
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD and not self.transport.is_closing():
            error = InvalidRequest(f"The request's head is larger than {MAX_HEAD} bytes.", code="head_too_large")
            self._refuse(b"431 Request Header Fields Too Large", error)

    def push(self, data: bytes) -> bool:
        """Write a piece of the answer under way, whose head is sent; False while the client reads slowly."""
        cycle = self._served
        if cycle is not None and not cycle.disconnected:
            self.transport.write(b"%x\r\n%b\r\n" % (len(data), data) if cycle.chunked_encoding else data)
        return not self.flow.write_paused

    # A connection without a request is closed after a while, also one whose head never comes to its end. uvicorn sets
    # and cancels a timer for each request, which costs three microseconds; here one timer a connection looks, when it
    # fires, how long it has been idle.

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._idle_since = None
        self._served = cycle  # `self.cycle` may be one that waits its turn
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """An answer is sent."""
        if self.pipeline or self.transport.is_closing():
            super().on_response_complete()
            return
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._look_again_in(self.timeout_keep_alive)

    def _unset_keepalive_if_required(self) -> None:
        """Bytes alone are no request."""

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection if it has been idle for long enough."""
        self.timeout_keep_alive_task = None
        if self._idle_since is not None:  # else a request is under way, and its end sets the timer again
            left = self._idle_since + self.timeout_keep_alive - self.loop.time()
            if left > 0:
                self._look_again_in(left)
            else:
                super().timeout_keep_alive_handler()

    def _look_again_in(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def _should_upgrade(self) -> bool:
        # Asked while a request that offers another protocol is parsed: True keeps uvicorn from serving it as it is.
        return True

    def _decline(self, rest: bytes) -> None:
        """Take a request that offers another protocol, as Java's client does (`h2c`), for one that offers none.

        The parser skips the body of such a request: it is parsed once more, without the offer.
        """
        if self.scope["method"] == "CONNECT":
            self.send_400_response("CONNECT is not served.")
            return
        head = [self.scope["method"].encode(), b" ", self.url, b" HTTP/1.1\r\n"]
        for name, value in self.headers:
            if name not in (b"upgrade", b"connection"):
                head += (name, b": ", value, b"\r\n")
            elif name == b"connection" and b"close" in value.lower():
                head.append(b"connection: close\r\n")
        self.parser = httptools.HttpRequestParser(self)
        self.data_received(b"".join((*head, b"\r\n", rest)))

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP in the shape of all other errors."""
        self._refuse(b"400 Bad Request", InvalidRequest(msg, code="invalid_http"))

    def _refuse(self, status: bytes, error: InvalidRequest) -> None:
        body = openai_error(error)
        head = (
            b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n"
            b"x-request-id: %s\r\n\r\n"
        )
        self.transport.write(head % (status, len(body), request_id().encode()) + body)
        self.transport.close()
