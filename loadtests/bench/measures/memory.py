"""Memory: after start, after load, and for each open stream."""

import asyncio
import time

import uvloop

from loadtests.bench import load
from loadtests.bench.crowd import gather
from loadtests.bench.figures import Figures
from loadtests.bench.measure import Column, Measure
from loadtests.bench.subject import Running, Unfit

SETTLE = 1.0


class Residence(Measure):
    """Memory of a subject just started, then with a thousand streams that say nothing, then after load."""

    name = "memory"
    title = "Memory: after start, per idle open stream, after load"
    columns = (
        Column("start", "after start MB", 1e-6, 1, ratio=True),
        Column("start_pss", "PSS MB", 1e-6, 1),
        Column("stream", "kB/idle stream", 1e-3, 1, ratio=True),
        Column("load", "after load MB", 1e-6, 1),
        Column("load_pss", "PSS MB", 1e-6, 1),
    )
    fresh = True
    proxies_only = True
    rounds = 3

    def prepare(self, running: Running) -> None:
        """Nothing: a request would change what is measured."""

    def take(self, running: Running) -> Figures:
        """In this order, for memory that a load freed would hide what streams take."""
        time.sleep(SETTLE)
        start = running.memory()
        ask = running.ask("bench")
        running.prove()
        running.prove(stream=True)
        uvloop.run(load.Loop(ask, 4).run(0.3))  # what is imported or grown at the first calls is no stream's
        stream = uvloop.run(self._streams(running))
        for streamed in (False, True):
            uvloop.run(load.Loop(running.ask("bench", streamed), self.effort.connections).run(self.effort.warm))
        time.sleep(SETTLE)
        after = running.memory()
        return {
            "start": start.resident,
            "start_pss": start.shared,
            "stream": stream,
            "load": after.resident,
            "load_pss": after.shared,
        }

    async def _streams(self, running: Running) -> float:
        before = running.memory()
        guests = await gather(running.ask("idle", stream=True), self.effort.idle_streams, tokens=1)
        await asyncio.sleep(SETTLE)
        during = running.memory()
        if not all(guest.link.open for guest in guests):
            raise Unfit("streams were cut while they were idle")
        for guest in guests:
            guest.leave()
        await asyncio.sleep(0.2)
        return (during.shared - before.shared) / len(guests)
