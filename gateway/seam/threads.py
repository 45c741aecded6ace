"""Where synchronous code runs that may block: in a few threads, never in the loop."""

import asyncio
import logging
import queue
import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import Any, TypeVar

T = TypeVar("T")


class Threads:
    """At most `size` threads, made when first needed; whoever finds all of them busy waits its turn."""

    def __init__(self, size: int, log: logging.Logger) -> None:
        self.size = size
        self._log = log
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._jobs: set[_Job] = set()
        self._threads = 0
        self._drained: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        return len(self._jobs)

    async def run(self, function: Callable[..., T], *args: Any) -> T:
        """What `function(*args)` returns or raises.

        Cancelled while it waits, it never runs. Cancelled while it runs, it runs to its end, since a thread cannot be
        stopped, and what it brings is dropped.
        """
        job = _Job(self, function, args)
        self._jobs.add(job)
        self._queue.put(job)
        if self._threads < min(self.size, len(self._jobs)):
            self._threads += 1
            # Daemons: a function that never returns must not keep the process from ending.
            threading.Thread(target=_work, args=(self._queue,), name="gateway-thread", daemon=True).start()
        result: T = await job.result
        return result

    async def drain(self, seconds: float) -> None:
        """Wait until nothing runs or waits; at most so long, since a function may never return."""
        if self._jobs:
            self._drained = asyncio.get_running_loop().create_future()
            await asyncio.wait((self._drained,), timeout=seconds)
        if self._jobs:
            names = ", ".join(sorted({job.name for job in self._jobs}))
            self._log.warning("functions that still run in threads are left alone: %s", names)

    def close(self) -> None:
        """Let the threads end, each after what it runs."""
        for _ in range(self._threads):
            self._queue.put(None)
        self._threads = 0

    def over(self, job: "_Job") -> None:
        """A job is done with."""
        self._jobs.discard(job)
        if not self._jobs and self._drained is not None and not self._drained.done():
            self._drained.set_result(None)


class _Job:
    """One function on its way through a thread and back."""

    def __init__(self, owner: Threads, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.name: str = getattr(function, "__qualname__", repr(function))
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self.result: asyncio.Future[Any] = self._loop.create_future()
        self._work = copy_context().run, function, args

    def run(self) -> None:
        """In the thread: do the work, unless nobody wants it any more."""
        value: Any = None
        error: BaseException | None = None
        if not self.result.cancelled():
            run, function, args = self._work
            try:
                value = run(function, *args)
            except StopIteration as stop:  # a future cannot carry it
                error = RuntimeError(f"{self.name} raised StopIteration")
                error.__cause__ = stop
            except BaseException as raised:
                error = raised
        try:
            self._loop.call_soon_threadsafe(self._finish, value, error)
        except RuntimeError:  # the loop has closed: nobody is left to tell
            pass

    def _finish(self, value: Any, error: BaseException | None) -> None:
        self._owner.over(self)
        if self.result.done():
            return
        if error is None:
            self.result.set_result(value)
        else:
            self.result.set_exception(error)


def _work(jobs: "queue.SimpleQueue[_Job | None]") -> None:
    while (job := jobs.get()) is not None:
        job.run()
        del job  # it must not outlive its turn here, while the thread waits for the next
