"""A circuit breaker: a target that fails is put to rest, and comes back by way of one call that is let through.

Closed → open → half-open → closed (https://martinfowler.com/bliki/CircuitBreaker.html). A pure state machine: whoever
uses it says what time it is.
"""

from collections.abc import Callable
from enum import StrEnum

from gateway.config.routing import Breaker as BreakerSettings
from gateway.routing.window import Window

_LEAST = 0.1
"""The share with which a target begins that comes back."""


class State(StrEnum):
    """What a breaker does with calls."""

    CLOSED = "closed"
    """They pass, and are counted."""
    OPEN = "open"
    """The target rests."""
    HALF_OPEN = "half_open"
    """One call is under way that tells whether the target is back."""


Changed = Callable[[State, float], None]
"""Told of each change that a breaker makes by itself: the state, and until when it rests (0 unless open)."""


class Breaker:
    """The state of one target. All times are seconds of one clock that never falls back.

    Each call that is sent takes a ticket (`enter`) and gives it back once, by `succeeded`, `failed` or `left`. A ticket
    of a state that is over says nothing: what was sent before a rest began is no news at its end.
    """

    __slots__ = (
        "_rests",
        "_row",
        "_ticket",
        "_trials",
        "_window",
        "changed",
        "settings",
        "state",
        "steady",
        "until",
        "warm_from",
    )

    def __init__(self, settings: BreakerSettings, changed: Changed | None = None) -> None:
        self.settings = settings
        self.changed = changed
        self.state = State.CLOSED
        self.until = 0.0
        """When the rest ends, or ended."""
        self.warm_from = -1.0
        """When the target came back, while its share still grows; else -1."""
        self.steady = True
        """Whether the target takes its whole share: closed, and not just back."""
        self._window = Window(settings.window)
        self._row = 0
        self._rests = 0
        self._trials = 0
        self._ticket = 0

    # ---- before a call

    def available(self, now: float) -> bool:
        """Whether a call may be sent: to a closed one, or as the one call that ends a rest."""
        return self.state is State.CLOSED or (self.state is State.OPEN and now >= self.until)

    def share(self, now: float) -> float:
        """What part of its calls the target takes, from a tenth when it came back to 1."""
        if self.warm_from < 0:
            return 1.0
        passed = now - self.warm_from
        if passed >= self.settings.slow_start:
            self.warm_from = -1.0
            self.steady = True
            return 1.0
        return max(_LEAST, passed / self.settings.slow_start)

    def enter(self, now: float) -> int:
        """A call is sent, whatever the state: the first one after a rest is its trial. Returns the ticket.

        One that is sent while the target rests can end the rest by its success, and cannot make it longer.
        """
        if self.state is State.OPEN and now >= self.until:
            self._trials = 0
            self._become(State.HALF_OPEN)
        if self.state is State.HALF_OPEN:
            self._trials += 1
        return self._ticket

    # ---- after it

    def succeeded(self, ticket: int, now: float, seconds: float = 0.0) -> None:
        """The target answered, after so many seconds."""
        if ticket != self._ticket:
            return
        slow = self.settings.slow
        if slow is not None and seconds > slow:
            self.failed(ticket, now)
        elif self.state is State.CLOSED:
            self._row = 0
            self._window.add(now)
        else:
            self._close(now)

    def failed(self, ticket: int, now: float, asked: float | None = None) -> None:
        """The target failed. `asked` is for how many seconds it wants to be left alone, where it said so."""
        if self.state is State.OPEN:
            if asked is not None:
                self.until = max(self.until, now + min(asked, self.settings.max_rest))
        elif ticket == self._ticket:
            if self.state is State.HALF_OPEN:
                self._open(now, asked)
            else:
                self._count(now, 1, asked)

    def broke(self, ticket: int, now: float) -> None:
        """An answer that had `succeeded` broke off later."""
        if ticket == self._ticket and self.state is State.CLOSED:
            self._count(now, 0, None)

    def left(self, ticket: int) -> None:
        """The call ended without telling anything of the target: its caller left, or was in the wrong."""
        if ticket == self._ticket and self.state is State.HALF_OPEN:
            self._trials -= 1
            if self._trials == 0:
                self._become(State.OPEN)  # the next call may be the trial

    # ---- from elsewhere

    def rest(self, until: float) -> None:
        """Rest until then: another process has learnt it. Nobody is told."""
        if self.state is State.OPEN:
            self.until = max(self.until, until)
        else:
            self.until = until
            self._become(State.OPEN, tell=False)

    # ---- inside

    def _count(self, now: float, calls: int, asked: float | None) -> None:
        self._row += 1
        window, settings = self._window, self.settings
        window.add(now, calls, 1)
        often = window.all >= settings.min_calls and window.marked >= settings.failure_rate * window.all
        if asked is not None or often or self._row >= settings.consecutive:
            self._open(now, asked)

    def _open(self, now: float, asked: float | None) -> None:
        settings = self.settings
        seconds = min(settings.rest * 2.0 ** min(self._rests, 30), settings.max_rest)
        if asked is not None:
            seconds = min(asked, settings.max_rest)
        else:
            self._rests += 1
        self.until = now + seconds
        self._become(State.OPEN)

    def _close(self, now: float) -> None:
        self._rests = self._row = 0
        self._window.clear()
        self._become(State.CLOSED)
        if self.settings.slow_start > 0:
            self.warm_from = now
            self.steady = False

    def _become(self, state: State, *, tell: bool = True) -> None:
        self.state = state
        self.steady = state is State.CLOSED
        self.warm_from = -1.0
        self._ticket += 1
        if tell and self.changed is not None:
            self.changed(state, self.until if state is State.OPEN else 0.0)
