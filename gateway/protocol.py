"""HTTP as the gateway serves it: uvicorn's protocol, with a short way out and a lost connection told at once."""

import asyncio
from collections.abc import Callable, Iterable
from math import inf
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.api.answers import openai_error
from gateway.api.ids import request_id
from gateway.seam import InvalidRequest

MAX_HEAD = 64 * 1024
"""Bytes that a request's line and headers may have."""

_CHUNKED = b"transfer-encoding: chunked\r\n\r\n"
Headers = Iterable[tuple[bytes, bytes]]


class Outlet:
    """Where the pieces of one answer go.

    It is all that a token touches here, and small: with many streams at once each object is cold that a token comes to.
    """

    __slots__ = ("_write", "chunked", "full")

    def __init__(self, write: Callable[[bytes], None], full: bool) -> None:
        self._write = write
        self.chunked = False
        """Whether each piece is an HTTP chunk."""
        self.full = full
        """Whether the client reads slowly."""

    def push(self, data: bytes) -> bool:
        """Write a piece of the answer under way, whose head is sent; False while the client reads slowly."""
        self._write(b"%x\r\n%b\r\n" % (len(data), data) if self.chunked else data)
        return not self.full

    def close(self) -> None:
        """The answer is over, or its client gone: what still comes is dropped."""
        self._write = _drop
        self.full = False


def _drop(data: bytes) -> None:
    """Of a closed outlet."""


class Protocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, but: a short way in and out, a watcher, JSON errors, bounded heads, offers declined.

    The short way is what doors take with a success: what they have goes to the socket in one write. ASGI's own costs
    ten microseconds a request, and joins nothing.
    """

    watcher: Callable[[], None] | None = None
    """Called at once when the connection is lost, for the request that is being served."""
    _head_bytes = 0
    _idle_since: float | None = None
    _served: Any = None
    _outlet: Outlet | None = None

    def watch(self, watcher: Callable[[], None]) -> None:
        """Call `watcher` when the client leaves. A large body pauses reading, and a pause hides that it left."""
        self.watcher = watcher
        self.flow.resume_reading()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client connects."""
        super().connection_made(transport)
        self._idle_since = self.loop.time()
        self._look_again_in(self.timeout_keep_alive)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        watcher, self.watcher = self.watcher, None
        if watcher is not None:
            watcher()
        self._close_outlet()
        super().connection_lost(exc)
        self.scope = self._served = None  # type: ignore[assignment]  # they hold this protocol
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()

    def pause_writing(self) -> None:
        """The client reads slowly."""
        super().pause_writing()
        if self._outlet is not None:
            self._outlet.full = True

    def resume_writing(self) -> None:
        """The client has read enough."""
        super().resume_writing()
        if self._outlet is not None:
            self._outlet.full = False

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

    def short(self, send: object) -> bool:
        """Whether `send` leads straight here: a head must not pass by whoever wraps it, as CORS does."""
        return getattr(send, "__self__", None) is self._served

    def body(self) -> bytes | None:
        """The request's body, where all of it is here already."""
        cycle = self._served
        return None if cycle is None or cycle.more_body or cycle.disconnected else bytes(cycle.body)

    def begin(self, headers: Headers) -> None:
        """Begin an answer that comes in pieces, with status 200; they go to the `outlet`."""
        cycle = self._served
        if cycle is not None and not cycle.disconnected:
            cycle.response_started = True
            # HTTP/1.0 has no chunks (RFC 9112, 6.1): there the end of the connection ends the answer.
            cycle.chunked_encoding = cycle.scope["http_version"] != "1.0"
            cycle.expected_content_length = inf
            self.transport.write(_head(headers, cycle) + (_CHUNKED if cycle.chunked_encoding else b"\r\n"))

    def outlet(self) -> Callable[[bytes], bool]:
        """What takes the pieces of the answer under way, whose head is sent; it returns False to be let drain."""
        cycle = self._served
        outlet = self._outlet = Outlet(self.transport.write, self.flow.write_paused)
        if cycle is None or cycle.disconnected:
            self._close_outlet()
        else:
            outlet.chunked = bool(cycle.chunked_encoding)
        return outlet.push

    def _close_outlet(self) -> None:
        if self._outlet is not None:
            self._outlet.close()
            self._outlet = None

    def end(self) -> None:
        """End the answer under way."""
        self._close_outlet()
        cycle = self._served
        if cycle is not None and not cycle.disconnected:
            if cycle.chunked_encoding:
                self.transport.write(b"0\r\n\r\n")
            self._complete(cycle)

    def answer(self, headers: Headers, body: bytes) -> None:
        """Send a whole answer with status 200."""
        cycle = self._served
        if cycle is not None and not cycle.disconnected:
            cycle.response_started = True
            self.transport.write(b"%bcontent-length: %d\r\n\r\n%b" % (_head(headers, cycle), len(body), body))
            self._complete(cycle)

    def _complete(self, cycle: Any) -> None:
        cycle.response_complete = True
        cycle.message_event.set()
        if not cycle.keep_alive:
            self.transport.close()
        cycle.on_response()

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


def _head(headers: Headers, cycle: Any) -> bytes:
    """Status line and headers, without the empty line. Raises ValueError where a value would break out of its line."""
    lines = [b"%b: %b\r\n" % header for header in headers]
    head = b"".join(lines)
    if head.count(b"\n") != len(lines) or head.count(b"\r") != len(lines):
        raise ValueError("a header of the answer holds a line break")
    return b"HTTP/1.1 200 OK\r\n%b%b" % (head, b"" if cycle.keep_alive else b"connection: close\r\n")
