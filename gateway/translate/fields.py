"""A request's document as translations read it: what nobody takes is dropped, and named."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Raw

from gateway.seam.errors import InvalidRequest
from gateway.seam.request import Request
from gateway.wire.verbatim import INVALID

_decode = msgspec.json.Decoder(float_hook=lambda source: Raw(source.encode())).decode  # 1.00 stays 1.00
_PLAIN = re.compile(r"[\w-]{1,64}", re.ASCII)

Number = int | Raw
"""A number of the document: an integer, or another number's source text."""


class Fields:
    """One object of a document. Fields are taken by name; those that nobody took are named in `Reading.dropped`."""

    __slots__ = ("_left", "path", "reading")

    def __init__(self, reading: "Reading", value: dict[str, Any], path: str) -> None:
        self._left = dict(value)
        self.path = path
        self.reading = reading
        reading.met.append(self)

    def __contains__(self, name: str) -> bool:
        return self._left.get(name) is not None

    def at(self, name: str) -> str:
        """The path of a field."""
        if not _PLAIN.fullmatch(name):
            name = "*"  # paths stand in a header, and callers name fields
        return f"{self.path}.{name}" if self.path else name

    def peek(self, name: str) -> Any:
        """A field's value, which stays to be taken."""
        return self._left.get(name)

    def take(self, name: str) -> Any:
        """A field's value, of whatever type; None where it is absent or null."""
        return self._left.pop(name, None)

    def text(self, name: str) -> str | None:
        """A string. Raises `InvalidRequest` where it is something else."""
        value: str | None = self._typed(name, str, "a string")
        return value

    def needed(self, name: str) -> str:
        """A string that must be there."""
        value = self.text(name)
        if value is None:
            raise InvalidRequest(
                f"Missing required parameter: '{self.at(name)}'.",
                param=self.at(name),
                code="missing_required_parameter",
            )
        return value

    def flag(self, name: str) -> bool | None:
        """A boolean."""
        value: bool | None = self._typed(name, bool, "a boolean")
        return value

    def integer(self, name: str) -> int | None:
        """An integer."""
        value = self.take(name)
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        raise self.wrong(name, "an integer")

    def number(self, name: str) -> Number | None:
        """A number, as it was written."""
        value = self.take(name)
        if value is None or (isinstance(value, int | Raw) and not isinstance(value, bool)):
            return value
        raise self.wrong(name, "a number")

    def object(self, name: str) -> dict[str, Any] | None:
        """An object that goes on as it is."""
        value: dict[str, Any] | None = self._typed(name, dict, "an object")
        return value

    def fields(self, name: str) -> "Fields | None":
        """An object that is read in its turn."""
        value = self.object(name)
        return None if value is None else Fields(self.reading, value, self.at(name))

    def list(self, name: str) -> list[Any] | None:
        """An array that goes on as it is."""
        value: list[Any] | None = self._typed(name, list, "an array")
        return value

    def items(self, name: str) -> "Iterator[Fields]":
        """The objects of an array, each read in its turn. Raises `InvalidRequest` where one is no object."""
        for number, value in enumerate(self.list(name) or ()):
            place = f"{self.at(name)}[{number}]"
            if not isinstance(value, dict):
                raise InvalidRequest(f"'{place}' must be an object.", param=place, code="invalid_type")
            yield Fields(self.reading, value, place)

    def forget(self, name: str, *neutral: Any) -> None:
        """Pass over a field whose value is one of `neutral`: it says nothing that the other dialect lacks."""
        value = self._left.get(name)
        if any(value == this and type(value) is type(this) for this in neutral):
            del self._left[name]

    def drop(self, name: str) -> None:
        """A field cannot be carried; whether it was taken already does not matter."""
        self._left.pop(name, None)
        self.reading.drop(self.at(name))

    def give_up(self, kind: str) -> None:
        """Nothing of this object can be carried. It is named by the field that its type names, where it has one."""
        self.reading.drop(self.at(kind) if kind in self._left else self.path)
        self._left.clear()

    def left(self) -> Iterator[str]:
        """The paths of what nobody took and what says something."""
        return (self.at(name) for name, value in self._left.items() if value is not None and value != [])

    def wrong(self, name: str, expected: str) -> InvalidRequest:
        """The error of a field that is of another type."""
        return InvalidRequest(f"'{self.at(name)}' must be {expected}.", param=self.at(name), code="invalid_type")

    def _typed(self, name: str, kind: type, expected: str) -> Any:
        value = self.take(name)
        if value is None or type(value) is kind:
            return value
        raise self.wrong(name, expected)


class Reading:
    """One request being read."""

    __slots__ = ("_dropped", "body", "met")

    def __init__(self, request: Request) -> None:
        self.met: list[Fields] = []
        self._dropped: list[str] = []
        try:
            document = _decode(request.raw)
        except INVALID as error:
            raise InvalidRequest(f"The body is not valid JSON: {error}", code="invalid_json") from error
        if not isinstance(document, dict):
            raise InvalidRequest("The body is not a JSON object.")
        self.body = Fields(self, document, "")

    def drop(self, path: str) -> None:
        """What stands at `path` cannot be carried."""
        self._dropped.append(path)

    def dropped(self) -> tuple[str, ...]:
        """What was dropped, and what nobody took; each path once."""
        left = [path for fields in self.met for path in fields.left()]
        return tuple(dict.fromkeys([*self._dropped, *left]))


def value_of(number: Number) -> float:
    """A number's value."""
    return float(number) if isinstance(number, int) else float(bytes(number))


def missing(path: str) -> InvalidRequest:
    """The error of a field that must be there."""
    return InvalidRequest(f"Missing required parameter: '{path}'.", param=path, code="missing_required_parameter")


def too_deep() -> InvalidRequest:
    """The error of a document whose objects nest without end."""
    return InvalidRequest("The body is nested too deep.")
