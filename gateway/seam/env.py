"""What a component is given when it starts: no globals."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gateway.seam.estimates import Estimates
from gateway.seam.hot import Hot
from gateway.seam.http import Http
from gateway.seam.threads import Threads

if TYPE_CHECKING:
    from gateway.seam.protocols import Handler


class Tasks:
    """The one place where tasks start, so that each has an owner and none vanishes in mid-flight."""

    def __init__(self, log: logging.Logger) -> None:
        self._live: set[asyncio.Task[Any]] = set()
        self._log = log

    def __len__(self) -> int:
        return len(self._live)

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start a task. What it raises is logged; whoever wants the result awaits the task."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._live.add(task)
        task.add_done_callback(self._over)
        return task

    def settle(self, awaitable: Awaitable[Any]) -> None:
        """Let something finish on its own: nobody waits for it, and a client that leaves does not cancel it."""
        self.spawn(_await(awaitable))

    async def drain(self, seconds: float | None = None) -> None:
        """Wait until all tasks are over, those too that others start meanwhile.

        What is not over within `seconds` is cancelled, and the log told; what will not be cancelled is left alone.
        """
        loop = asyncio.get_running_loop()
        until = None if seconds is None else loop.time() + seconds
        while self._live:
            await asyncio.wait(self._live, timeout=None if until is None else max(0.0, until - loop.time()))
            if until is not None and self._live and loop.time() >= until:
                self._log.warning("%d background tasks did not end within %g s", len(self._live), seconds)
                for task in self._live:
                    task.cancel()
                await asyncio.wait(self._live, timeout=1)
                return

    def _over(self, task: asyncio.Task[Any]) -> None:
        self._live.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("a background task failed", exc_info=error)


async def _await(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


@dataclass
class Env:
    """What components may use.

    `http` is a client for plain requests, `run` the dispatcher (a step's way to call a model), `clock` a
    monotonic clock in seconds, `metrics` the Prometheus registry, `estimates` what is known of tokens before a call.
    `tasks` is where tasks start, `threads` where synchronous code runs that may block. `hot` is what
    processes share and may be lost: counters, small values, messages.
    """

    http: Http
    metrics: Any
    log: logging.Logger = field(default_factory=lambda: logging.getLogger("gateway"))
    clock: Callable[[], float] = field(default=lambda: asyncio.get_running_loop().time())
    thread_count: int = 16
    estimates: Estimates = field(default_factory=Estimates)
    tasks: Tasks = field(init=False)
    threads: Threads = field(init=False)
    hot: Hot = field(init=False)
    run: "Handler" = field(init=False)

    def __post_init__(self) -> None:
        self.tasks = Tasks(self.log)
        self.threads = Threads(self.thread_count, self.log)
