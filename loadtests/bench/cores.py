"""Which core does what: the subject alone on one, load generator and upstream on what is left."""

import contextlib
import os
import resource
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Cores:
    """Sets of cores by rôle; all equal when there is only one core."""

    subject: frozenset[int]
    load: frozenset[int]
    upstream: frozenset[int]

    @classmethod
    def here(cls) -> "Cores":
        """Share out the cores that this process may use."""
        return cls.of(sorted(os.sched_getaffinity(0)))

    @classmethod
    def of(cls, cores: list[int]) -> "Cores":
        """The last core is the subject's, the first the load's; the upstream has its own where there are three."""
        first, last = frozenset(cores[:1]), frozenset(cores[-1:])
        return cls(subject=last, load=first, upstream=frozenset(cores[1:2]) if len(cores) > 2 else first)

    def sentence(self) -> str:
        """How the cores were shared out, for the report."""
        if self.subject == self.load:
            return "one core for everything: read the ratios, not the rates"
        return (
            f"subject on core {min(self.subject)}, load on core {min(self.load)}, upstream on core {min(self.upstream)}"
        )


def busy(cores: frozenset[int]) -> float:
    """Seconds that these cores have worked for anybody since the machine started, what its host took included."""
    ticks = 0
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name.startswith("cpu") and name[3:].isdigit() and int(name[3:]) in cores:
            user, nice, system, _idle, _waiting, *rest = map(int, fields[:8])
            ticks += user + nice + system + sum(rest)
    return ticks / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def on(cores: frozenset[int]) -> Iterator[None]:
    """Run on these cores meanwhile; processes started inside keep them."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def raise_descriptor_limit() -> None:
    """As many descriptors as the system allows, for this process and those that it starts."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
