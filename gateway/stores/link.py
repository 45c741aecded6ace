"""The way to a server that may freeze, die and come back: one deadline a call, and a breaker."""

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Any, Final

from redis.exceptions import ResponseError

from gateway.seam.env import Tasks
from gateway.stores.client import Client

PAUSE = 1.0
"""Seconds between two looks whether a lost server is back, about."""
_PATIENCE = 1.0
"""Seconds that such a look may take to connect: longer than a call may, since nobody waits for it."""
LOST: Final = object()
"""The answer where there is none."""


class Link:
    """Asks a server while it answers. The first call that fails opens the breaker, and then each is `LOST` at once.

    No caller tries whether the server is back: a task does, once a second. `error` says why the server is lost, and is
    empty while it is not; `changed` is told each time when it is lost or found again.
    """

    def __init__(self, client: Client, name: str, probe: str, timeout: float, connections: int) -> None:
        self._client = client
        self._name = name
        self._probe = probe
        self._timeout = timeout
        self._turns = asyncio.Semaphore(connections)
        self._changed: list[Callable[[], None]] = []
        self._healing: asyncio.Task[None] | None = None
        self.error = "not started"

    def on_change(self, changed: Callable[[], None]) -> None:
        """Call `changed` when the server is lost, and when it is found again."""
        self._changed.append(changed)

    async def open(self, tasks: Tasks, log: logging.Logger) -> None:
        """Connect. A server that is down is told, and looked for from then on."""
        self._tasks = tasks
        self._log = log
        self.error = ""
        error = await self._trouble()
        if error is not None:
            self.lose(error)

    async def ask(self, *command: Any) -> Any:
        """The server's answer to a command, within the deadline; `LOST` where it gives none, or was lost before.

        Raises ValueError where the server says that the command does not fit what a key holds.
        """
        if self.error:
            return LOST
        try:
            async with asyncio.timeout(None) as limit:
                loop = asyncio.get_running_loop()
                timer = loop.call_later(self._timeout, self._expire, limit, loop.time() + self._timeout)
                try:
                    async with self._turns:
                        return await self._client.command(*command)
                finally:
                    timer.cancel()
        except ResponseError as error:
            if "not an integer" in str(error) or "overflow" in str(error):
                raise ValueError("the key holds what is no integer, or the sum is out of range") from None
            self.lose(error)
        except Exception as error:  # whatever the library raises on its way, a caller has memory to go on with
            self.lose(error)
        return LOST

    def _expire(self, limit: asyncio.Timeout, due: float) -> None:
        """The deadline has come. Where this process itself stood still past it, the answer may have come meanwhile."""
        now = asyncio.get_running_loop().time()
        late = now - due > self._timeout / 2
        limit.reschedule(now + self._timeout if late else now)

    def lose(self, error: Exception) -> None:
        """The server cannot be used. Told once; what comes after is one and the same loss."""
        if self.error:
            return
        self.error = said(error, self._timeout)
        self._log.warning("state: %s is lost, each process keeps its own until it is back: %s", self._name, self.error)
        self._healing = self._tasks.spawn(self._heal())
        for changed in self._changed:
            changed()

    def close(self) -> None:
        """Look no more whether the server is back."""
        if self._healing is not None:
            self._healing.cancel()

    async def _heal(self) -> None:
        loop = asyncio.get_running_loop()
        since = loop.time()
        error: Exception | None = TimeoutError()
        while error is not None:
            await asyncio.sleep(PAUSE * random.uniform(0.8, 1.2))  # noqa: S311 (so that replicas do not all ask at once)
            error = await self._trouble()
            if error is not None:
                self.error = said(error, self._timeout)
        self.error = ""
        self._log.warning("state: %s is back after %.1f s", self._name, loop.time() - since)
        for changed in self._changed:
            changed()

    async def _trouble(self) -> Exception | None:
        """Why the server cannot be used, if so. It must take writes, and answer as soon as a call wants it."""
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._client.forget()  # what was connected may lead to a master that is none any more
                await self._client.check()
            async with asyncio.timeout(self._timeout):
                await self._client.command("SET", self._probe, b"", "PX", 1000)
        except Exception as error:
            return error
        return None


def said(error: Exception, timeout: float) -> str:
    """An error in words, for people."""
    if isinstance(error, TimeoutError):
        return f"no answer within {timeout * 1000:.0f} ms"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
