"""Many clients with a call each that stays open: for memory, and for leaving."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

from loadtests.bench import answers
from loadtests.bench.asks import Ask
from loadtests.bench.link import Link, Lost
from loadtests.bench.subject import Unfit


class Guest:
    """One client with one call under way."""

    def __init__(self, link: Link, number: int) -> None:
        self.number = number
        self.link = link
        self.tokens = 0
        self._wanted = 0
        self._heard: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @classmethod
    async def arrive(cls, ask: Ask, request: Callable[[], tuple[int, bytes]], tokens: int) -> "Guest":
        """Connect and ask; `heard` waits for so many tokens."""
        number, data = request()
        guest = cls(await Link.to(ask.host, ask.port), number)
        guest._wanted = tokens
        guest.link.ask(data, guest._hear).add_done_callback(guest._ended)
        return guest

    def _hear(self, data: bytes, _now: float) -> None:
        self.tokens += data.count(answers.MARK)
        if self.tokens >= self._wanted and not self._heard.done():
            self._heard.set_result(None)

    def _ended(self, end: "asyncio.Future[float]") -> None:
        if end.cancelled():
            return
        error = end.exception() or Lost(f"the answer ended after {self.tokens} tokens, status {self.link.status}")
        if not self._heard.done():
            self._heard.set_exception(error)

    async def heard(self) -> None:
        """Wait for the tokens wanted. Raises Lost where the call ends before."""
        await self._heard

    def leave(self) -> float:
        """Close; the moment (CLOCK_MONOTONIC) at which that was."""
        if not self._heard.done():
            self._heard.cancel()
        now = time.monotonic()
        self.link.leave()
        return now


async def gather(ask: Ask, count: int, tokens: int, patience: float = 60.0) -> list[Guest]:
    """So many clients, a few milliseconds apart, each with `tokens` heard (0: only asked).

    Raises Unfit where they do not all get so far.
    """
    request = ask.requests()
    guests: list[Guest] = []
    try:
        async with asyncio.timeout(patience):
            for _ in range(count):  # one by one, for on failure those who are here leave
                guests.append(await Guest.arrive(ask, request, tokens))
                await asyncio.sleep(0.001)
            if tokens:
                for guest in guests:
                    await guest.heard()
    except (Lost, OSError, TimeoutError) as error:
        for guest in guests:
            guest.leave()
        raise Unfit(f"{len(guests)} of {count} calls asked for, not all open: {error or 'too slow'}") from error
    return guests


async def stats(port: int) -> dict[str, Any]:
    """What the upstream tells of itself."""
    link = await Link.to("127.0.0.1", port)
    await link.ask(b"GET /stats HTTP/1.1\r\nhost: upstream\r\n\r\n")
    link.leave()
    document: dict[str, Any] = json.loads(bytes(link.body))
    return document
