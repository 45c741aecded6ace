"""A time limit on what this task awaits, that leaves nothing orphaned."""

import asyncio
from types import TracebackType

from gateway.seam import UpstreamTimeout


class Patience:
    """Within it, the task is cancelled after `seconds`, and `UpstreamTimeout` raised in place of the cancellation.

    The handler runs in this very task, so that either it has returned its Reply before the timer fires, or it is
    unwound by the cancellation: a Reply that nobody holds cannot come of it (as it can of `asyncio.wait_for`).
    """

    __slots__ = ("_expired", "_reason", "_task", "_timer", "_what")

    def __init__(self, seconds: float, what: str) -> None:
        self._what = what
        self._reason: UpstreamTimeout | None = None
        self._task: asyncio.Task[object] | None = asyncio.current_task()
        self._timer: asyncio.TimerHandle | None = asyncio.get_running_loop().call_later(seconds, self._expire, seconds)

    def _expire(self, seconds: float) -> None:
        self._reason = UpstreamTimeout(f"The provider took longer than {seconds:g} s: {self._what}.")
        if self._task is not None:
            self._task.cancel(self._reason)

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task, timer, self._task, self._timer = self._task, self._timer, None, None
        if timer is not None:
            timer.cancel()
        if self._reason is None or task is None:
            return
        # Only our own cancellation is answered; a client that left at the same moment still counts.
        if task.uncancel() == 0 and isinstance(error, asyncio.CancelledError):
            raise self._reason from None
