"""What a measurement is: it takes the figures of one running subject, round by round."""

import math
from dataclasses import dataclass
from typing import ClassVar

from loadtests.bench import load
from loadtests.bench.asks import Ask
from loadtests.bench.cores import Cores
from loadtests.bench.figures import Figures, Round, share
from loadtests.bench.subject import Running, Unfit


@dataclass(frozen=True)
class Effort:
    """How much work a run puts in."""

    rounds: int = 5
    seconds: float = 3.0
    warm: float = 2.0
    warm_loads: int = 10
    connections: int = 32
    paced_streams: int = 200
    latency_connections: int = 16
    latency_seconds: float = 6.0
    idle_streams: int = 1000
    leavers: int = 200

    @classmethod
    def quick(cls) -> "Effort":
        """Enough to see that everything works; too little to quote."""
        return cls(
            rounds=2,
            seconds=1.0,
            warm=1.0,
            warm_loads=2,
            paced_streams=50,
            latency_seconds=2.0,
            idle_streams=200,
            leavers=50,
        )


@dataclass(frozen=True)
class Column:
    """One figure of a measurement. `scale` turns what is kept (seconds, bytes) into what is shown (µs, MB)."""

    key: str
    heading: str
    scale: float = 1.0
    digits: int = 1
    ratio: bool = False

    def show(self, value: float) -> str:
        """The value as the report prints it; a dash where there is none."""
        return "–" if math.isnan(value) else f"{value * self.scale:,.{self.digits}f}"


class Measure:
    """One measurement. Figures are kept in seconds, bytes and counts; columns say how they are shown."""

    name: ClassVar[str]
    title: ClassVar[str]
    columns: ClassVar[tuple[Column, ...]]
    fresh: ClassVar[bool] = False
    """Whether every round needs a subject just started."""
    proxies_only: ClassVar[bool] = False
    """Whether it says nothing of the upstream alone."""
    rounds: ClassVar[int | None] = None
    """At most so many rounds, where a round is long and varies little."""

    def __init__(self, effort: Effort, cores: Cores) -> None:
        self.effort = effort
        self.cores = cores

    def cost(self, running: Running, ask: Ask, connections: int) -> tuple[float, load.Tally]:
        """CPU seconds for each answer, and what the load gave. Raises Unfit where nothing was answered."""
        before = running.cpu()
        tally = load.closed(ask, connections, self.effort.seconds)
        cpu = running.cpu() - before
        if not tally.requests:
            raise Unfit(f"no answer of {ask.model} under load, {tally.errors} errors")
        return share(cpu, tally.requests), tally

    def prepare(self, running: Running) -> None:
        """Once per subject, before the rounds: prove that it does the work, warm it up. Raises Unfit."""
        running.prove()

    def take(self, running: Running) -> Figures:
        """The figures of one subject in one round. Raises Unfit."""
        raise NotImplementedError

    def settle(self, round_: Round) -> None:
        """Add, once all subjects had their turn, what needs the figures of another."""
