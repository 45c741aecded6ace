"""A number that a JSON schema allows."""

import math
from fractions import Fraction
from typing import Any

from gateway.providers.mock.schema_merge import Members, SchemaError

_MOST = 2**63 - 1


def integer(members: Members, number: int) -> int:
    """An integer within the schema's bounds; another for another `number`, where there is one."""
    step = _step(members)
    found = _multiple(members, Fraction(1 if step is None else step.numerator), number)
    if not -_MOST <= found <= _MOST:
        raise SchemaError("its bounds are beyond 64 bits")
    return int(found)


def decimal(members: Members, number: int) -> float:
    """A number within the schema's bounds; another for another `number`, where there is one."""
    step = _step(members)
    if step is not None:
        return _plain(_multiple(members, step, number))
    least, most = _bounds(members)
    if least is None and most is None:
        return 1.5 + number
    if least is None or most is None:
        edge = least if most is None else most
        assert edge is not None
        wanted = edge + (1 + number if most is None else -1 - number)
        return _plain(wanted)
    if least == most and not _open(members):
        return _plain(least)
    if least >= most:
        raise SchemaError(f"no number is between {_plain(least)} and {_plain(most)}")
    return _plain(least + (most - least) * Fraction(number % 1000 + 1, number % 1000 + 2))


def _plain(value: Fraction) -> float:
    try:
        return int(value) if value.denominator == 1 and abs(value) <= _MOST else float(value)
    except OverflowError as error:
        raise SchemaError("its bounds are beyond what a number can hold") from error


def _multiple(members: Members, step: Fraction, number: int) -> Fraction:
    least, most = _bounds(members)
    first = None if least is None else _inside(least / step, 1, _exclusive(members, "minimum", "exclusiveMinimum"))
    last = None if most is None else _inside(most / step, -1, _exclusive(members, "maximum", "exclusiveMaximum"))
    if first is not None and last is not None:
        if first > last:
            raise SchemaError("no number fits its bounds")
        count = last - first + 1
        start = min(max(1, first), last) - first
        return step * (first + (start + number) % count)
    if last is not None:
        return step * (min(1, last) - number)
    return step * (max(1, first if first is not None else 1) + number)


def _inside(edge: Fraction, direction: int, exclusive: bool) -> int:
    """The whole number next to the edge that is still inside."""
    whole = math.ceil(edge) if direction > 0 else math.floor(edge)
    return whole + direction if exclusive and whole == edge else whole


def _bounds(members: Members) -> tuple[Fraction | None, Fraction | None]:
    least = [edge for name in ("minimum", "exclusiveMinimum") if (edge := _fraction(members.get(name))) is not None]
    most = [edge for name in ("maximum", "exclusiveMaximum") if (edge := _fraction(members.get(name))) is not None]
    return max(least, default=None), min(most, default=None)


def _exclusive(members: Members, name: str, exclusive: str) -> bool:
    """Whether the bound that counts is an exclusive one, in the spelling of this draft or of the fourth."""
    flag = members.get(exclusive)
    if flag is True:
        return True
    edge, other = _fraction(flag), _fraction(members.get(name))
    return edge is not None and (other is None or (edge >= other if name == "minimum" else edge <= other))


def _open(members: Members) -> bool:
    return _exclusive(members, "minimum", "exclusiveMinimum") or _exclusive(members, "maximum", "exclusiveMaximum")


def _step(members: Members) -> Fraction | None:
    step = _fraction(members.get("multipleOf"))
    return step if step is not None and step > 0 else None


def _fraction(value: Any) -> Fraction | None:
    """A number as it is written: 0.1 is a tenth."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return Fraction(str(value))
