"""How a run is ended from outside: by whoever cancels it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from types import TracebackType

from gateway.seam import Batch, GatewayError, Reply
from gateway.seam.reply import flow


class RunCancelled(GatewayError):
    """What the caller of a run reads that somebody cancelled."""

    status, type, code = 409, "invalid_request_error", "run_cancelled"

    def __init__(self, run: str) -> None:
        super().__init__(f"The run {run} was cancelled.", retryable=False)


class Stop:
    """A context manager: within it, the task is cancelled when the run is, and the reason raised in its place.

    Whoever works for the run enters it for as long as it awaits; between two stretches, `close` closes what the run
    holds open, and the next stretch raises at once.
    """

    __slots__ = ("_run", "_task", "asked", "close")

    def __init__(self, run: str) -> None:
        self._run = run
        self._task: asyncio.Task[object] | None = None
        self.asked = False
        """Whether the run was cancelled."""
        self.close: Callable[[], None] | None = None

    def ask(self) -> None:
        """End the run; a second time does nothing."""
        if self.asked:
            return
        self.asked = True
        if self._task is not None:
            self._task.cancel(RunCancelled(self._run))
        elif self.close is not None:
            self.close()

    def __enter__(self) -> None:
        if self.asked:
            raise RunCancelled(self._run)
        self._task = asyncio.current_task()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        if self.asked and task is not None:
            # Only our own cancellation is answered; a client that left at the same moment still counts.
            ours = task.uncancel() == 0
            if ours and isinstance(error, asyncio.CancelledError):
                raise RunCancelled(self._run) from None


class Stoppable:
    """A source: the batches of a run's answer, as long as nobody cancels the run.

    `closed` is called where it was cancelled, and its answer closed, while nobody read.
    """

    __slots__ = ("_closed", "_reply", "_stop")

    def __init__(self, reply: Reply, stop: Stop, closed: Callable[[], None]) -> None:
        self._reply = reply
        self._stop = stop
        self._closed = closed
        stop.close = self._close

    def __aiter__(self) -> AsyncIterator[Batch]:
        return self

    async def __anext__(self) -> Batch:
        with self._stop:
            return await self._reply.__anext__()

    async def flow(self, push: Callable[[Batch], bool]) -> bool:
        """Hand batches to `push` as they come (see `Reply.flow`)."""
        with self._stop:
            return await flow(self._reply, push)

    async def aclose(self) -> None:
        """Close the answer."""
        await self._reply.aclose()

    def _close(self) -> None:
        self._reply.call.tasks.settle(self._close_unread())

    async def _close_unread(self) -> None:
        await self._reply.aclose()
        self._closed()
