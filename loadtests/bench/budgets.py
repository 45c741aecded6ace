"""What the gateway must keep to, and whether it does."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from loadtests.bench.figures import Round, Spread, ratio, values


@dataclass(frozen=True)
class Budget:
    """The most that a figure may be: as a multiple of nginx's in the same run, or as it is."""

    subject: str
    measure: str
    key: str
    what: str
    limit: float
    unit: str = ""
    scale: float = 1.0
    against: str | None = None

    def value(self, rounds: Mapping[str, Sequence[Round]]) -> float:
        """The median of what was measured, in the budget's unit; NaN where it was not."""
        taken = rounds.get(self.measure, [])
        if self.against:
            return ratio(taken, self.subject, self.key, self.against).middle
        return Spread.of(values(taken, self.subject, self.key)).middle * self.scale

    def verdict(self, rounds: Mapping[str, Sequence[Round]]) -> str:
        """`ok`, `OVER` or `not measured`."""
        value = self.value(rounds)
        if math.isnan(value):
            return "not measured"
        return "ok" if value <= self.limit else "OVER"


def _times(subject: str, measure: str, key: str, what: str, limit: float) -> Budget:
    return Budget(subject, measure, key, what, limit, " × nginx", against="nginx")


BUDGETS = (
    _times("bare", "whole", "cpu", "pass-through, whole, CPU", 5.5),
    _times("gateway", "whole", "cpu", "default chain, whole, CPU", 10),
    _times("bare", "events", "cpu", "pass-through, stream sent at once, event by event, CPU", 1.3),
    _times("bare", "stream", "cpu", "pass-through, stream sent in one write, CPU", 2),
    _times("bare", "steady", "chunk", "pass-through, a paced token, CPU", 1.4),
    _times("gateway", "steady", "chunk", "default chain, a paced token, CPU", 1.4),
    Budget("bare", "messages", "messages_ratio", "messages as they are, whole, CPU", 1.05, " × chat"),
    Budget("bare", "messages-stream", "messages_ratio", "messages as they are, stream, CPU", 1.05, " × chat"),
    Budget("bare", "latency", "added_p99", "pass-through, p99 added at 16 connections", 0.9, " ms", 1e3),
    Budget("gateway", "latency", "added_p99", "default chain, p99 added at 16 connections", 0.9, " ms", 1e3),
    Budget("bare", "chain", "step", "a chain's step beyond its model call, CPU", 100, " µs", 1e6),
    Budget("bare", "turns", "turn", "a turn of a conversation beyond its call, CPU", 250, " µs", 1e6),
    Budget("bare", "turns", "start", "with a database, resident after start", 80, " MB", 1e-6),
    Budget("gateway", "startup", "answer", "default chain, first answer after start", 0.8, " s"),
    Budget("bare", "failover", "refused_p99", "failover from a refused connection, p99 added", 10, " ms", 1e3),
    Budget("bare", "failover", "broken_p99", "failover from a status 500, p99 added", 10, " ms", 1e3),
    Budget("bare", "failover", "resting_p99", "passing by an open breaker, p99 added", 10, " ms", 1e3),
    Budget("bare", "failover", "cpu", "a choice among targets, CPU", 10, " µs", 1e6),
    Budget("bare", "memory", "start", "pass-through, resident after start", 50, " MB", 1e-6),
    Budget("gateway", "memory", "start", "default chain, resident after start", 50, " MB", 1e-6),
    Budget("bare", "memory", "stream", "pass-through, an idle open stream", 40, " kB", 1e-3),
    Budget("gateway", "memory", "stream", "default chain, an idle open stream", 40, " kB", 1e-3),
)
