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
from gateway.upstream.head import CHUNKED, UNTIL_CLOSE, BadHead, Head, parse_head
from gateway.upstream.head_buffer import HeadBuffer
from gateway.upstream.settings import ClientSettings
from gateway.upstream.silence import SilenceClock

UNREAD = 128 * 1024  # bytes that may wait for the reader before the socket is no longer read
LARGE = 64 * 1024  # a body from this size on is not copied behind its head
LINGER = 1.0  # seconds that an answer's end may take after its reader is done …
LINGER_BYTES = 64 * 1024  # … and bytes
_TRUSTED = 0.001  # seconds for which a connection need not be looked at again
_BODILESS_REQUESTS = (b"GET ", b"HEAD ", b"DELETE ", b"OPTIONS ")

_HEAD = -3  # the phase before the body's length, CHUNKED or UNTIL_CLOSE is known


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

    An answer's end frees the connection at once; what the reader has not read yet stays with the exchange.
    """

    __slots__ = (
        "__weakref__",
        "_allowance",
        "_bodiless",
        "_chunked",
        "_clock",
        "_exchange",
        "_gathering",
        "_idle",
        "_keep",
        "_keep_for",
        "_keepalive",
        "_large",
        "_lingering",
        "_max_head",
        "_owner",
        "_paused",
        "_phase",
        "_poll",
        "_remaining",
        "_transport",
        "_unread",
        "address",
        "alive",
        "expires",
        "loop",
        "max_body",
    )

    def __init__(self, owner: Owner, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.address = owner.address
        self.max_body = int(owner.settings.max_body)
        self.expires = 0.0  # when an idle one is closed
        self.alive = False
        self._owner = owner
        self._max_head = int(owner.settings.max_head)
        self._keepalive = float(owner.settings.keepalive)
        self._transport: asyncio.Transport
        self._poll = select.poll()
        self._clock = SilenceClock(loop, self._silent)
        self._idle = 0.0  # seconds of silence allowed in mid-answer
        self._exchange: NativeExchange | None = None
        self._phase = _HEAD
        self._remaining = 0  # bytes of a body of known length
        self._chunked: ChunkedBody | None = None
        self._gathering: HeadBuffer | None = None  # where a head comes in pieces
        self._keep = False  # whether the answer lets the connection be used again …
        self._keep_for = 0.0  # … and within how many seconds
        self._bodiless = self._large = False
        self._unread = 0  # bytes that came since the reader took all
        self._paused = False
        self._lingering: asyncio.TimerHandle | None = None
        self._allowance = 0  # bytes that may still be thrown away while lingering

    # What the pool and the client call

    def watch(self, fileno: int) -> None:
        """Remember the socket, for `ready`."""
        self._poll.register(fileno, select.POLLIN)

    def secure(self, transport: asyncio.Transport | None) -> None:
        """From now on speak through TLS; None where the peer left in the handshake."""
        if transport is None:
            self.alive = False
        else:
            self._transport = transport

    def ready(self, now: float) -> bool:
        """Whether an idle connection can take a request: alive, not expired, and nothing came on it unasked."""
        return self.alive and now < self.expires and (now - self._clock.heard < _TRUSTED or not self._poll.poll(0))

    def begin(self, head: bytes, body: bytes, timeouts: Timeouts) -> NativeExchange:
        """Write a request; the exchange fills as its answer comes."""
        exchange = self._exchange = NativeExchange(self)
        self._phase = _HEAD
        self._idle = timeouts.idle
        first_byte = timeouts.first_byte
        if first_byte is not None:
            self._clock.heard = monotonic()
            self._clock.allow(first_byte)
        if not body:
            self._bodiless = head.startswith(b"HEAD ")
            end = b"\r\n" if head.startswith(_BODILESS_REQUESTS) else b"content-length: 0\r\n\r\n"
            self._transport.write(head + end)
        elif len(body) < LARGE:
            self._transport.write(b"%bcontent-length: %d\r\n\r\n%b" % (head, len(body), body))
        else:
            self._large = True
            self._transport.write(b"%bcontent-length: %d\r\n\r\n" % (head, len(body)))
            self._transport.write(body)
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
        self._unread = 0
        if self._paused:
            self._resume()

    def linger(self) -> None:
        """Wait a moment for the message's end, if the connection can be used after it."""
        if not self._keep:
            self.abort()
        elif self._lingering is None:
            self._clock.stop()  # no silence is too long, for the whole is short
            self._allowance = LINGER_BYTES
            self._lingering = self.loop.call_later(LINGER, self.abort)
            self.drained()

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio's: the connection is there, TLS still to come."""
        self._transport = cast(asyncio.Transport, transport)
        self.alive = True

    def data_received(self, data: bytes) -> None:
        """asyncio's: bytes have come."""
        exchange = self._exchange
        if exchange is None:  # bytes that nobody asked for
            self.abort()
            return
        self._clock.heard = monotonic()
        if exchange.sink is not None and self._chunked is not None:
            piece = self._chunked.one(data)
            if piece is not None:  # as of most tokens: the reader has it at once, and nothing is left to be seen to
                exchange.pour(piece)
                return
        if self._phase == _HEAD:
            rest = self._take_head(exchange, data)
            if rest is None:
                return
            data = rest
        if self._phase >= 0:
            self._take_measured(exchange, data)
        elif self._phase == CHUNKED:
            self._take_chunked(exchange, data)
        elif data:
            exchange.pieces.append(data)
        if self._exchange is not None:
            self._more_to_come(exchange, len(data))

    def eof_received(self) -> None:
        """asyncio's: the provider closed its side."""
        self._lost(None)
        self.abort()

    def connection_lost(self, error: Exception | None) -> None:
        """asyncio's: the socket is closed."""
        self.alive = False
        self._lost(error)
        self._clock.stop()
        self._owner.gone(self)

    # Reading

    def _take_head(self, exchange: NativeExchange, data: bytes) -> bytes | None:
        """Read the head; return what follows it, or None where there is nothing more to do with these bytes."""
        try:
            end = data.find(b"\r\n\r\n", 0, self._max_head) + 4 if self._gathering is None else 0
            if end >= 4:
                raw, rest = data[:end], data[end:]
                head = parse_head(raw, self._bodiless)
                if head.status < 200:
                    end = 0
            if end < 4:
                if self._gathering is None:
                    self._gathering = HeadBuffer(self._max_head)
                gathered = self._gathering.feed(data, self._bodiless)
                if gathered is None:
                    if self._clock.allowed != self._idle:
                        self._clock.allow(self._idle)
                    return None
                raw, head, rest = gathered
        except BadHead as error:
            self.fail(UpstreamError, f"{self.address} sent what is no HTTP/1.1 answer: {error}.")
            return None
        exchange.status = head.status
        exchange.raw_head = raw
        self._frame(exchange, head)
        return rest

    def _frame(self, exchange: NativeExchange, head: Head) -> None:
        """Prepare for the body that the head announces."""
        self._keep = head.keep
        self._keep_for = self._keepalive
        if head.keep_for is not None:
            # The provider closes after so long: be gone a second earlier.
            self._keep_for = min(self._keepalive, max(0, head.keep_for - 1))
        if head.coding is not None:
            exchange.inflater = Inflater(head.coding)
        self._phase = self._remaining = head.length
        if head.length == CHUNKED:
            self._chunked = ChunkedBody(exchange.pieces)
        elif head.length == UNTIL_CLOSE:
            exchange.until_close = True

    def _take_measured(self, exchange: NativeExchange, data: bytes) -> None:
        """Put bytes of a body of known length before the reader."""
        remaining = self._remaining = self._remaining - len(data)
        if remaining < 0:
            self._keep = False  # bytes follow the answer: whose would they be?
            data = data[:remaining]
        if data:
            exchange.pieces.append(data)
        if remaining <= 0:
            self._end(exchange)

    def _take_chunked(self, exchange: NativeExchange, data: bytes) -> None:
        chunked = cast(ChunkedBody, self._chunked)
        try:
            if data and chunked.feed(data):
                self._end(exchange)
        except BadChunk as error:
            if chunked.ended:
                self._keep = False
                self._end(exchange)
            else:
                self.fail(UpstreamError, f"{self.address} sent a malformed chunked body: {error}.")

    def _more_to_come(self, exchange: NativeExchange, size: int) -> None:
        if self._lingering is not None:
            exchange.pieces.clear()
            self._allowance -= size
            if self._allowance < 0:
                self.abort()
            return
        if self._clock.allowed != self._idle:
            self._clock.allow(self._idle)
        self._unread += size
        if self._unread > UNREAD and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        exchange.wake()

    def _end(self, exchange: NativeExchange) -> None:
        """The message has ended: the reader has all, the connection is free."""
        exchange.ended = True
        keep = self._keep
        if self._large and self._transport.get_write_buffer_size():
            keep = False  # answered before it had read the request: the rest of that must not be sent
        if self._lingering is not None:
            exchange.pieces.clear()
        self._detach()
        if keep and self.alive:
            if self._paused:
                self._resume()
            self.expires = self._clock.heard + self._keep_for
            self._owner.free(self)
        else:
            self.alive = False
            self._transport.abort()
        exchange.wake()

    def _detach(self) -> None:
        """Part from the exchange, and be as new."""
        exchange = self._exchange
        if exchange is None:
            return
        self._exchange = exchange.line = None
        self._chunked = self._gathering = self._clock.allowed = None
        self._bodiless = self._large = False
        self._unread = 0
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None

    def _lost(self, error: Exception | None) -> None:
        """No more bytes will come."""
        exchange = self._exchange
        if exchange is None:
            return
        why = f" ({type(error).__name__})" if error is not None else ""
        if self._phase == UNTIL_CLOSE and (error is None or exchange.status >= 400):
            # A refusal that comes while the request is still being sent is often followed by a reset.
            self._end(exchange)
        elif self._phase != _HEAD:
            self.fail(UpstreamError, f"{self.address} closed the connection in mid-answer{why}.")
        elif self._gathering is not None:
            self.fail(UpstreamError, f"{self.address} closed the connection in the middle of an answer's head{why}.")
        else:
            self.fail(
                UpstreamError,
                f"{self.address} closed the connection without an answer{why}; the request was not sent again, "
                "for it may have been carried out.",
            )

    def _resume(self) -> None:
        self._paused = False
        self._clock.heard = monotonic()  # the silence was the reader's
        if self.alive:
            self._transport.resume_reading()

    def _silent(self) -> None:
        """Nothing has come for as long as is allowed."""
        seconds = self._clock.allowed
        if self._exchange is None or seconds is None:
            return
        if self._paused:  # it is the reader who is slow
            self._clock.heard = monotonic()
        elif self._phase == _HEAD and self._gathering is None:
            self.fail(UpstreamTimeout, f"{self.address} did not begin to answer in {seconds:g} s (first_byte).")
        else:
            self.fail(UpstreamTimeout, f"{self.address} fell silent for {seconds:g} s in mid-answer (idle).")
