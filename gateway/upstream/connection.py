"""One connection to a provider: bytes out, one answer in, over and over."""

import asyncio
import select
from time import monotonic
from typing import Protocol, cast

from gateway.seam.errors import Unavailable, UpstreamError, UpstreamTimeout
from gateway.seam.timeouts import Timeouts
from gateway.upstream.chunked import BadChunk, ChunkedBody
from gateway.upstream.coding import Inflater
from gateway.upstream.exchange import NativeExchange
from gateway.upstream.failure import Failure
from gateway.upstream.head import CHUNKED, UNTIL_CLOSE, BadHead, check_start, parse_head
from gateway.upstream.settings import ClientSettings

UNREAD = 128 * 1024  # bytes that may wait for the reader before the socket is no longer read
LARGE = 64 * 1024  # a body from this size on is not copied behind its head
LINGER = 1.0  # seconds that an answer's end may take after its reader is done …
LINGER_BYTES = 64 * 1024  # … and bytes
_INTERIM = 16  # 1xx answers before the real one
_SLACK = 0.001  # seconds: event loops' clocks are no finer
_BODILESS_REQUESTS = (b"GET ", b"HEAD ", b"DELETE ", b"OPTIONS ")

_HEAD = -3  # the phase before a body's length, CHUNKED or UNTIL_CLOSE is known


class Owner(Protocol):
    """The pool, as far as a connection knows it."""

    address: str
    settings: ClientSettings

    def free(self, connection: "Connection") -> None:
        """The connection can serve again."""

    def gone(self, connection: "Connection") -> None:
        """The connection is closed; its socket too."""


class Connection(asyncio.Protocol):
    """A connection and the answer that it is receiving.

    **Stale connections.** A provider may close an idle connection at any time. Before a request is written, `ready()`
    asks the kernel whether anything has come on the idle socket: an end, a reset, bytes that nobody asked for, seen
    by the event loop or not. Only then another connection is taken, which is no retry at all, for nothing was written.
    Once a request has been written nothing is sent twice: the provider may have acted on it (RFC 9110 section 9.2.2,
    RFC 9112 section 9.3.1), and the error says so. Whether the call may be tried again is the router's to decide.

    **The clock.** One timer a connection, armed when there is none that fires in time; when it fires it compares with
    the last activity and arms itself again. Requests that end in time thus pay no timer.
    """

    def __init__(self, owner: Owner, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.address = owner.address
        self.max_body = int(owner.settings.max_body)
        self.unread = 0  # bytes that came since the reader took all
        self.expires = 0.0  # when an idle one is closed
        self.alive = False
        self._owner = owner
        self._max_head = int(owner.settings.max_head)
        self._keepalive = float(owner.settings.keepalive)
        self._transport: asyncio.Transport
        self._poll = select.poll()
        self._exchange: NativeExchange | None = None
        self._phase = _HEAD
        self._remaining = 0
        self._partial = bytearray()  # a head that came in pieces
        self._interim = 0
        self._chunked: ChunkedBody | None = None
        self._bodiless = False
        self._keep = False
        self._keep_for = self._keepalive
        self._large = False
        self._paused = False
        self._lingering = False
        self._allowance = 0  # bytes that may still be thrown away
        self._active = 0.0  # when the upstream was last heard of
        self._idle = 0.0  # the silence that is allowed once it has been heard of
        self._patience: float | None = None  # the silence that is allowed now
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0

    # What the pool and the client call

    def watch(self, fileno: int) -> None:
        """Remember the socket, for `ready`."""
        self._poll.register(fileno, select.POLLIN)

    def ready(self, now: float) -> bool:
        """Whether an idle connection can take a request: alive, not expired, and nothing came on it unasked."""
        return self.alive and self.expires > now and not self._poll.poll(0)

    def begin(self, head: bytes, body: bytes, timeouts: Timeouts) -> NativeExchange:
        """Write a request; the exchange fills as its answer comes."""
        exchange = self._exchange = NativeExchange(self)
        self._idle = timeouts.idle
        self._patience = timeouts.first_byte
        if self._patience is not None:
            self._active = monotonic()
            self._watch_clock()
        write = self._transport.write
        if not body:
            self._bodiless = head.startswith(b"HEAD ")
            write(head + (b"\r\n" if head.startswith(_BODILESS_REQUESTS) else b"content-length: 0\r\n\r\n"))
        elif len(body) < LARGE:
            write(b"%bcontent-length: %d\r\n\r\n%b" % (head, len(body), body))
        else:
            self._large = True
            write(b"%bcontent-length: %d\r\n\r\n" % (head, len(body)))
            write(body)
        return exchange

    def abort(self) -> None:
        """Close the connection at once; whoever reads is told elsewhere."""
        self._detach()
        self.alive = False
        self._transport.abort()

    def fail(self, kind: type[UpstreamError] | type[Unavailable], message: str) -> None:
        """Close the connection at once and tell its reader why."""
        exchange = self._exchange
        self.abort()
        if exchange is not None:
            exchange.failure = Failure(kind, message)
            exchange.wake()

    # What the exchange calls

    def drained(self) -> None:
        """All that was unread has been read."""
        self.unread = 0
        if self._paused:
            self._resume()

    def linger(self) -> None:
        """Wait a moment for the message's end."""
        self._lingering = True
        self._patience = None  # no silence is too long, but the whole is short
        self._allowance = LINGER_BYTES
        self._cancel_clock()
        self._timer = self.loop.call_later(LINGER, self.abort)
        if self._paused:
            self._resume()

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio's: the connection, TLS included, is there."""
        self._transport = cast(asyncio.Transport, transport)
        self.alive = True

    def data_received(self, data: bytes) -> None:
        """asyncio's: bytes have come."""
        exchange = self._exchange
        if exchange is None:  # bytes that nobody asked for
            self.abort()
            return
        self._active = monotonic()
        if self._phase == _HEAD:
            rest = self._take_head(exchange, data)
            if rest is None:
                return
            data = rest
        if self._take_body(exchange, data):
            return
        if self._lingering:
            self._discard(exchange, len(data))
            return
        self.unread += len(data)
        if self.unread > UNREAD and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        exchange.wake()

    def eof_received(self) -> None:
        """asyncio's: the provider closed its side; it closes the transport then."""
        self._lost(None)
        self.abort()

    def connection_lost(self, error: Exception | None) -> None:
        """asyncio's: the socket is closed."""
        self.alive = False
        self._cancel_clock()
        self._lost(error)
        self._owner.gone(self)

    # Reading

    def _take_head(self, exchange: NativeExchange, data: bytes) -> bytes | None:
        """Read the head; return what follows it, or None where there is nothing more to do with these bytes."""
        try:
            while True:
                partial = self._partial
                if partial:
                    seen = max(0, len(partial) - 3)
                    partial += data
                    end = partial.find(b"\r\n\r\n", seen, self._max_head) + 4
                    if end >= 4:
                        data = bytes(partial)
                        partial.clear()
                else:
                    end = data.find(b"\r\n\r\n", 0, self._max_head) + 4
                if end < 4:
                    self._head_incomplete(data)
                    return None
                raw = data[:end]
                head = parse_head(raw, self._bodiless)
                data = data[end:]
                if head.status >= 200:
                    break
                self._count_interim(head.status)
                if not data:
                    self._heard()
                    return None
        except BadHead as error:
            self.fail(UpstreamError, f"{self.address} sent what is no HTTP/1.1 answer: {error}.")
            return None
        exchange.status = head.status
        exchange.raw_head = raw
        self._keep = head.keep
        self._keep_for = self._keepalive if head.keep_for is None else min(self._keepalive, max(0, head.keep_for - 1))
        if head.coding is not None:
            exchange.inflater = Inflater(head.coding)
        self._phase = self._remaining = head.length
        if head.length == CHUNKED:
            self._chunked = ChunkedBody(exchange.pieces)
        elif head.length == UNTIL_CLOSE:
            exchange.until_close = True
        return data

    def _head_incomplete(self, data: bytes) -> None:
        """Keep a part of a head for the next read. Raises BadHead where it cannot become one."""
        partial = self._partial
        if not partial:
            partial += data
        if len(partial) >= self._max_head:
            raise BadHead(f"its head is larger than {self._max_head} bytes")
        check_start(partial, len(partial) - len(data))
        self._heard()

    def _count_interim(self, status: int) -> None:
        if status == 101:
            raise BadHead("it switches protocols unasked (101)")
        self._interim += 1
        if self._interim > _INTERIM:
            raise BadHead(f"it sends more than {_INTERIM} interim answers")

    def _take_body(self, exchange: NativeExchange, data: bytes) -> bool:
        """Put body bytes before the reader; return True where that ended the message, well or badly."""
        phase = self._phase
        if phase >= 0:
            remaining = self._remaining = self._remaining - len(data)
            if remaining > 0:
                if data:
                    exchange.pieces.append(data)
            elif remaining == 0:
                if data:
                    exchange.pieces.append(data)
                self._end(exchange)
                return True
            else:
                if phase and -remaining < len(data):
                    exchange.pieces.append(data[:remaining])
                self._keep = False  # bytes follow the answer: whose would they be?
                self._end(exchange)
                return True
        elif phase == CHUNKED:
            if data:
                chunked = cast(ChunkedBody, self._chunked)
                try:
                    if chunked.feed(data):
                        self._end(exchange)
                        return True
                except BadChunk as error:
                    if chunked.ended:
                        self._keep = False
                        self._end(exchange)
                    else:
                        self.fail(UpstreamError, f"{self.address} sent a malformed chunked body: {error}.")
                    return True
        elif data:
            exchange.pieces.append(data)
        self._heard()
        return False

    def _heard(self) -> None:
        """The upstream has begun to answer: from now on silence is bounded by `idle`."""
        if self._patience != self._idle and not self._lingering:
            self._patience = self._idle
            self._watch_clock()

    def _discard(self, exchange: NativeExchange, size: int) -> None:
        exchange.pieces.clear()
        self._allowance -= size
        if self._allowance < 0:
            self.abort()

    def _end(self, exchange: NativeExchange) -> None:
        """The message has ended: the reader has all, the connection is free."""
        exchange.ended = True
        keep, transport = self._keep, self._transport
        if self._large and transport.get_write_buffer_size():
            keep = False  # answered before it had read the request: the rest of it must not be sent
        lingering = self._lingering
        self._detach()
        if lingering:
            exchange.pieces.clear()
            self._cancel_clock()
        if keep and self.alive:
            self.expires = self._active + self._keep_for
            if self._paused:
                self._resume()
            self._owner.free(self)
        else:
            self.alive = False
            transport.abort()
        exchange.wake()

    def _detach(self) -> None:
        """Part from the exchange, and be as new."""
        exchange = self._exchange
        if exchange is None:
            return
        self._exchange = exchange.line = None
        self._phase = _HEAD
        self._patience = self._chunked = None
        self._bodiless = self._large = self._lingering = False
        self._interim = self.unread = 0
        self._partial.clear()

    def _lost(self, error: Exception | None) -> None:
        """No more bytes will come."""
        exchange = self._exchange
        if exchange is None:
            return
        why = f" ({type(error).__name__})" if error is not None else ""
        if self._phase == UNTIL_CLOSE and (error is None or exchange.status >= 400):
            # A refusal that comes while the request is still being sent is often followed by a reset.
            self._keep = False
            self._end(exchange)
        elif self._phase != _HEAD:
            self.fail(UpstreamError, f"{self.address} closed the connection in mid-answer{why}.")
        elif self._partial or self._interim:
            self.fail(UpstreamError, f"{self.address} closed the connection in the middle of an answer's head{why}.")
        else:
            self.fail(
                UpstreamError,
                f"{self.address} closed the connection without an answer{why}; the request was not sent again, "
                "for it may have been carried out.",
            )

    def _resume(self) -> None:
        self._paused = False
        self._active = monotonic()  # the silence was the reader's
        if self.alive:
            self._transport.resume_reading()

    # The clock

    def _watch_clock(self) -> None:
        """Make sure that the timer fires no later than patience ends."""
        due = self._active + cast(float, self._patience)
        if self._timer is not None:
            if self._due <= due + _SLACK:
                return
            self._timer.cancel()
        self._due = due
        self._timer = self.loop.call_later(due - monotonic(), self._tick)

    def _tick(self) -> None:
        self._timer = None
        patience = self._patience
        if patience is None or self._exchange is None:
            return
        if self._paused:
            self._active = monotonic()
        if monotonic() < self._active + patience - _SLACK:
            self._watch_clock()
        elif self._phase == _HEAD and not self._partial and not self._interim:
            self.fail(UpstreamTimeout, f"{self.address} did not begin to answer in {patience:g} s (first_byte).")
        else:
            self.fail(UpstreamTimeout, f"{self.address} fell silent for {patience:g} s in mid-answer (idle).")

    def _cancel_clock(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
