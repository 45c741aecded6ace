"""A graph's state: what a new output does to what is there."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from gateway.seam import UpstreamError

_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


class Reducer(NamedTuple):
    """One name of the state: how outputs are reduced to its value, what they must be, and how many of a list stay."""

    reduce: str = "replace"
    type: str | None = None
    last: int | None = None

    def reduced(self, name: str, old: Any, new: Any) -> Any:
        """The value after a node wrote `new`. Raises `UpstreamError`."""
        if self.reduce == "append":
            value: Any = [*old, new] if self.last is None else [*old, new][-self.last :]
        elif self.reduce == "add":
            value = _sum(name, old, new)
        else:
            value = new
        if self.type is not None and not is_a(value, self.type):
            raise _wrong(f"{name!r} in the state must be of type {self.type}, found {value!r:.60}")
        return value

    def goes_on(self, old: Any, first: Any) -> bool:
        """Whether what nodes write may go on from `old`; `first` is what the name is before any did."""
        if self.type is not None and not is_a(old, self.type):
            return False
        if self.reduce == "add":
            return _summed(old, first)
        return self.reduce != "append" or isinstance(old, list)


def is_a(value: Any, kind: str) -> bool:
    """Whether a value is of a JSON type."""
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES[kind])


def _summed(old: Any, new: Any) -> bool:
    """Whether the two have a sum."""
    return any(is_a(old, kind) and is_a(new, kind) for kind in ("number", "string", "array"))


def _sum(name: str, old: Any, new: Any) -> Any:
    if _summed(old, new):
        return old + new
    raise _wrong(f"{name!r} in the state is a sum: {new!r:.60} cannot be added to {old!r:.60}")


def _wrong(message: str) -> UpstreamError:
    return UpstreamError(f"{message}.", code="state_mistyped")
