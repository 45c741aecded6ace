"""Where the boxes of a drawing stand from left to right."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from gateway.commands.runs.plan import Way

GAP = 3
"""The cells between two boxes of a row."""


def places(found: list[list[str]], width: Mapping[str, int], ways: Sequence[Way]) -> dict[str, int]:
    """The left end of each box: near the middle of what it is joined to, beside the others of its row."""
    above: dict[str, list[str]] = {}
    below: dict[str, list[str]] = {}
    row = {name: number for number, names in enumerate(found) for name in names}
    for way in ways:
        if row[way.target] == row[way.source] + 1:
            above.setdefault(way.target, []).append(way.source)
            below.setdefault(way.source, []).append(way.target)
    middle = dict.fromkeys(row, 0.0)
    for rows_, joined in ((found, above), (found[::-1], below), (found, above)):
        for names in rows_:
            middle.update(zip(names, _spread(names, middle, width, joined), strict=True))
    left = {name: round(middle[name]) - width[name] // 2 for name in row}
    for names in found:  # rounding may have brought two too near
        for one, other in pairwise(names):
            left[other] = max(left[other], left[one] + width[one] + GAP)
    first = min(left.values())
    return {name: place - first for name, place in left.items()}


def _spread(
    names: Sequence[str], middle: Mapping[str, float], width: Mapping[str, int], joined: Mapping[str, Sequence[str]]
) -> list[float]:
    """Middles of a row as near as can be to those that its steps are joined to, in this order."""
    found: list[float] = []
    off: list[float] = []
    for number, name in enumerate(names):
        near = [middle[other] for other in joined.get(name, ())]
        wanted = sum(near) / len(near) if near else middle[name]
        least = found[-1] + (width[names[number - 1]] + width[name]) / 2 + GAP if found else wanted
        found.append(max(wanted, least))
        if near:
            off.append(found[-1] - wanted)
    shift = sum(off) / len(off) if off else 0.0
    return [place - shift for place in found]
