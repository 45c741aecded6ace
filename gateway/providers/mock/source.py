"""A stream as it passes in time: batches, waits between them, and the failure that may end it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import chain, islice
from typing import NamedTuple

from gateway.providers.mock.chat_shape import Shape
from gateway.providers.mock.failures import Planned
from gateway.seam import Batch
from gateway.wire.chat import CHAT_EVENT

BATCH_BYTES = 64 * 1024
"""About how much one batch holds where nothing is paced."""


class Pace(NamedTuple):
    """How long a model takes, in seconds: until its first token, and for each."""

    first_token: float = 0.0
    token: float = 0.0


class Step(NamedTuple):
    """What a stream does next: wait (None: for ever), then bring these bytes."""

    wait: float | None
    raw: bytes


def steps(shape: Shape, pace: Pace, failure: Planned | None) -> Iterator[Step]:
    """A stream from its first event to its end. Raises what the failure says."""
    content = shape.content() if failure is None else _first(shape.content(), failure.after)
    closing = shape.closing() if failure is None else []
    if pace == (0.0, 0.0):
        yield from _at_once(chain((shape.opening(),), content, (closing,)))
    else:
        yield Step(0.0, b"".join(shape.opening()))
        wait = pace.first_token + pace.token
        for event in chain.from_iterable(content):
            yield Step(wait, event)
            wait = pace.token
        for event in closing:
            yield Step(0.0, event)
    if failure is not None:
        if failure.error is not None:
            raise failure.error
        yield Step(None, b"")


def _at_once(blocks: Iterator[list[bytes]]) -> Iterator[Step]:
    held: list[bytes] = []
    size = 0
    for block in blocks:
        held += block
        size += len(block) * len(block[0]) if block else 0
        if size >= BATCH_BYTES:
            yield Step(0.0, b"".join(held))
            held, size = [], 0
    if held:
        yield Step(0.0, b"".join(held))


def _first(blocks: Iterator[list[bytes]], events: int) -> Iterator[list[bytes]]:
    """The first so many events."""
    yield list(islice(chain.from_iterable(blocks), events))


class Source:
    """The source of a Reply. `opened` is told +1 when it begins and -1, once, when it is read, broken or closed."""

    __slots__ = ("_closed", "_opened", "_steps", "_waiting")

    def __init__(self, steps: Iterator[Step], opened: Callable[[int], None]) -> None:
        self._steps = steps
        self._opened = opened
        self._closed = False
        self._waiting: asyncio.Future[None] | None = None
        opened(1)

    def __aiter__(self) -> AsyncIterator[Batch]:
        return self

    async def __anext__(self) -> Batch:
        if self._closed:
            raise StopAsyncIteration
        try:
            step = next(self._steps)
            if step.wait != 0:
                await self._wait(step.wait)
                if self._closed:
                    raise StopAsyncIteration
        except StopIteration:
            self._close()
            raise StopAsyncIteration from None
        except BaseException:
            self._close()
            raise
        return Batch(step.raw, CHAT_EVENT)

    async def aclose(self) -> None:
        """End it now; a read that waits ends too."""
        self._close()

    async def _wait(self, seconds: float | None) -> None:
        loop = asyncio.get_running_loop()
        self._waiting = loop.create_future()
        timer = None if seconds is None else loop.call_later(seconds, _wake, self._waiting)
        try:
            await self._waiting
        finally:
            self._waiting = None
            if timer is not None:
                timer.cancel()

    def _close(self) -> None:
        if not self._closed:
            self._closed = True
            self._opened(-1)
            if self._waiting is not None:
                _wake(self._waiting)


def _wake(waiting: "asyncio.Future[None]") -> None:
    if not waiting.done():
        waiting.set_result(None)
