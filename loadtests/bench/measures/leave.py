"""How soon the upstream is let go when clients leave: its own clock says."""

import asyncio
import math

import uvloop

from loadtests.bench.crowd import Guest, gather, stats
from loadtests.bench.figures import Figures, percentile
from loadtests.bench.measure import Column, Measure
from loadtests.bench.subject import Running

PATIENCE = 10.0
APART = 0.003
"""Seconds between two that leave: each one's time is wanted, not that of a queue."""


class Leave(Measure):
    """200 clients leave in the middle of their streams, 200 before the first byte.

    The streams bring a token each half second: so slow that every subject is idle, so fast that one that notices only
    when it writes gets its chance.
    """

    name = "leave"
    title = "Clients leave: until the upstream sees its call aborted"
    columns = (
        Column("mid_p50", "mid-stream p50 ms", 1e3, 2),
        Column("mid_max", "max ms", 1e3, 2),
        Column("mid_never", "never", 1, 0),
        Column("early_p50", "before the first byte p50 ms", 1e3, 2),
        Column("early_max", "max ms", 1e3, 2),
        Column("early_never", "never", 1, 0),
    )
    rounds = 3

    def prepare(self, running: Running) -> None:
        """Prove that streams come whole."""
        running.prove(stream=True)

    def take(self, running: Running) -> Figures:
        """Both kinds of leaving."""
        mid = uvloop.run(self._mid(running))
        early = uvloop.run(self._early(running))
        return {**_summary("mid", mid), **_summary("early", early)}

    async def _mid(self, running: Running) -> list[float]:
        """From streams under way, one after another."""
        guests = await gather(running.ask("drip", stream=True), self.effort.leavers, tokens=1)
        return await _leave(guests, running.site.upstream)

    async def _early(self, running: Running) -> list[float]:
        """From calls of which the upstream has said nothing at all."""
        guests = await gather(running.ask("mute", stream=True), self.effort.leavers, tokens=0)
        numbers = {f"{guest.number:014d}" for guest in guests}
        for _ in range(600):  # until all have come through to the upstream
            if numbers <= (await stats(running.site.upstream))["arrivals"].keys():
                break
            await asyncio.sleep(0.05)
        return await _leave(guests, running.site.upstream)


async def _leave(guests: list[Guest], upstream: int) -> list[float]:
    """Seconds from each one's leaving to the upstream's noticing; infinite where it never did."""
    left: dict[str, float] = {}
    for guest in guests:
        left[f"{guest.number:014d}"] = guest.leave()
        await asyncio.sleep(APART)
    for _ in range(int(PATIENCE / 0.05)):
        aborts = (await stats(upstream))["aborts"]
        if left.keys() <= aborts.keys():
            break
        await asyncio.sleep(0.05)
    return [aborts.get(number, math.inf) - moment for number, moment in left.items()]


def _summary(kind: str, delays: list[float]) -> Figures:
    known = [delay for delay in delays if math.isfinite(delay)]
    return {
        f"{kind}_p50": percentile(known, 0.5),
        f"{kind}_max": max(known, default=math.nan),
        f"{kind}_never": len(delays) - len(known),
    }
