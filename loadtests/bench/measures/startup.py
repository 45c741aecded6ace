"""Start: from the command to the first answer of a model."""

import time

from loadtests.bench.figures import Figures
from loadtests.bench.measure import Column, Measure
from loadtests.bench.subject import Running


class Startup(Measure):
    """A subject just started, asked as soon as it listens."""

    name = "startup"
    title = "Start: until the first answer"
    columns = (
        Column("answer", "first answer s", 1, 2, ratio=True),
        Column("cpu", "CPU s until then", 1, 2),
    )
    fresh = True
    proxies_only = True
    rounds = 3

    def prepare(self, running: Running) -> None:
        """Nothing: the first request is what is measured."""

    def take(self, running: Running) -> Figures:
        """Seconds since the command was started."""
        assert running.processes is not None
        running.prove()
        return {"answer": time.monotonic() - running.processes.began, "cpu": running.cpu()}
