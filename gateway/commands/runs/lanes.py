"""Lanes: columns beside the boxes, for ways that do not lead to the next row."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gateway.commands.runs.plan import Way

_APART = 2


class _Lane(NamedTuple):
    """What all ways back to, or ahead to, one step share."""

    back: bool
    target: str


def lanes(ways: Sequence[Way], rows: Mapping[str, int], ends: Sequence[tuple[int, int]]) -> dict[Way, int]:
    """The column of each way's lane: to the right of the boxes that it passes for ways back, to the left for others.

    `rows` are the numbers of the steps' rows, `ends` the first and last column of each row. Columns may be negative.
    """
    spans: dict[_Lane, tuple[int, int]] = {}
    for way in ways:
        # From the channel below its source to the one above its target; channel n lies above row n.
        low, high = sorted((rows[way.source] + 1, rows[way.target]))
        known = spans.get(_lane(way, rows), (low, high))
        spans[_lane(way, rows)] = (min(low, known[0]), max(high, known[1]))
    columns: dict[_Lane, int] = {}
    for lane, (low, high) in sorted(spans.items(), key=lambda item: item[1][1] - item[1][0]):
        step = _APART if lane.back else -_APART
        passed = ends[low:high]
        column = max(last for _, last in passed) + 1 if lane.back else min(first for first, _ in passed) + step
        beside = [columns[other] for other in columns if spans[other][0] <= high and low <= spans[other][1]]
        while any(abs(column - other) < _APART for other in beside):
            column += step // 2
        columns[lane] = column
    return {way: columns[_lane(way, rows)] for way in ways}


def _lane(way: Way, rows: Mapping[str, int]) -> _Lane:
    return _Lane(rows[way.target] <= rows[way.source], way.target)
