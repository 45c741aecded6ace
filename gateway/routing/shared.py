"""What one process learns of a target, all know: its rests are told over the hot state."""

import asyncio
import os
from collections.abc import Callable, Collection
from typing import NamedTuple

import msgspec

from gateway.seam import Hot, Tasks

_CHANNEL = "rests"
_LONGEST = 3600.0
"""Seconds; a rest that others tell of is taken for no longer."""
_LARGEST = 2048
"""Bytes of a message."""
_CAUSE = 200
"""Characters of a cause."""


class _Rest(NamedTuple):
    sender: bytes
    target: str
    seconds: float
    """What is left of it: clocks of hosts differ."""
    why: str


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Rest).decode
Rest = Callable[[str, float, str], None]
"""Puts a target to rest: `provider/model`, for how many seconds, and why. What it does is not told again."""


class SharedRests:
    """Tells the rests of this process's targets, and hears those of all others.

    Each rest is also kept for as long as it lasts: who starts, or could not hear for a while, reads what rests now.
    Only `targets` are spoken of, and `rest` is never called for what this process has told.
    """

    def __init__(self, hot: Hot, tasks: Tasks, targets: Collection[str], rest: Rest) -> None:
        self._hot = hot
        self._tasks = tasks
        self._targets = targets
        self._rest = rest
        self._me = os.urandom(8)
        self._told: dict[str, tuple[float, str]] = {}

    def start(self) -> None:
        """Begin to hear."""
        self._hot.subscribe(_CHANNEL, self._hear, self._joined)

    def tell(self, target: str, seconds: float, why: str = "") -> None:
        """Tell that this process has put a target to rest. Never blocks, never raises."""
        if target in self._targets and seconds > 0:
            seconds, why = min(seconds, _LONGEST), why[:_CAUSE]
            self._told[target] = asyncio.get_running_loop().time() + seconds, why
            source = _encode(_Rest(self._me, target, seconds, why))
            self._hot.publish(_CHANNEL, source)
            self._tasks.settle(self._hot.set(_key(target), source, seconds))

    def _hear(self, source: bytes, left: float = _LONGEST) -> None:
        """A rest that is told, or was told and has so much left."""
        if len(source) > _LARGEST:
            return
        try:
            rest = _decode(source)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return  # of a process of another version
        seconds = min(rest.seconds, left)
        if rest.sender != self._me and rest.target in self._targets and seconds > 0:  # and is a number
            why = "".join(letter for letter in rest.why[:_CAUSE] if letter.isprintable())
            self._rest(rest.target, seconds, why)

    def _joined(self) -> None:
        now = asyncio.get_running_loop().time()
        told, self._told = self._told, {}
        for target, (until, why) in told.items():
            self.tell(target, until - now, why)
        self._tasks.settle(self._read())

    async def _read(self) -> None:
        for target in self._targets:  # one after the other: there is time, and each call has a deadline of its own
            left = await self._hot.left(_key(target))
            if left is not None and (source := await self._hot.get(_key(target))) is not None:
                self._hear(source, left)


def _key(target: str) -> str:
    return f"rest:{target}"
