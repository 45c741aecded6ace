"""What it costs that a target fails, and what it costs to choose among targets that do not."""

import uvloop

from loadtests.bench import load
from loadtests.bench.figures import Figures, share
from loadtests.bench.measure import Column, Measure
from loadtests.bench.subject import Running, Unfit
from loadtests.bench.warmth import warm

ALONE = "alone"
"""One target, one try: the shortest way there is."""
SPREAD = "spread"
"""Two healthy targets, with breakers, a budget of retries, and a choice for each call."""
FAILING = ("refused", "broken", "resting")
"""Models whose first target refuses connections, answers 500 to every call, or is at rest."""
CONNECTIONS = 4


class Failover(Measure):
    """Models whose first target fails, against one that has a healthy target alone."""

    name = "failover"
    title = "Failover: time that a failing first target adds, and CPU that a choice adds"
    columns = (
        *(
            Column(f"{kind}_{rank}", f"{heading} {rank} ms", 1e3, 3)
            for kind, heading in zip(FAILING, ("refused", "500", "open breaker"), strict=True)
            for rank in ("p50", "p99")
        ),
        Column("cpu", "choice CPU µs/request", 1e6, 1),
        Column("errors", "errors", 1, 0),
    )
    proxies_only = True

    def prepare(self, running: Running) -> None:
        """Prove that calls of every model are answered, warm up. Raises Unfit where there are no such models."""
        if self._load(running, "unheard-of", 0.1).requests:
            raise Unfit("it passes on whatever model is asked for: there is nothing to fail over")
        for model in (ALONE, SPREAD, *FAILING):
            if not self._load(running, model, 0.2).requests:
                raise Unfit("it is not configured with targets that fail")
        warm(running, self.effort, ALONE)
        warm(running, self.effort, SPREAD)

    def take(self, running: Running) -> Figures:
        """Times at a load that leaves the subject mostly idle, then CPU at its fullest."""
        plain = self._load(running, ALONE, self.effort.seconds)
        errors = plain.errors
        figures: Figures = {}
        for model in FAILING:
            tally = self._load(running, model, self.effort.seconds)
            figures[f"{model}_p50"] = tally.p50 - plain.p50
            figures[f"{model}_p99"] = tally.p99 - plain.p99
            errors += tally.errors
        spread, alone = self._cpu(running, SPREAD), self._cpu(running, ALONE)
        return {**figures, "cpu": spread - alone, "errors": errors}

    def _load(self, running: Running, model: str, seconds: float) -> load.Tally:
        return uvloop.run(load.Loop(running.ask(model), CONNECTIONS).run(seconds))

    def _cpu(self, running: Running, model: str) -> float:
        before = running.cpu()
        tally = load.closed(running.ask(model), self.effort.connections, self.effort.seconds)
        return share(running.cpu() - before, tally.requests)
