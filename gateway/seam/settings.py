"""Value types for a component's `Settings`: durations and sizes as people write them."""

import math
import re
from typing import Any

import msgspec

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)")


class Duration(float):
    """Seconds. Written as a number of seconds, or as `500ms`, `30s`, `5m`, `1h`, `1h30m`, `7d`."""

    @classmethod
    def parse(cls, value: object) -> "Duration":
        """Read a duration; raise ValueError where `value` is none."""
        if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 and math.isfinite(value):
            return cls(value)
        if isinstance(value, str):
            text = value.strip()
            pieces = _DURATION.findall(text)
            if pieces and _DURATION.sub("", text).strip() == "":
                return cls(sum(float(number) * _SECONDS[unit] for number, unit in pieces))
        raise ValueError(f"expected a duration such as 500ms, 30s, 5m or 1h, found {value!r}")


class Size(int):
    """Bytes. Written as a number of bytes, or as `64KiB`, `10MiB`, `1GB`."""

    @classmethod
    def parse(cls, value: object) -> "Size":
        """Read a size; raise ValueError where `value` is none."""
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return cls(value)
        if isinstance(value, str) and (found := _SIZE.fullmatch(value.strip())):
            unit = _BYTES.get(found[2].upper())
            if unit is not None:
                return cls(float(found[1]) * unit)
        raise ValueError(f"expected a size such as 64KiB, 10MiB or 1GB, found {value!r}")


class Settings(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The base of every component's settings: strict, so that a misspelt key is an error and not a surprise."""


def decode(kind: type, value: object) -> Any:
    """The hook by which msgspec reads `Duration` and `Size`."""
    if kind is Duration or kind is Size:
        return kind.parse(value)
    raise NotImplementedError(f"no reader for {kind.__name__}")
