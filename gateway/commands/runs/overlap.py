"""Whether a drawing can be read: no two ways run along one line unless they leave one step, or lead into one."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from gateway.commands.runs.plan import Way

Point = tuple[int, int]


def clear(wires: Mapping[Way, Sequence[Point]]) -> bool:
    """Whether the lines, each given by its corners, tell of no way that there is not."""
    along: dict[tuple[Point, Point], list[Way]] = {}
    for way, corners in wires.items():
        for piece in _pieces(corners):
            others = along.setdefault(piece, [])
            if any(way.source != other.source and way.target != other.target for other in others):
                return False
            others.append(way)
    return True


def _pieces(corners: Sequence[Point]) -> Iterator[tuple[Point, Point]]:
    """A line as steps from one cell to the next one right or below."""
    for (x, y), (to_x, to_y) in pairwise(corners):
        low, high = sorted((x, to_x))
        yield from (((column, y), (column + 1, y)) for column in range(low, high))
        low, high = sorted((y, to_y))
        yield from (((to_x, line), (to_x, line + 1)) for line in range(low, high))
