"""One answer as the native client gives it."""

from asyncio import AbstractEventLoop, Future
from collections.abc import Callable
from typing import Protocol

from gateway.seam.errors import UpstreamError
from gateway.upstream.coding import BadCoding, Inflater
from gateway.upstream.failure import Failure
from gateway.upstream.head import parse_fields


class Line(Protocol):
    """The connection under an exchange, as far as the exchange goes."""

    loop: AbstractEventLoop
    address: str
    max_body: int

    def abort(self) -> None:
        """Close the connection at once."""

    def drained(self) -> None:
        """All that was unread has been read."""

    def linger(self) -> None:
        """Nothing more will be read: wait a moment for the message's end, then pool or close."""


class NativeExchange:
    """The reader's side of an answer; the connection fills it (see contract.Exchange).

    `line` is the connection until the message has ended or broken; from then on the connection serves others while
    what is left in `pieces` is read here.
    """

    __slots__ = (
        "__weakref__",
        "_address",
        "_headers",
        "_loop",
        "_max_body",
        "_refused",
        "_trouble",
        "ended",
        "failure",
        "finished",
        "inflater",
        "line",
        "pieces",
        "raw_head",
        "sink",
        "status",
        "until_close",
        "waiter",
    )

    def __init__(self, line: Line) -> None:
        self.line: Line | None = line
        self.pieces: list[bytes] = []
        self.sink: Callable[[bytes], bool] | None = None
        self.finished = self.ended = self.until_close = False
        self.failure: Failure | None = None
        self.waiter: Future[None] | None = None
        self.inflater: Inflater | None = None
        self.status = 0
        self.raw_head = b""
        self._refused = False  # the sink wants no more for now …
        self._trouble: BaseException | None = None  # … or has failed
        self._headers: list[tuple[bytes, bytes]] | None = None
        self._loop = line.loop
        self._address = line.address
        self._max_body = line.max_body

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """All headers in their order; names in lower case."""
        fields = self._headers
        if fields is None:
            fields = self._headers = parse_fields(self.raw_head)
        return fields

    def header(self, name: bytes) -> bytes | None:
        """The first value of the header `name` (lower case), or None."""
        for known, value in self.headers:
            if known == name:
                return value
        return None

    async def read(self) -> bytes:
        """All that has come since the last read, decoded; b"" at the clean end (see contract.Exchange)."""
        if self.inflater is not None:
            return await self._read_decoded(self.inflater)
        while not self.pieces:
            if self.finished or (self.ended and self.failure is None):
                return b""
            if self.failure is not None:
                raise self.failure.error()
            await self.arrival()
        return self._take()

    async def flow(self, push: Callable[[bytes], bool]) -> bool:
        """Hand bytes to `push` as they come (see contract.Exchange).

        They go there straight from the socket's callback: no task is woken for them, which halves what a piece costs.
        """
        while self.inflater is None:
            if self.pieces:
                if not push(self._take()):
                    return False
            elif self.finished or (self.ended and self.failure is None):
                return True
            elif self.failure is not None:
                raise self.failure.error()
            else:
                await self._poured(push)
                if self._refused:
                    return False
        while data := await self.read():
            if not push(data):
                return False
        return True

    async def _poured(self, push: Callable[[bytes], bool]) -> None:
        """Let `push` be called until it wants no more, or nothing more will come."""
        self.sink, self._refused = push, False
        try:
            await self.arrival()
        finally:
            self.sink = None
        trouble, self._trouble = self._trouble, None
        if trouble is not None:
            raise trouble

    async def whole(self) -> bytes:
        """The entire body (see contract.Exchange)."""
        limit = self._max_body
        if self.ended and self.inflater is None and self.failure is None:
            body = self._take() if self.pieces else b""
            if len(body) > limit:
                raise self._too_large()
            return body
        pieces: list[bytes] = []
        size = 0
        while piece := await self.read():
            size += len(piece)
            if size > limit:
                await self.aclose()
                raise self._too_large()
            pieces.append(piece)
        return b"".join(pieces)

    def finish(self) -> None:
        """Nothing more will be read (see contract.Exchange)."""
        self.finished = True
        self.pieces.clear()
        self.inflater = None
        if self.line is not None:
            self.line.linger()

    async def aclose(self) -> None:
        """End the exchange; before the body's end the connection is aborted at once (see contract.Exchange)."""
        self.close()

    def close(self) -> None:
        """`aclose`, for those who cannot await."""
        line = self.line
        if line is not None and not self.finished:
            line.abort()
            self.failure = Failure(UpstreamError, f"The answer of {self._address} was closed before its end.")
            self.wake()

    def wake(self) -> None:
        """The connection's call: something came, or nothing more will."""
        if self.sink is not None:
            if self.pieces:
                self.pour(self._take())
            if self.sink is not None and not self.ended and self.failure is None:
                return
            self.sink = None
        waiter = self.waiter
        if waiter is not None:
            self.waiter = None
            if not waiter.done():
                waiter.set_result(None)

    def pour(self, data: bytes) -> None:
        """Hand what came to the reader's function, which is there; no longer once it wants no more."""
        sink = self.sink
        assert sink is not None
        try:
            self._refused = not sink(data)
        except BaseException as error:  # its reader's to handle, not the event loop's
            self._trouble = error
            self._refused = True
        if self._refused or self.finished:
            self.sink = None  # what comes until its reader runs is kept
            self.wake()

    async def arrival(self) -> None:
        """Wait until the connection has something to tell. Whatever ends the wait instead, ends the connection."""
        waiter = self.waiter = self._loop.create_future()
        try:
            await waiter
        except BaseException:
            self.close()
            raise

    def _take(self) -> bytes:
        pieces = self.pieces
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        if self.line is not None:
            self.line.drained()
        return data

    async def _read_decoded(self, inflater: Inflater) -> bytes:
        try:
            while True:
                if inflater.waiting:
                    data = inflater.feed(b"")
                elif self.pieces:
                    data = inflater.feed(self._take())
                elif self.failure is not None:
                    raise self.failure.error()
                elif self.ended:
                    return inflater.drain()
                else:
                    await self.arrival()
                    continue
                if data:
                    return data
        except BadCoding as error:
            self.close()
            self.failure = Failure(UpstreamError, f"The answer of {self._address} does not decode: {error}.")
            self.pieces.clear()
            self.inflater = None
            raise self.failure.error() from None

    def _too_large(self) -> UpstreamError:
        return UpstreamError(
            f"The answer of {self._address} is larger than the {self._max_body} bytes that upstream.max_body allows.",
            retryable=False,
        )
