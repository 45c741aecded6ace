"""An upstream's event stream as the source of a Reply."""

from collections.abc import AsyncIterator, Callable

from gateway.providers.failures import from_event
from gateway.seam import Batch, GatewayError, UpstreamError
from gateway.upstream import Exchange
from gateway.wire.codec import Codec
from gateway.wire.sse import DONE, EventReader, StreamTooWide, find_event


class Events:
    """Batches of whole events. Raises where an event is an error, or where the end mark is missing.

    `mark` is how the event begins that ends the stream; `marked: False` is for a server that sends none: the message's
    own end then stands for it, where it has one. What came in front of an error, in the same read, is delivered first.
    """

    __slots__ = ("_codec", "_done", "_error", "_exchange", "_host", "_mark", "_marked", "_push", "_reader", "_refused")

    def __init__(self, exchange: Exchange, codec: Codec, host: str, mark: bytes = DONE, *, marked: bool = True) -> None:
        self._exchange = exchange
        self._codec = codec
        self._host = host
        self._mark = mark
        self._marked = marked
        self._reader = EventReader(mark=mark)
        self._error: GatewayError | None = None
        self._done = False
        self._push: Callable[[Batch], bool]  # while it flows …
        self._refused = False  # … and whether that wants no more for now

    def __aiter__(self) -> AsyncIterator[Batch]:
        return self

    async def __anext__(self) -> Batch:
        if self._error is not None:
            raise self._error
        if self._done:
            raise StopAsyncIteration
        while True:
            batch = self._batch(await self._exchange.read())
            if batch is not None:
                return batch
            if self._error is not None:
                raise self._error

    async def flow(self, push: Callable[[Batch], bool]) -> bool:
        """Hand batches to `push` as they come (see `Reply.flow`)."""
        self._push, self._refused, take = push, False, self._take
        try:
            while self._error is None and not self._done:
                ended = await self._exchange.flow(take)
                if ended and not self._done:
                    take(b"")
                if self._refused:
                    return False
        finally:
            del self._push  # it may know who reads this
        if self._error is not None:
            raise self._error
        return True

    def _take(self, data: bytes) -> bool:
        """Push what a read brought: one plain event, mostly, which is looked at no further."""
        if self._reader.one(data) and b'"error"' not in data:
            self._refused = not self._push(Batch(data, self._codec))
            return not self._refused
        batch = self._batch(data)
        self._refused = batch is not None and not self._push(batch)
        return not self._refused and self._error is None

    def _batch(self, data: bytes) -> Batch | None:
        """What a read brought (nothing: the body's end); None where that is no whole event in front of an error."""
        try:
            events = self._reader.feed(data) if data else self._reader.end() or self._end()
        except StreamTooWide as error:
            raise UpstreamError(f"{self._host}: {error}.") from error
        if events.endswith(self._mark):
            self._finish()
        elif self._mark in events:
            events = self._before_rest(events)
        if b'"error"' in events:
            events = self._before_error(events)
        if events:
            return Batch(events, self._codec)
        if not data and self._error is None:
            mark = self._mark.decode().strip()
            raise UpstreamError(f"{self._host} ended its stream without {mark}; the answer is cut.")
        return None

    def _end(self) -> bytes:
        # A body that only the connection's close ends may be cut without anybody's knowing.
        return DONE if not self._marked and not self._exchange.until_close else b""

    async def aclose(self) -> None:
        """Close the exchange: at once, where the stream is not over."""
        await self._exchange.aclose()

    def _before_error(self, events: bytes) -> bytes:
        """The events in front of one that is an error; all of them where none is."""
        start = 0
        while start < len(events):
            end = events.index(b"\n\n", start) + 2
            event = events[start:end]
            if b'"error"' in event and (source := self._codec.source(event)):
                self._error = from_event(self._host, source)
                if self._error is not None:
                    return events[:start]
            start = end
        return events

    def _finish(self) -> None:
        self._done = True
        self._exchange.finish()

    def _before_rest(self, events: bytes) -> bytes:
        """The events up to the end mark's. What comes behind it is nobody's."""
        start = find_event(events, self._mark)  # a comment may stand right before it
        if start < 0:
            return events  # the words stand inside a text
        self._finish()
        return events[: events.index(b"\n\n", start) + 2]
