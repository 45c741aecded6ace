"""Work that runs at the same time, each in a task of its own, and none of it beyond its end."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, NamedTuple, Self

from gateway.seam import Tasks, Unavailable

Begin = Callable[[], Awaitable[Any]]


class Done(NamedTuple):
    """How one of the works has ended."""

    key: Any
    result: Any
    error: Exception | None

    def value(self) -> Any:
        """What it returned. Raises what it raised."""
        if self.error is not None:
            raise self.error
        return self.result


class Group:
    """An async context manager, and an async iterator of what is done, in the order in which it ends.

    At most `most` run at one time. When it is left, what still runs is cancelled, and has ended.
    """

    def __init__(self, tasks: Tasks, most: int | None = None) -> None:
        self._tasks = tasks
        self._most = most
        self._waiting: deque[tuple[Any, Begin]] = deque()
        self._running: set[asyncio.Task[None]] = set()
        self._done: deque[Done] = deque()
        self._wake: asyncio.Future[None] | None = None

    def add(self, key: Any, begin: Begin) -> None:
        """Run what `begin` starts, as soon as there is room."""
        self._waiting.append((key, begin))
        self._fill()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._waiting.clear()
        for task in self._running:
            task.cancel()
        if self._running:
            await asyncio.wait(self._running)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Done:
        while not self._done:
            if not self._running:
                raise StopAsyncIteration
            self._wake = asyncio.get_running_loop().create_future()
            await self._wake
        return self._done.popleft()

    def _fill(self) -> None:
        while self._waiting and (self._most is None or len(self._running) < self._most):
            task = self._tasks.spawn(self._work(*self._waiting.popleft()))
            self._running.add(task)
            task.add_done_callback(self._over)

    async def _work(self, key: Any, begin: Begin) -> None:
        try:
            done = Done(key, await begin(), None)
        except Exception as error:
            done = Done(key, None, error)
        except asyncio.CancelledError:
            # Where nobody has left the group, the gateway is shutting down: whoever waits must not wait for ever.
            self._done.append(Done(key, None, Unavailable("The gateway is shutting down.")))
            raise
        self._done.append(done)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._fill()
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)
