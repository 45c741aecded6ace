"""YAML as plain values, and where each stands. What YAML allows and a configuration does not is told.

Names are always text, as they are written: `yes:` and `2024:` are names. Values follow YAML 1.1 as PyYAML reads it,
but for its surprises: `010` and `1:30` are no numbers, and `2024-01-01` is no date.
"""

import math
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from gateway.config.filled import TOLD
from gateway.config.positions import Mark, Positions
from gateway.config.problems import Problem
from gateway.config.syntax import unreadable

_FAST: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's parser where PyYAML was built with it: ten times as fast."""
_DEEPEST = 50
"""Levels of nesting; a configuration has ten."""
_MOST = 250_000
"""Values that aliases may make of a file; some 20,000 models."""
_TAG = "tag:yaml.org,2002:"
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_TRUTH = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}
_TRUTHS = {spelt: truth for text, truth in _TRUTH.items() for spelt in (text, text.capitalize(), text.upper())}
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9_]*|0x[0-9a-fA-F_]+|0o[0-7_]+)")
_DECIMAL = re.compile(r"[-+]?(?:(?:0|[1-9][0-9_]*)(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?")
_ENDLESS = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


class _Anchored(NamedTuple):
    value: Any
    size: int


class _Stop(Exception):
    """There is no sense in reading on; the problem is told."""


def read_yaml(text: str, file: str, positions: Positions, problems: list[Problem]) -> Any:
    """What a YAML text says. What is wrong is added to `problems`; None where nothing can be made of it."""
    return _Reader(text, file, positions, problems).read()


class _Reader:
    """Reads one text by the parser's events: no recursion beyond `_DEEPEST`, no value copied for an alias."""

    def __init__(self, text: str, file: str, positions: Positions, problems: list[Problem]) -> None:
        self._text = text
        self._file = file
        self._positions = positions
        self._problems = problems
        self._anchors: dict[str, _Anchored | None] = {}
        self._size = 0

    def read(self) -> Any:
        try:
            events = yaml.parse(self._text, _FAST)
            value, documents = None, 0
            for event in events:
                if isinstance(event, yaml.DocumentStartEvent):
                    documents += 1
                    if documents > 1:
                        self._tell("", event, "a second document begins here", cure="keep one; `include:` names more")
                        raise _Stop
                elif isinstance(event, yaml.NodeEvent):
                    value = self._value(event, events, "", 0)
        except yaml.YAMLError as error:
            self._problems.append(unreadable(self._text, self._file, error))
        except _Stop:
            pass
        else:
            return value
        return None

    def _value(self, event: Any, events: Iterator[Any], place: str, depth: int) -> Any:
        self._count(1, event, place)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, place)
        if depth > _DEEPEST:
            self._tell(place, event, "is nested too deeply", f"at most {_DEEPEST} levels")
            raise _Stop
        begun = self._size
        if event.anchor is not None:
            self._anchors[event.anchor] = None  # until it is complete
        if isinstance(event, yaml.ScalarEvent):
            value = self._scalar(event, place)
        else:
            value = self._collection(event, events, place, depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = _Anchored(value, self._size - begun + 1)
        return value

    def _collection(self, event: Any, events: Iterator[Any], place: str, depth: int) -> Any:
        mapping = isinstance(event, yaml.MappingStartEvent)
        if event.tag not in (None, "!", f"{_TAG}{'map' if mapping else 'seq'}"):
            self._tell_tag(event, place)
        return (self._mapping if mapping else self._sequence)(events, place, depth)

    def _sequence(self, events: Iterator[Any], place: str, depth: int) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            at = f"{place}[{len(items)}]"
            self._positions.add(at, self._mark(event))
            items.append(self._value(event, events, at, depth + 1))
        return items

    def _mapping(self, events: Iterator[Any], place: str, depth: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        lines: dict[str, int] = {}
        merged: list[Any] = []
        while not isinstance(key := next(events), yaml.MappingEndEvent):
            name = self._name(key, events, place, depth)
            at = "" if name is None else f"{place}.{name}" if place else name
            merges = name == "<<" and key.implicit[0]
            if name is not None and not merges and name not in values:
                self._positions.add(at, self._mark(key))
            value = self._value(event := next(events), events, at, depth + 1)
            if merges:
                merged += self._merged(value, event, place)
            elif name in values:
                told = f"the name {name!r} stands here twice, first in line {lines[name]}"
                self._tell(at, key, told, cure="keep one")
            elif name is not None:
                values[name] = value
                lines[name] = key.start_mark.line + 1
        for defaults in merged:  # what stands here wins, then what was merged first
            values = {**defaults, **values}
        return values

    def _name(self, event: Any, events: Iterator[Any], place: str, depth: int) -> str | None:
        """A name in a mapping; None where it is none, and told."""
        if isinstance(event, yaml.ScalarEvent):
            if event.value:
                if event.anchor is not None:
                    self._anchors[event.anchor] = _Anchored(event.value, 1)
                return str(event.value)
            self._tell(place, event, "a name is empty", "a name before the colon")
            return None
        value = self._value(event, events, place, depth + 1)
        if isinstance(event, yaml.AliasEvent) and isinstance(value, str):
            return value
        kind = "a list" if isinstance(value, list) else "a mapping" if isinstance(value, dict) else "an alias"
        self._tell(place, event, "a name is not plain text", "a plain name", kind)
        return None

    def _merged(self, value: Any, event: Any, place: str) -> list[Any]:
        """What `<<:` brings in, in the order in which it yields."""
        found = value if isinstance(value, list) else [value]
        if all(isinstance(each, dict) for each in found):
            return found
        self._tell(place, event, "`<<` merges blocks only", "an alias of a block, or a list of such")
        return []

    def _alias(self, event: Any, place: str) -> Any:
        name = event.anchor
        if name not in self._anchors:
            near = f"anchors are {', '.join(self._anchors)}" if self._anchors else "there are no anchors above"
            self._tell(place, event, f"the alias *{name} has no anchor &{name} above it", cure=near)
            raise _Stop
        anchored = self._anchors[name]
        if anchored is None:
            self._tell(place, event, f"the alias *{name} stands inside its own anchor &{name}")
            raise _Stop
        self._count(anchored.size, event, place)
        return anchored.value

    def _scalar(self, event: Any, place: str) -> Any:
        text: str = event.value
        if event.tag in ("!", f"{_TAG}str") or (event.tag is None and not event.implicit[0]):
            return text
        if event.tag not in (None, f"{_TAG}null", f"{_TAG}bool", f"{_TAG}int", f"{_TAG}float"):
            self._tell_tag(event, place)
            return TOLD
        if text in _NULLS:
            return None
        if text in _TRUTHS:
            return _TRUTHS[text]
        if _INTEGER.fullmatch(text) and len(text) < 100:
            return self._number(int(text.replace("_", ""), 0), text, event, place)
        if _ENDLESS.fullmatch(text) or _DECIMAL.fullmatch(text):
            plain = text.replace("_", "").lower()
            return self._number(float(plain.replace(".inf", "inf").replace(".nan", "nan")), text, event, place)
        return text

    def _number(self, number: float, text: str, event: Any, place: str) -> Any:
        if math.isfinite(number) and abs(number) < 2**63:
            return number
        shown = text if len(text) <= 30 else f"{text[:30]}…"
        self._tell(place, event, "", "a finite number of at most 19 digits", shown, "put it in quotes if it is text")
        return TOLD

    def _count(self, size: int, event: Any, place: str) -> None:
        self._size += size
        if self._size > _MOST:
            self._tell(place, event, "aliases make too much of this file", f"at most {_MOST} values")
            raise _Stop

    def _tell_tag(self, event: Any, place: str) -> None:
        tag = event.tag.replace(_TAG, "!!")
        self._tell(place, event, f"the tag {tag} is not known here", "a plain value", cure="take the tag out")

    def _tell(self, place: str, event: Any, message: str, expected: str = "", found: str = "", cure: str = "") -> None:
        self._problems.append(Problem(place, message, expected, found, cure, *self._mark(event)))

    def _mark(self, event: Any) -> Mark:
        return Mark(self._file, event.start_mark.line + 1, event.start_mark.column + 1)
