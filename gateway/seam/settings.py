"""Value types for a component's `Settings`: durations and sizes as people write them."""

import re
from typing import Any, ClassVar

import msgspec

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
_NUMBER = r"[0-9]{1,15}(\.[0-9]{1,15})?"
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h|d)")
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)")
_LONGEST = 10**11
"""Seconds: some three thousand years. More is a mistake, and no timer takes infinity."""
_LARGEST = 2**60


class Duration(float):
    """Seconds. Written as a number of seconds, or as `500ms`, `30s`, `5m`, `1h`, `1h30m`, `7d`."""

    expected: ClassVar[str] = "a duration such as 500ms, 30s, 5m or 1h"
    pattern: ClassVar[str] = rf"^\s*({_NUMBER}|({_NUMBER}\s*(ms|s|m|h|d)\s*)+)\s*$"
    """What its texts look like."""

    @classmethod
    def parse(cls, value: object) -> "Duration":
        """Read a duration; raise ValueError where `value` is none."""
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _LONGEST:
            return cls(value)
        if isinstance(value, str) and re.fullmatch(cls.pattern, value):
            pieces = _DURATION.findall(value)  # of a bare number, as a variable may give it, there are none
            seconds = sum(float(number) * _SECONDS[unit] for number, unit in pieces) if pieces else float(value)
            if seconds <= _LONGEST:
                return cls(seconds)
        raise ValueError(f"expected {cls.expected}, found {value!r}")


class Size(int):
    """Bytes. Written as a number of bytes, or as `64KiB`, `10MiB`, `1GB`."""

    expected: ClassVar[str] = "a size such as 64KiB, 10MiB or 1GB"
    pattern: ClassVar[str] = rf"^\s*{_NUMBER}\s*([Bb]|[KkMmGg][Ii]?[Bb])?\s*$"
    """What its texts look like."""

    @classmethod
    def parse(cls, value: object) -> "Size":
        """Read a size; raise ValueError where `value` is none."""
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST:
            return cls(value)
        if isinstance(value, str) and re.fullmatch(cls.pattern, value):
            found = _SIZE.fullmatch(value.strip())
            if found is not None and (count := float(found[1]) * _BYTES[found[2].upper()]) <= _LARGEST:
                return cls(count)
        raise ValueError(f"expected {cls.expected}, found {value!r}")


class Settings(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The base of every component's settings: strict, so that a misspelt key is an error and not a surprise."""


def decode(kind: type, value: object) -> Any:
    """The hook by which msgspec reads types that read themselves: they have `parse`, which raises ValueError."""
    parse = getattr(kind, "parse", None)
    if parse is not None:
        return parse(value)
    raise NotImplementedError(f"no reader for {kind.__name__}")
