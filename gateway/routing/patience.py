"""A time limit on what a task awaits, that leaves nothing orphaned."""

import asyncio
from types import TracebackType

from gateway.seam import Call, GatewayError, Timeouts, UpstreamTimeout


class Patience:
    """One limit, in seconds, that many calls share; `what` names it to the client.

    All its waits are equally long, so they expire in the order in which they began: one timer serves them all, and a
    call that is quick costs two look-ups in a dictionary. (A timer of its own would cost it three microseconds.)
    """

    def __init__(self, seconds: float, what: str = "") -> None:
        self.seconds = seconds
        self._what = what
        self._waits: dict[Wait, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def limit(self) -> "Wait":
        """A wait of this task that begins now, as a context manager."""
        return Wait(self)

    def reason(self) -> GatewayError:
        """What is raised where the limit is reached."""
        return UpstreamTimeout(f"The provider took longer than {self.seconds:g} s: {self._what}.")

    def begin(self, wait: "Wait") -> None:
        """A wait begins."""
        loop = asyncio.get_running_loop()
        self._waits[wait] = loop.time() + self.seconds
        if self._timer is None:
            self._timer = loop.call_later(self.seconds, self._expire)

    def end(self, wait: "Wait") -> None:
        """A wait is over."""
        self._waits.pop(wait, None)

    def _expire(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        now = loop.time()
        for wait, until in list(self._waits.items()):
            if until > now + 0.001:
                self._timer = loop.call_later(until - now, self._expire)
                return
            del self._waits[wait]
            wait.expire(self.reason())


class DeadlineExceeded(UpstreamTimeout):
    """The time that the caller gave is over: no fault of the target that was asked last."""

    def __init__(self, message: str) -> None:
        super().__init__(message, retryable=False)


class Deadline(Patience):
    """What is left of the time for all tries of a call, where that is less than one try may take."""

    def reason(self) -> GatewayError:
        """What is raised where the limit is reached."""
        return DeadlineExceeded(f"No answer came within the time that was left for it: {self._what}.")


class Waits:
    """The limits of one set of timeouts, shared by all that have those timeouts."""

    def __init__(self, timeouts: Timeouts) -> None:
        first, what = "timeout.first_token", "the wait for a stream's first content"
        if timeouts.total <= timeouts.first_token:
            first = "timeout.total"
        self.whole = Patience(timeouts.total, "timeout.total, the time for a whole answer")
        self.content = Patience(min(timeouts.first_token, timeouts.total), f"{first}, {what}")
        self.total = timeouts.total

    def of(self, call: Call, deadline: float | None, now: float) -> Patience:
        """How long a try may take that begins now, before there is any content: no longer than until the deadline."""
        patience = self.content if call.request.stream else self.whole
        if deadline is not None and deadline - now < patience.seconds:
            what = "the call's own deadline" if deadline == call.deadline else "timeout.total, which bounds all tries"
            return Deadline(max(deadline - now, 0.0), what)
        return patience


class Wait:
    """Within it, the task is cancelled when the limit is reached, and the limit's reason raised in its place.

    What is awaited runs in this very task, so that either it has returned before the timer fires, or it is unwound by
    the cancellation: a Reply that nobody holds cannot come of it (as it can of `asyncio.wait_for`).
    """

    __slots__ = ("_patience", "_reason", "_task")

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._reason: GatewayError | None = None
        self._task: asyncio.Task[object] | None = None

    def expire(self, reason: GatewayError) -> None:
        """The limit is reached."""
        self._reason = reason
        if self._task is not None:
            self._task.cancel(reason)

    def pause(self) -> None:
        """The time from now on does not count."""
        self._patience.end(self)

    def resume(self) -> None:
        """The limit begins anew."""
        if self._reason is None:
            self._patience.begin(self)

    def __enter__(self) -> None:
        self._task = asyncio.current_task()
        self._patience.begin(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._patience.end(self)
        task, self._task = self._task, None
        if self._reason is not None and task is not None:
            # Only our own cancellation is answered; a client that left at the same moment still counts.
            ours = task.uncancel() == 0
            if ours and isinstance(error, asyncio.CancelledError):
                raise self._reason from None
