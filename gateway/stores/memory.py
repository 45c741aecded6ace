"""Hot state in the memory of this process."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import NamedTuple

from gateway.stores.hot import HotState, milliseconds

_log = logging.getLogger("gateway")
_OVERHEAD = 200
"""The bytes that an entry costs beside its key and value, about."""


class _Entry(NamedTuple):
    ends: float
    value: bytes


class Memory:
    """What `state: memory` is, and what takes Redis's place while it does not answer.

    It holds at most `entries` keys and about `size` bytes; beyond, the least recently used goes first.
    """

    def __init__(
        self, entries: int = 100_000, size: int = 64 * 2**20, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = entries
        self._room = size
        self._clock = clock
        self._entries: dict[str, _Entry] = {}  # the least recently used first
        self._hearers: dict[str, list[Callable[[bytes], None]]] = {}

    async def get(self, key: str) -> bytes | None:
        """See `Hot`."""
        entry = self._used(key)
        return None if entry is None else entry.value

    async def left(self, key: str) -> float | None:
        """See `Hot`."""
        entry = self._used(key)
        return None if entry is None else entry.ends - self._clock()

    async def set(self, key: str, value: bytes, ttl: float) -> None:
        """See `Hot`."""
        self._keep(key, _Entry(self._clock() + milliseconds(ttl) / 1000, value))

    async def delete(self, key: str) -> None:
        """See `Hot`."""
        self._drop(key)

    async def add(self, key: str, amount: int, ttl: float) -> int:
        """See `Hot`."""
        lives = milliseconds(ttl) / 1000
        entry = self._used(key)
        if entry is None:
            entry = _Entry(self._clock() + lives, b"0")
        total = _integer(entry.value) + amount
        self._keep(key, _Entry(entry.ends, b"%d" % total))
        return total

    def publish(self, channel: str, message: bytes) -> None:
        """See `Hot`. Whoever hears is called in the next turn of the loop, not inside of this call."""
        loop = asyncio.get_running_loop()
        for hear in self._hearers.get(channel, ()):
            loop.call_soon(_tell, hear, message)

    def subscribe(
        self,
        channel: str,
        hear: Callable[[bytes], None],
        joined: Callable[[], None] | None = None,  # noqa: ARG002 (there are no others to join)
    ) -> None:
        """See `Hot`."""
        self._hearers.setdefault(channel, []).append(hear)

    def state(self) -> HotState:
        """See `Hot`."""
        return HotState("memory", True)

    def clear(self) -> None:
        """Forget all keys."""
        for key in list(self._entries):
            self._drop(key)

    def _used(self, key: str) -> _Entry | None:
        entry = self._entries.pop(key, None)
        if entry is None:
            return None
        if entry.ends <= self._clock():
            self._room += _cost(key, entry)
            return None
        self._entries[key] = entry
        return entry

    def _keep(self, key: str, entry: _Entry) -> None:
        self._drop(key)
        self._entries[key] = entry
        self._room -= _cost(key, entry)
        self._sweep()

    def _drop(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._room += _cost(key, entry)

    def _sweep(self) -> None:
        """Drop what is too much, and up to two that have expired: as each write brings one, none stays for ever."""
        now = self._clock()
        swept = 0
        while self._entries:
            oldest = next(iter(self._entries))
            if len(self._entries) <= self._most and self._room >= 0:
                if swept == 2 or self._entries[oldest].ends > now:
                    return
                swept += 1
            self._drop(oldest)


def _cost(key: str, entry: _Entry) -> int:
    return len(key) + len(entry.value) + _OVERHEAD


def _integer(value: bytes) -> int:
    """What a counter holds, as strict as Redis reads it. Raises ValueError."""
    try:
        number = int(value)
    except ValueError:
        number = 0
    if b"%d" % number != value:
        raise ValueError("the key holds what is no integer")
    return number


def _tell(hear: Callable[[bytes], None], message: bytes) -> None:
    try:
        hear(message)
    except Exception:
        _log.exception("%r failed to hear a message", hear)
