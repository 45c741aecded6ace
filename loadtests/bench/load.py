"""Closed-loop load: so many connections, each asking again as soon as it was answered.

`wrk` does it where it is installed; else `Loop`, our own, which the precise measurements always use.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import uvloop

from loadtests.bench import wrk
from loadtests.bench.asks import Ask
from loadtests.bench.figures import percentile
from loadtests.bench.link import Link, Lost

OK = 200


@dataclass
class Tally:
    """What a load gave. Times in seconds; `requests` are those answered with 200."""

    seconds: float = 0.0
    requests: int = 0
    errors: int = 0
    p50: float = 0.0
    p99: float = 0.0


def closed(ask: Ask, connections: int, seconds: float) -> Tally:
    """Load with `wrk` where it is present, else with our own generator."""
    if wrk.present():
        report = wrk.run(ask, connections, seconds)
        return Tally(
            seconds=report.seconds,
            requests=report.requests - report.refused,
            errors=report.refused + report.failed,
            p50=report.p50,
            p99=report.p99,
        )
    return uvloop.run(Loop(ask, connections).run(seconds))


@dataclass
class Loop:
    """Our own closed loop, in Python.

    `net` may turn a request's time and body into what counts instead: the time less what the upstream held. What is
    asked in the first `lead` seconds has no time in the tally; `led` counts such answers.
    """

    ask: Ask
    connections: int
    net: Callable[[float, bytes], float] | None = None
    lead: float = 0.0
    times: list[float] = field(default_factory=list)
    led: int = 0
    errors: int = 0

    async def run(self, seconds: float) -> Tally:
        """Load for so long after the lead; requests under way at the end are waited for and counted."""
        request = self.ask.requests()
        began = time.perf_counter() + self.lead
        async with asyncio.TaskGroup() as group:
            for _ in range(self.connections):
                group.create_task(self._one(request, began, began + seconds))
        return Tally(
            seconds=time.perf_counter() - began,
            requests=len(self.times),
            errors=self.errors,
            p50=percentile(self.times, 0.5),
            p99=percentile(self.times, 0.99),
        )

    async def _one(self, request: Callable[[], tuple[int, bytes]], since: float, until: float) -> None:
        link: Link | None = None
        while (start := time.perf_counter()) < until:
            try:
                if link is None or not link.open:
                    link = await Link.to(self.ask.host, self.ask.port)
                    start = time.perf_counter()
                end = await link.ask(request()[1])
            except (Lost, OSError):
                self.errors += 1
                link = None
                await asyncio.sleep(0.01)  # a subject that is down must not make this loop spin
                continue
            if link.status != OK:
                self.errors += 1
                continue
            if start < since:
                self.led += 1
                continue
            taken = end - start
            self.times.append(self.net(taken, bytes(link.body)) if self.net else taken)
        if link is not None:
            link.leave()
