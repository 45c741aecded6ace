"""Hot state: what limits, breakers and caches share, in this process or, over Redis, with all others."""

from collections.abc import Callable
from typing import NamedTuple, Protocol


class HotState(NamedTuple):
    """How the store does: what `/health` shows of it."""

    kind: str
    """`memory` or `redis`."""
    up: bool
    """Whether it answers. While it does not, this process's own memory takes its place."""
    where: str = ""
    """The server, without its password."""
    error: str = ""
    """Why it does not answer."""


class Hot(Protocol):
    """Values and counters that expire, and messages between processes (`env.hot`).

    What is kept here may be lost at any time: a value is evicted, a server restarts. No method raises because a server
    is down or slow: within the store's deadline (50 ms unless set) this process's own memory takes its place, and what
    was written there is forgotten when the server is back. Keys are text, values bytes, times to live seconds.
    """

    async def get(self, key: str, /) -> bytes | None:
        """The value of a key, a counter's in decimal digits; None where there is none, or no longer."""
        ...

    async def left(self, key: str, /) -> float | None:
        """The seconds that a key has still to live; None where there is none. Clocks of hosts need not agree."""
        ...

    async def set(self, key: str, value: bytes, ttl: float, /) -> None:
        """Keep a value for `ttl` seconds."""
        ...

    async def delete(self, key: str, /) -> None:
        """Forget a key."""
        ...

    async def add(self, key: str, amount: int, ttl: float, /) -> int:
        """Add to a counter, atomically, and return its sum; a new one begins at 0 and lives for `ttl` seconds.

        Sums are exact up to 2**53. Raises ValueError where the key holds what is no integer.
        """
        ...

    def publish(self, channel: str, message: bytes, /) -> None:
        """Send a message to whoever hears the channel, in all processes, this one too. Never blocks, never raises.

        It may be lost. What must be known later is also `set`, and read when one joins.
        """
        ...

    def subscribe(
        self, channel: str, hear: Callable[[bytes], None], joined: Callable[[], None] | None = None, /
    ) -> None:
        """Call `hear` with each message of a channel, from the start of the store on, as long as it is open.

        `joined` is called whenever messages of others begin to come: once at the start, and after each time when some
        may have been missed; never where there are no others (`state: memory`). Both run in the event loop and must
        not block. Messages come from other processes, which may be of another version: check them.
        """
        ...

    def state(self) -> HotState:
        """How it does now."""
        ...
