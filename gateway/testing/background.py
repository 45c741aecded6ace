"""An event loop in a thread of its own, so that synchronous and asynchronous tests can speak to real servers."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

import uvloop

T = TypeVar("T")


class Background:
    """A running loop. Leaving it stops the loop; whatever still runs in it is cancelled."""

    def __init__(self) -> None:
        self._ready = threading.Event()
        self._stop: asyncio.Event
        self.loop: asyncio.AbstractEventLoop
        self._thread = threading.Thread(target=self._work, name="background-loop", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def run(self, work: Coroutine[Any, Any, T], seconds: float = 30) -> T:
        """Run a coroutine there, and wait for what it returns."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(seconds)

    def call(self, function: Callable[[], T], seconds: float = 30) -> T:
        """Call a function there, and wait for what it returns."""

        async def work() -> T:
            return function()

        return self.run(work(), seconds)

    def until(self, true: Callable[[], bool], seconds: float = 30) -> None:
        """Wait until something is so in that loop. Raises TimeoutError where it does not come to be."""

        async def work() -> None:
            async with asyncio.timeout(seconds):
                while not true():  # noqa: ASYNC110 (what is waited for tells nobody)
                    await asyncio.sleep(0.005)

        self.run(work(), seconds + 5)

    def _work(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._main())

    async def _main(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._ready.set()
        await self._stop.wait()
