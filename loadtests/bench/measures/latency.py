"""What a proxy adds to the time of an answer, at a load that leaves it mostly idle."""

import uvloop

from loadtests.bench import answers, load
from loadtests.bench.figures import Figures, Round, share
from loadtests.bench.measure import Column, Measure
from loadtests.bench.subject import Running, Unfit
from loadtests.bench.warmth import warm

LEAD = 0.5
"""Seconds of a turn that are not counted: the first requests of 16 connections are 1 % of all, and would be the p99."""


def net(taken: float, body: bytes) -> float:
    """The client's time less what the upstream itself held the call, which its answer tells."""
    return taken - answers.held_seconds(body)


class Latency(Measure):
    """16 connections, an upstream that answers after 60 ± 10 ms."""

    name = "latency"
    title = "Latency added, 16 connections, the upstream answers after 60 ± 10 ms"
    columns = (
        Column("added_p50", "added p50 ms", 1e3, 3, ratio=True),
        Column("added_p99", "added p99 ms", 1e3, 3),
        Column("p50", "p50 less the upstream's time, ms", 1e3, 3),
        Column("p99", "p99 less the upstream's time, ms", 1e3, 3),
        Column("cpu", "CPU µs/request", 1e6, 1, ratio=True),
        Column("errors", "errors", 1, 0),
    )

    def prepare(self, running: Running) -> None:
        """Prove, warm up, then take the same load once."""
        running.prove()
        warm(running, self.effort)
        uvloop.run(self._loop(running).run(self.effort.warm))

    def take(self, running: Running) -> Figures:
        """Net times over one load."""
        before = running.cpu()
        loop = self._loop(running, LEAD)
        tally = uvloop.run(loop.run(self.effort.latency_seconds))
        cpu = share(running.cpu() - before, tally.requests + loop.led)
        if not tally.requests:
            raise Unfit(f"no answer under load, {tally.errors} errors")
        return {"p50": tally.p50, "p99": tally.p99, "cpu": cpu, "errors": tally.errors}

    def _loop(self, running: Running, lead: float = 0.0) -> load.Loop:
        return load.Loop(running.ask("slow60"), self.effort.latency_connections, net=net, lead=lead)

    def settle(self, round_: Round) -> None:
        """Take off what a call without a proxy needs in the same round."""
        direct = round_.get("direct")
        for name, figures in round_.items():
            if direct is not None and name != "direct":
                figures["added_p50"] = figures["p50"] - direct["p50"]
                figures["added_p99"] = figures["p99"] - direct["p99"]
