"""Many small questions as few large ones: whoever asks while one is under way shares the next."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from gateway.seam import Tasks, Unavailable

K = TypeVar("K")
V = TypeVar("V")


class Batches(Generic[K, V]):
    """Gives what is asked within the same moment to `work` at once, at most `most` together."""

    def __init__(self, tasks: Tasks, work: Callable[[list[K]], Awaitable[Sequence[V]]], most: int = 100) -> None:
        self._tasks = tasks
        self._work = work
        self._most = most
        self._waiting: list[tuple[K, asyncio.Future[V]]] = []
        self._running = False

    async def ask(self, key: K) -> V:
        """What `work` has for this key. Raises what it raises."""
        answer: asyncio.Future[V] = asyncio.get_running_loop().create_future()
        self._waiting.append((key, answer))
        if not self._running:
            self._running = True
            self._tasks.spawn(self._run())
        return await answer

    async def _run(self) -> None:
        batch: list[tuple[K, asyncio.Future[V]]] = []
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
                await self._answer(batch)
        finally:
            self._running = False
            for _, answer in (*batch, *self._waiting):  # it was cancelled: whoever waits must not wait for ever
                if not answer.done():
                    answer.set_exception(Unavailable("The gateway is shutting down."))
            self._waiting = []

    async def _answer(self, batch: list[tuple[K, "asyncio.Future[V]"]]) -> None:
        try:
            values = await self._work([key for key, _ in batch])
        except Exception as error:
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(error)
            return
        for (_, answer), value in zip(batch, values, strict=True):
            if not answer.done():
                answer.set_result(value)
