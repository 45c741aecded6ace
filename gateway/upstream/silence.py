"""How long a provider may say nothing."""

import asyncio
from collections.abc import Callable
from time import monotonic

_SLACK = 0.001  # seconds: event loops' clocks are no finer


class SilenceClock:
    """Calls back when nothing has been heard for the seconds that are allowed.

    Who hears something sets `heard` to the time, and that is all: the timer looks at it when it fires, and arms itself
    again. One that fires early enough is left alone, so that answers which end in time pay for no timer.
    """

    __slots__ = ("_due", "_loop", "_on_silence", "_timer", "allowed", "heard")

    def __init__(self, loop: asyncio.AbstractEventLoop, on_silence: Callable[[], None]) -> None:
        self.allowed: float | None = None  # seconds; None: any silence
        self.heard = 0.0
        self._loop = loop
        self._on_silence = on_silence
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0

    def allow(self, seconds: float) -> None:
        """Allow `seconds` of silence after `heard` from now on."""
        self.allowed = seconds
        due = self.heard + seconds
        if self._timer is not None:
            if self._due <= due + _SLACK:
                return
            self._timer.cancel()
        self._due = due
        self._timer = self._loop.call_later(max(0.0, due - monotonic()), self._fire)

    def stop(self) -> None:
        """Disarm the timer."""
        self.allowed = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fire(self) -> None:
        self._timer = None
        if self.allowed is None:
            return
        if monotonic() < self.heard + self.allowed - _SLACK:
            self.allow(self.allowed)
        else:
            self._on_silence()
            # The callback may have found that the silence was ours; then it set `heard`.
            if self.allowed is not None and self._timer is None:
                self.allow(self.allowed)
