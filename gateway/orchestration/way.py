"""What follows a node of a graph, and what a join waits for."""

from collections.abc import Sequence
from typing import NamedTuple

from gateway.orchestration.chain import Holds
from gateway.orchestration.settings import END


class Way(NamedTuple):
    """What follows a node where `holds` does (None: always). A way of several `sources` joins them."""

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    holds: Holds | None = None
    when: str | None = None
    """The condition as it is written."""

    @property
    def onward(self) -> list[str]:
        """The nodes that it leads to; none at the end."""
        return [target for target in self.targets if target != END]


class Reached(NamedTuple):
    """A way, and the nodes from which somebody may still come to it, where it is a join."""

    way: Way
    feeders: frozenset[str]


def ways_by_source(ways: Sequence[Way], failing: Sequence[Way]) -> dict[str, list[Reached]]:
    """Each node's ways, in their order. `failing` are those that failures take: nobody follows them of his own."""
    found: dict[str, list[Reached]] = {}
    for way in ways:
        reached = Reached(way, _feeders(way, (*ways, *failing)) if len(way.sources) > 1 else frozenset())
        for source in way.sources:
            found.setdefault(source, []).append(reached)
    return found


def _feeders(join: Way, ways: Sequence[Way]) -> frozenset[str]:
    """The nodes from which the sources of a join can be come to other than through it; they themselves too."""
    feeders = set(join.sources)
    grown = True
    while grown:
        found = {
            source for way in ways if way is not join and not feeders.isdisjoint(way.targets) for source in way.sources
        }
        grown = not found <= feeders
        feeders |= found
    return frozenset(feeders)
