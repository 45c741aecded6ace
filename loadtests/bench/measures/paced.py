"""Many streams at once at the pace of a model: one token each 20 ms, with the streams' beginnings and ends or alone."""

import asyncio
import random
import time
from dataclasses import dataclass, field

import uvloop

from loadtests.bench import answers
from loadtests.bench.asks import Ask
from loadtests.bench.crowd import gather
from loadtests.bench.figures import Figures, percentile, share
from loadtests.bench.link import Link, Lost
from loadtests.bench.measure import Column, Measure
from loadtests.bench.subject import Running, Unfit
from loadtests.bench.warmth import warm

SETTLED = 20
"""Tokens after which a stream counts as under way: what a proxy does at its beginning is over."""
RAMP = 2.2
"""Seconds until every slot has begun its first stream and some their second: one stream takes two."""


@dataclass
class Watch:
    """What clients saw of all streams inside the window."""

    tokens: int = 0
    streams: int = 0
    errors: int = 0
    gaps: list[float] = field(default_factory=list)
    firsts: list[float] = field(default_factory=list)
    open: bool = False
    cpu: float = 0.0
    seconds: float = 0.0


class Slot:
    """A client that asks for one paced stream after another, on a connection that it keeps, as SDKs do."""

    def __init__(self, ask: Ask, watch: Watch) -> None:
        self._request = ask.requests()
        self._ask = ask
        self._watch = watch
        self._sent = 0.0
        self._last = 0.0

    async def run(self, delay: float, until: float) -> None:
        """Stream until then; what is under way then is left."""
        await asyncio.sleep(delay)
        link: Link | None = None
        while time.perf_counter() < until:
            try:
                if link is None or not link.open:
                    link = await Link.to(self._ask.host, self._ask.port)
                self._last = 0.0
                self._sent = time.perf_counter()
                async with asyncio.timeout(max(0.0, until - self._sent)):
                    await link.ask(self._request()[1], self._hear)
                self._watch.streams += 1
                self._watch.errors += link.status != 200
            except TimeoutError:
                break
            except (Lost, OSError):
                self._watch.errors += 1
                link = None
                await asyncio.sleep(0.05)
        if link is not None:
            link.leave()

    def _hear(self, data: bytes, now: float) -> None:
        tokens = data.count(answers.MARK)
        if not tokens:
            return
        watch = self._watch
        if watch.open:
            watch.tokens += tokens
            if self._last:
                watch.gaps.append(now - self._last)
            else:
                watch.firsts.append(now - self._sent)
        self._last = now


class Steady(Measure):
    """200 streams under way, a token each 20 ms: what a token takes, and nothing else."""

    name = "steady"
    title = "200 streams under way, a token each 20 ms; none begins, none ends"
    columns = (
        Column("chunk", "CPU µs/token", 1e6, 1, ratio=True),
        Column("rate", "tokens/s", 1, 0),
    )

    def prepare(self, running: Running) -> None:
        """Prove that streams come whole, warm up."""
        running.prove(stream=True)
        warm(running, self.effort, stream=True)

    def take(self, running: Running) -> Figures:
        """A window over all of them."""
        return uvloop.run(self._watch(running))

    async def _watch(self, running: Running) -> Figures:
        guests = await gather(running.ask("steady", stream=True), self.effort.paced_streams, SETTLED)
        try:
            before, heard, start = running.cpu(), sum(guest.tokens for guest in guests), time.perf_counter()
            await asyncio.sleep(self.effort.seconds)
            cpu, tokens = running.cpu() - before, sum(guest.tokens for guest in guests) - heard
            seconds = time.perf_counter() - start
        finally:
            for guest in guests:
                guest.leave()
        if not tokens:
            raise Unfit("no token came")
        return {"chunk": share(cpu, tokens), "rate": tokens / seconds}


class Paced(Measure):
    """200 streams, a token each 20 ms, one after another."""

    name = "paced"
    title = "200 streams of 100 tokens at once, one after another, a token each 20 ms"
    columns = (
        Column("chunk", "CPU µs/token, beginnings and ends included", 1e6, 1, ratio=True),
        Column("gap", "gap p99 ms", 1e3, 2),
        Column("first50", "first token p50 ms", 1e3, 2),
        Column("first99", "first token p99 ms", 1e3, 2),
        Column("rate", "tokens/s", 1, 0),
        Column("errors", "errors", 1, 0),
    )

    def prepare(self, running: Running) -> None:
        """Prove that streams come whole, warm up."""
        running.prove(stream=True)
        warm(running, self.effort, stream=True)

    def take(self, running: Running) -> Figures:
        """A window in the middle of a steady load."""
        watch = uvloop.run(self._watch(running))
        if not watch.tokens:
            raise Unfit(f"no token came, {watch.errors} errors")
        return {
            "chunk": share(watch.cpu, watch.tokens),
            "gap": percentile(watch.gaps, 0.99),
            "first50": percentile(watch.firsts, 0.5),
            "first99": percentile(watch.firsts, 0.99),
            "rate": watch.tokens / watch.seconds,
            "errors": watch.errors,
        }

    async def _watch(self, running: Running) -> Watch:
        watch = Watch()
        ask = running.ask("paced", stream=True)
        began = time.perf_counter()
        length = max(2.0, self.effort.seconds)  # shorter than one stream, a window would see few beginnings
        until = began + RAMP + length + 0.1
        async with asyncio.TaskGroup() as group:
            for _ in range(self.effort.paced_streams):
                delay = random.random() * 2  # begun together, all tokens would come in one burst each 20 ms
                group.create_task(Slot(ask, watch).run(delay, until))
            await asyncio.sleep(RAMP)
            before, start = running.cpu(), time.perf_counter()
            watch.open = True
            await asyncio.sleep(length)
            watch.open = False
            watch.cpu, watch.seconds = running.cpu() - before, time.perf_counter() - start
        return watch
