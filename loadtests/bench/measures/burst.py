"""Answers as fast as they go, at 32 connections: whole ones, and streams whose tokens come all at once."""

from typing import ClassVar

import uvloop

from loadtests.bench import answers, load
from loadtests.bench.cores import Cores
from loadtests.bench.figures import Figures, share
from loadtests.bench.measure import Column, Effort, Measure
from loadtests.bench.subject import Running, Unfit
from loadtests.bench.warmth import warm

SLOW = 500.0
"""Below so many requests a second our own generator takes over from wrk, which drops what is under way at the end."""
LONGEST = 30.0


class Whole(Measure):
    """Whole answers of 674 bytes."""

    name = "whole"
    title = "Whole answers, 32 connections"
    columns: ClassVar[tuple[Column, ...]] = (
        Column("cpu", "CPU µs/request", 1e6, 1, ratio=True),
        Column("rate", "requests/s", 1, 0),
        Column("p50", "p50 ms", 1e3, 2),
        Column("p99", "p99 ms", 1e3, 2),
        Column("errors", "errors", 1, 0),
    )
    model: ClassVar[str] = "bench"
    stream: ClassVar[bool] = False

    def __init__(self, effort: Effort, cores: Cores) -> None:
        super().__init__(effort, cores)
        self.pace: dict[str, float] = {}  # requests a second of each subject, as its warm-up showed

    def prepare(self, running: Running) -> None:
        """Warm up, and learn how fast the subject is."""
        running.prove(self.stream)
        self.pace[running.subject.name] = warm(running, self.effort, self.model, self.stream)

    def take(self, running: Running) -> Figures:
        """CPU of all the subject's processes around one load."""
        effort = self.effort
        ask = running.ask(self.model, self.stream)
        pace = self.pace[running.subject.name]
        before = running.cpu()
        if pace < SLOW:
            seconds = min(LONGEST, max(effort.seconds, 2 * effort.connections / pace))
            tally = uvloop.run(load.Loop(ask, effort.connections).run(seconds))
        else:
            tally = load.closed(ask, effort.connections, effort.seconds)
        cpu = running.cpu() - before
        if not tally.requests:
            raise Unfit(f"no answer under load, {tally.errors} errors")
        return {
            "cpu": share(cpu, tally.requests),
            "rate": tally.requests / tally.seconds,
            "p50": tally.p50,
            "p99": tally.p99,
            "errors": tally.errors,
        }


class Stream(Whole):
    """Streams of 100 tokens that the upstream sends in one write."""

    name = "stream"
    title = "Streams of 100 tokens sent at once in one write, 32 connections"
    columns = (
        Column("cpu", "CPU µs/stream", 1e6, 0, ratio=True),
        Column("chunk", "CPU µs/token", 1e6, 2),
        Column("rate", "streams/s", 1, 0),
        Column("p50", "p50 ms", 1e3, 2),
        Column("p99", "p99 ms", 1e3, 2),
        Column("errors", "errors", 1, 0),
    )
    stream = True

    def take(self, running: Running) -> Figures:
        """As for whole answers, and the share of one token."""
        figures = super().take(running)
        figures["chunk"] = figures["cpu"] / answers.TOKENS
        return figures


class Events(Stream):
    """Streams of 100 tokens, each a write of its own."""

    name = "events"
    title = "Streams of 100 tokens, each token a write of its own, no pause between, 32 connections"
    model = "events"
