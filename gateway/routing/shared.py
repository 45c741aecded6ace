"""What one process learns of a target, all know: its rests are told over the hot state."""

import asyncio
from collections.abc import Callable, Collection
from typing import NamedTuple

import msgspec

from gateway.seam import Hot, Tasks

_CHANNEL = "rests"
_LONGEST = 3600.0
"""Seconds; a rest that others tell of is taken for no longer."""
_LARGEST = 2048
"""Bytes of a message."""


class _Rest(NamedTuple):
    target: str
    seconds: float
    """What is left of it: clocks of hosts differ."""
    why: str


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Rest).decode
Rest = Callable[[str, float, str], None]
"""Puts a target to rest: `provider/model`, for how many seconds, and why. What it does must not be told again."""


class SharedRests:
    """Tells the rests of this process's targets, and hears those of all others, within milliseconds.

    Each rest is also kept for as long as it lasts: who starts, or could not hear for a while, reads what rests now.
    Only `targets` are spoken of.
    """

    def __init__(self, hot: Hot, tasks: Tasks, targets: Collection[str], rest: Rest) -> None:
        self._hot = hot
        self._tasks = tasks
        self._targets = targets
        self._rest = rest
        self._told: dict[str, tuple[float, str]] = {}

    def start(self) -> None:
        """Begin to hear."""
        self._hot.subscribe(_CHANNEL, self._hear, self._joined)

    def tell(self, target: str, seconds: float, why: str = "") -> None:
        """Tell that this process has put a target to rest. Never blocks, never raises."""
        if target in self._targets and seconds > 0:
            seconds, why = min(seconds, _LONGEST), why[:200]
            self._told[target] = asyncio.get_running_loop().time() + seconds, why
            self._hot.publish(_CHANNEL, _encode(_Rest(target, seconds, why)))
            self._tasks.settle(self._hot.set(_key(target), why.encode(), seconds))

    def _hear(self, message: bytes) -> None:
        if len(message) > _LARGEST:
            return
        try:
            rest = _decode(message)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return  # of a process of another version
        if rest.target in self._targets and rest.seconds > 0:  # and is a number
            self._rest(rest.target, min(rest.seconds, _LONGEST), rest.why[:200])

    def _joined(self) -> None:
        now = asyncio.get_running_loop().time()
        told, self._told = self._told, {}
        for target, (until, why) in told.items():
            self.tell(target, until - now, why)
        self._tasks.settle(self._read())

    async def _read(self) -> None:
        for target in self._targets:  # one after the other: at a start there is time, and each call has a deadline
            left = await self._hot.left(_key(target))
            if left is not None and left > 0:
                self._rest(target, min(left, _LONGEST), "told by another process")


def _key(target: str) -> str:
    return f"rest:{target}"
