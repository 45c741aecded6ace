"""Conversations: what it takes to keep one, turn by turn."""

from dataclasses import replace
from typing import Any

from loadtests.bench import load, subject
from loadtests.bench.figures import Figures
from loadtests.bench.measure import Column, Measure
from loadtests.bench.measures.chain import chained_config
from loadtests.bench.ourselves import BARE, started
from loadtests.bench.subject import Running, Site, Unfit
from loadtests.bench.warmth import warm

TALKERS = 500
"""Conversations under way, each of which has its next turn when all others have had theirs."""
SPARSE = 4
"""Connections of a load that leaves few turns to share a transaction."""


def talking_config(site: Site) -> dict[str, Any]:
    """The pass-through's configuration with a chain that remembers, the same without memory, and a file of SQLite's."""
    tutor = {"type": "conversational", "model": "bench", "system": "You teach."}
    chains = {"plain": tutor, "tutor": {**tutor, "memory": {"last": 4, "by": "user"}}}
    return chained_config(site) | {"chains": chains, "database": f"sqlite:///{site.folder}/turns.db"}


TALKING = replace(BARE, name="talking", start=lambda site: started(site, talking_config(site)))


class Turns(Measure):
    """A chain with memory beside the same without, on SQLite; questions go on to the model with the last four turns."""

    name = "turns"
    title = f"Turns of {TALKERS} conversations, whole answers, SQLite"
    columns = (
        Column("turn", "a turn beyond the same call without memory, CPU µs, 32 connections", 1e6, 0),
        Column("sparse", f"{SPARSE} connections", 1e6, 0),
        Column("rate", "turns/s", 1, 0),
        Column("p99", "p99 ms", 1e3, 2),
        Column("start", "resident after start MB", 1e-6, 1),
        Column("after", "after load MB", 1e-6, 1),
        Column("errors", "errors", 1, 0),
    )
    proxies_only = True

    def prepare(self, running: Running) -> None:
        """Only our own gateway has conversations."""
        if running.subject.name != BARE.name:
            raise Unfit("it is measured on `bare`, with chains added")

    def take(self, running: Running) -> Figures:
        """The figures of one gateway with conversations, just started."""
        with subject.running(TALKING, running.site.upstream, self.cores) as own:
            start = own.memory().resident
            own.prove()
            warm(own, self.effort, "chain:plain")
            dense, tally = self._beyond(own, self.effort.connections)
            sparse, few = self._beyond(own, SPARSE)
            after = own.memory().resident
        return {
            "turn": dense,
            "sparse": sparse,
            "rate": tally.requests / tally.seconds,
            "p99": tally.p99,
            "start": start,
            "after": after,
            "errors": tally.errors + few.errors,
        }

    def _beyond(self, own: Running, connections: int) -> tuple[float, load.Tally]:
        """CPU seconds of a turn less those of the same call that nobody keeps, and what the load of turns gave."""
        plain, _ = self.cost(own, own.ask("chain:plain"), connections)
        turn, tally = self.cost(own, replace(own.ask("chain:tutor"), talkers=TALKERS), connections)
        return turn - plain, tally
