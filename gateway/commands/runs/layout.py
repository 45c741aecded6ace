"""Where the steps of a plan stand in a drawing, and which way each line takes."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rich.cells import cell_len

from gateway.commands.runs.lanes import lanes
from gateway.commands.runs.overlap import Point, clear
from gateway.commands.runs.places import places
from gateway.commands.runs.plan import Plan, Way
from gateway.commands.runs.ranks import rows
from gateway.commands.runs.tracks import Leg, lines
from gateway.orchestration.settings import END

MOST = 60
"""How many steps are drawn; more are told in lines."""
DETAIL = 11
"""The cells that stand beside a name for its time and visits."""
_SIZES = ((True, 24), (True, 14), (False, 24), (False, 14), (False, 8), (False, 4))
"""What is tried, until the drawing is narrow enough: details or none, and the cells that a name may take."""
_SLANTS = (0, 2, -2, 5, -5, 8, -8, 11, -11)
"""By how many cells rows are moved against the one above, until no line is in the way of another."""
EDGE = 6
"""The cells of a box beside the name and the details: its borders, spaces and mark."""


class Box(NamedTuple):
    """Where a step stands, in cells from the top left; `room` is how many its name may take."""

    left: int
    top: int
    width: int
    room: int

    @property
    def middle(self) -> int:
        """The column in which ways come and go."""
        return self.left + self.width // 2


class Layout(NamedTuple):
    """A drawing without its state: boxes by name, and each way as the corners of a line; an arrow stands at its end."""

    boxes: Mapping[str, Box]
    wires: Mapping[Way, Sequence[Point]]
    width: int
    height: int
    details: bool
    tall: bool
    """Whether boxes have borders: three lines each."""


def laid_out(plan: Plan, width: int, *, tall: bool) -> Layout | None:
    """The drawing of a plan in so many cells; None where it is too large, or too tangled, to be read."""
    if not 0 < len(plan.steps) <= MOST:
        return None
    found = rows(plan)
    for details, most in _SIZES:
        for slant in _SLANTS:
            layout = _Drawing(plan, found, details=details, most=most, tall=tall, slant=slant).layout()
            if layout.width > width:
                break
            if clear(layout.wires):
                return layout
    return None


class _Drawing:
    def __init__(self, plan: Plan, found: list[list[str]], *, details: bool, most: int, tall: bool, slant: int) -> None:
        self._plan = plan
        self._rows = found
        self._details = details
        self._tall = tall
        self._row = {name: number for number, row in enumerate(found) for name in row}
        self._room = {name: min(cell_len(name), most) for name in self._row}
        # An odd number of cells has one in the middle.
        more = {name: DETAIL if details and name != END else 0 for name in self._row}
        self._width = {name: room + EDGE + more[name] | 1 for name, room in self._room.items()}
        unmoved = places(found, self._width, plan.ways)
        self._left = {name: left + slant * self._row[name] for name, left in unmoved.items()}
        self._lanes: dict[Way, int] = {}
        self._end = 0

    def layout(self) -> Layout:
        self._lay_lanes()
        legs: list[list[tuple[Way, Leg]]] = [[] for _ in range(len(self._rows) + 1)]
        for way in self._plan.ways:
            for channel, leg in self._legs(way):
                legs[channel].append((way, leg))
        tops: list[int] = []
        line: dict[tuple[Way, int], int] = {}
        arrows: list[int] = []
        y = 0
        for channel, within in enumerate(legs):
            numbers, count = lines([leg for _, leg in within])
            line |= {(way, channel): y + number for (way, _), number in zip(within, numbers, strict=True)}
            inner = 0 < channel < len(self._rows)
            height = count + int(inner or any(leg.below is not None for _, leg in within))
            y += height
            arrows.append(y - 1)
            if channel < len(self._rows):
                tops.append(y)
                y += 3 if self._tall else 1
        boxes = {
            name: Box(self._left[name], tops[row], self._width[name], self._room[name])
            for name, row in self._row.items()
        }
        wires = {way: self._wire(way, boxes, line, arrows) for way in self._plan.ways}
        return Layout(boxes, wires, self._end, y, self._details, self._tall)

    def _middle(self, name: str) -> int:
        return self._left[name] + self._width[name] // 2

    def _adjacent(self, way: Way) -> bool:
        return self._row[way.target] == self._row[way.source] + 1

    def _lay_lanes(self) -> None:
        """Find a lane for each way that does not lead to the next row, and move all so that the first column is 0."""
        ends = [(self._left[row[0]], self._left[row[-1]] + self._width[row[-1]]) for row in self._rows]
        self._lanes = lanes([way for way in self._plan.ways if not self._adjacent(way)], self._row, ends)
        first = min(*(low for low, _ in ends), *self._lanes.values(), 0)
        self._left = {name: left - first for name, left in self._left.items()}
        self._lanes = {way: column - first for way, column in self._lanes.items()}
        self._end = max(*(high for _, high in ends), *(column + 1 for column in self._lanes.values()), 0) - first

    def _legs(self, way: Way) -> list[tuple[int, Leg]]:
        """The parts of a way with their channels; channel n lies above row n."""
        start, end = self._middle(way.source), self._middle(way.target)
        below = self._row[way.target]
        lane = self._lanes.get(way)
        if lane is None:
            return [(below, Leg(start, end, way.source, way.target))]
        back = below <= self._row[way.source]
        out, into = Leg(start, lane, way.source, None, back), Leg(lane, end, None, way.target, back)
        return [(self._row[way.source] + 1, out), (below, into)]

    def _wire(
        self, way: Way, boxes: Mapping[str, Box], line: Mapping[tuple[Way, int], int], arrows: Sequence[int]
    ) -> list[Point]:
        source, target = boxes[way.source], boxes[way.target]
        start, end = source.middle, target.middle
        below = self._row[way.target]
        top = source.top + (3 if self._tall else 1)
        into = line[way, below]
        lane = self._lanes.get(way)
        if lane is None:
            return [(start, top), (start, into), (end, into), (end, arrows[below])]
        out = line[way, self._row[way.source] + 1]
        return [(start, top), (start, out), (lane, out), (lane, into), (end, into), (end, arrows[below])]
