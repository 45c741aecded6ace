"""Chains: what a chain of three steps takes, and what a step adds to its model call."""

from dataclasses import replace
from typing import Any

from loadtests.bench import subject
from loadtests.bench.figures import Figures
from loadtests.bench.measure import Column, Measure
from loadtests.bench.ourselves import BARE, bare_config, started
from loadtests.bench.subject import Running, Site, Unfit
from loadtests.bench.warmth import warm

STEPS = 3
_STEP = {"model": "bench", "prompt": "Go on, briefly: {{ input }}", "params": {"temperature": 0.7, "max_tokens": 256}}


def chains() -> dict[str, Any]:
    """A chain of one step, and one of three that read each other's outputs."""
    steps = [
        {"name": f"step{number}", **_STEP, "prompt": f"{number}: {{{{ {before} }}}}"}
        for number, before in enumerate(["input", "step0", "step1"])
    ]
    return {"one": {"type": "simple", **_STEP}, "three": {"type": "sequential", "steps": steps}}


def chained_config(site: Site) -> dict[str, Any]:
    """The pass-through's configuration with chains in it, none of which waits for another."""
    plenty = {"max_concurrent_chains": 10_000, "default_timeout": "60s"}
    return bare_config(site) | {"chains": chains(), "orchestrator": plenty}


CHAINED = replace(BARE, name="chained", start=lambda site: started(site, chained_config(site)))


class Chain(Measure):
    """Chains of three steps, 32 connections; and one of one step beside the same call without it.

    They are measured on a gateway of its own: to have chains in the configuration of `bare` would change what that is.
    """

    name = "chain"
    title = "Chains of three steps, whole answers, 32 connections"
    columns = (
        Column("cpu", "CPU µs/chain", 1e6, 0),
        Column("step", "a step beyond its model call, CPU µs", 1e6, 1),
        Column("rate", "chains/s", 1, 0),
        Column("p50", "p50 ms", 1e3, 2),
        Column("p99", "p99 ms", 1e3, 2),
        Column("errors", "errors", 1, 0),
    )
    proxies_only = True

    def prepare(self, running: Running) -> None:
        """Only our own gateway has chains."""
        if running.subject.name != BARE.name:
            raise Unfit("it is measured on `bare`, with chains added")

    def take(self, running: Running) -> Figures:
        """The figures of one gateway with chains, just started."""
        with subject.running(CHAINED, running.site.upstream, self.cores) as own:
            own.prove()
            warm(own, self.effort, "chain:three")
            plain, _ = self.cost(own, own.ask("bench"), self.effort.connections)
            one, _ = self.cost(own, own.ask("chain:one"), self.effort.connections)
            three, tally = self.cost(own, own.ask("chain:three"), self.effort.connections)
        return {
            "cpu": three,
            "step": one - plain,
            "rate": tally.requests / tally.seconds,
            "p50": tally.p50,
            "p99": tally.p99,
            "errors": tally.errors,
        }
