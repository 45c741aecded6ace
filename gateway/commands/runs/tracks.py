"""Ways between two rows of a drawing share the lines of a channel: who takes which line.

This is channel routing: a net is what may share a line without telling of a way that there is not. Where a way comes
down into a column in which another one leaves it, the first must turn off above the second.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Leg(NamedTuple):
    """The part of a way that lies in one channel: from the column `start` to the column `end`.

    `above` is the step that it comes down from, `below` the one that it leads into; None: it comes from a lane, or
    leads to one. `back` says that this lane leads up again.
    """

    start: int
    end: int
    above: str | None
    below: str | None
    back: bool = False


class _Net:
    def __init__(self) -> None:
        self.columns: set[int] = set()
        self.tops: set[int] = set()
        self.bottoms: set[int] = set()

    def add(self, leg: Leg) -> None:
        self.columns |= {leg.start, leg.end}
        # A lane that leads up leaves where others come down, and comes to where others leave.
        (self.tops if leg.above is not None or not leg.back else self.bottoms).add(leg.start)
        (self.bottoms if leg.below is not None or not leg.back else self.tops).add(leg.end)

    @property
    def span(self) -> tuple[int, int]:
        return min(self.columns), max(self.columns)


def lines(legs: Sequence[Leg]) -> tuple[list[int], int]:
    """The line of each leg, from 0, and how many lines there are. A leg that goes straight down has line 0."""
    keys = _keys(legs)
    nets: dict[object, _Net] = {}
    for key, leg in zip(keys, legs, strict=True):
        nets.setdefault(key, _Net()).add(leg)
    turning = {key: net for key, net in nets.items() if len(net.columns) > 1}
    placed: dict[object, int] = {}
    taken: list[list[tuple[int, int]]] = []
    for key in _downwards(turning):
        low, high = turning[key].span
        line = max((placed[other] + 1 for other in placed if _over(turning[other], turning[key])), default=0)
        while line < len(taken) and any(low <= last + 1 and first <= high + 1 for first, last in taken[line]):
            line += 1
        while line >= len(taken):
            taken.append([])
        taken[line].append((low, high))
        placed[key] = line
    return [placed.get(key, 0) for key in keys], len(taken)


def _keys(legs: Sequence[Leg]) -> list[object]:
    """The net of each leg: ways from one step share a line, and of the others those into one."""
    branching: dict[str, set[tuple[int, str | None]]] = {}
    for leg in legs:
        if leg.above is not None:
            branching.setdefault(leg.above, set()).add((leg.end, leg.below))
    keys: list[object] = []
    for leg in legs:
        if leg.above is not None and len(branching[leg.above]) > 1:
            keys.append(("from", leg.above))
        elif leg.below is not None:
            keys.append(("into", leg.below))
        else:
            keys.append(("lane", leg.end))
    return keys


def _downwards(nets: dict[object, _Net]) -> Iterable[object]:
    """The nets, each after those that must turn off above it. Where they go round in a ring, the ring is broken."""
    left = dict(nets)
    while left:
        free = (key for key in left if not any(_over(left[other], left[key]) for other in left if other != key))
        key = next(free, None)
        if key is None:
            key = next(iter(left))
        del left[key]
        yield key


def _over(one: _Net, other: _Net) -> bool:
    """Whether `one` comes down in a column in which `other` goes on down."""
    return one is not other and not one.tops.isdisjoint(other.bottoms)
