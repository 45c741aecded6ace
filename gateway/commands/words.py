"""How the commands write amounts and tables."""

from collections.abc import Sequence

from gateway.config.runs import Runs

_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
_SIZES = (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10))


def duration(seconds: float) -> str:
    """Seconds as people write them in the file: `500ms`, `1m30s`, `2h`."""
    if seconds != int(seconds):
        return f"{seconds * 1000:g}ms" if seconds < 1 else f"{seconds:g}s"
    left = int(seconds)
    words = []
    for unit, length in _UNITS:
        count, left = divmod(left, length)
        if count:
            words.append(f"{count}{unit}")
    return "".join(words) or "0s"


def size(count: int) -> str:
    """Bytes as people write them in the file: `10MiB`."""
    for unit, length in _SIZES:
        if count >= length and count % length == 0:
            return f"{count // length}{unit}"
    return f"{count:,} bytes"


def timeouts(limits: dict[str, float | None]) -> str:
    """Timeouts in a line; one that is not set bounds nothing of its own."""
    return ", ".join(f"{name} {duration(value)}" for name, value in limits.items() if value is not None)


def runs(settings: Runs) -> str:
    """What becomes of the records of runs."""
    where = f"in the database for {duration(settings.ttl)}" if settings.keep else "the newest 1,000 in memory, for 1h"
    contents = f"contents up to {size(settings.contents)}" if settings.contents else "no contents"
    return f"{where}; {contents}"


def columns(rows: Sequence[Sequence[str]], indent: int = 2) -> list[str]:
    """Rows in columns that line up; a column that is empty in all of them takes no room."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True) if width]
        lines.append((" " * indent + "  ".join(cells)).rstrip())
    return lines
