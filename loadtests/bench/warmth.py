"""Warming up: a subject is measured when it has found its speed, not before.

Compilers at run time need a while: Portkey's CPU for one request falls to less than a third over its first twelve
seconds of load. Whoever measures earlier measures the compiler.
"""

import math

import uvloop

from loadtests.bench import load
from loadtests.bench.measure import Effort
from loadtests.bench.subject import Running, Unfit

ENOUGH = 0.95
"""Warm is who needed at least this share of the CPU of the load before."""


def warm(running: Running, effort: Effort, model: str = "bench", stream: bool = False, dialect: str = "chat") -> float:
    """Load until CPU per request falls no more; the requests a second of the last load.

    Raises Unfit where nothing is answered.
    """
    ask = running.ask(model, stream, dialect)
    before = math.inf
    for _ in range(effort.warm_loads):
        start = running.cpu()
        tally = uvloop.run(load.Loop(ask, effort.connections).run(effort.warm))
        if not tally.requests:
            raise Unfit(f"no answer under load, {tally.errors} errors")
        each = (running.cpu() - start) / tally.requests
        if math.isnan(each) or each >= before * ENOUGH:
            break
        before = each
    return tally.requests / tally.seconds
