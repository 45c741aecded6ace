"""How many calls the gateway may make beyond those that it was asked for."""

from gateway.routing.window import Window

SECONDS = 10.0
RESERVE = 100
"""Tries that any window of ten seconds may hold, whatever came in: ten a second."""


class RetryBudget:
    """Lets a part of the last ten seconds' requests be tried again, and ten a second beside, so that an outage is not
    multiplied by retries.

    After Finagle's RetryBudget (https://twitter.github.io/finagle/guide/Clients.html#retries).
    """

    __slots__ = ("_share", "_window")

    def __init__(self, share: float) -> None:
        self._share = share
        self._window = Window(SECONDS)

    def earn(self, now: float) -> None:
        """A request has come."""
        self._window.add(now)

    def spend(self, now: float) -> bool:
        """Whether a call may be tried again now; if so, it is counted."""
        window = self._window
        window.move(now)
        if window.marked + 1 > window.all * self._share + RESERVE:
            return False
        window.add(now, 0, 1)
        return True


class Allowance:
    """Lets so many in a hundred have something extra, never more: each request saves up its share."""

    __slots__ = ("_saved", "_share")

    most = 10.0
    """What is saved at most: a long quiet time does not pay for a burst."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._saved = 0.0

    def earn(self) -> None:
        """A request has come."""
        self._saved = min(self.most, self._saved + self._share)

    def spend(self) -> bool:
        """Whether one may have it now; if so, it is counted."""
        if self._saved < 1 - 1e-9:  # twenty times a twentieth is a little less than one
            return False
        self._saved -= 1
        return True
