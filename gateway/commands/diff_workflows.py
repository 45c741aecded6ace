"""What changes for callers of chains and graphs, and in their tools, between two configurations."""

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.commands.words import duration

Sentence = tuple[bool, str]
"""Whether a request may fail now, or be answered by another, and what is different."""
_WHO_ANSWERS = frozenset(("type", "model", "chain", "graph", "function", "template", "url", "start", "from", "to"))
"""Fields that say who answers, or in which order they are asked."""


def workflow_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Sentence]:
    """The changes between chains, graphs and tools (`chain:polish`, `tool:find`), as plain values."""
    for name in old:
        if name not in new:
            yield not name.startswith("tool:"), f"{name} is gone"  # no caller asks for a tool
    for name, now in new.items():
        if name not in old:
            yield False, f"{name} is new"
        elif (before := old[name]) != now:
            yield from _changed(name, before, now)


def _changed(name: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Sentence]:
    one, other = dict(_fields(before)), dict(_fields(now))
    timeout = one.pop("timeout", None), other.pop("timeout", None)
    if timeout[0] != timeout[1]:
        was, is_ = ("the default" if seconds is None else duration(seconds) for seconds in timeout)
        tighter = timeout[1] is not None and (timeout[0] is None or timeout[1] < timeout[0])
        yield tighter, f"{name}: its timeout is {is_}, before {was}"
    paths = [path for path in {**one, **other} if one.get(path) != other.get(path)]
    for breaking in (True, False):
        told = [path for path in paths if (path.rpartition(".")[2] in _WHO_ANSWERS) is breaking]
        if told:
            yield breaking, f"{name}: {', '.join(told)} changed"


def _fields(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of plain values by path. What has a `name` in a list stands under it: `steps.draft.prompt`."""
    if isinstance(value, dict) and value:
        for name, item in value.items():
            yield from _fields(item, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for number, item in enumerate(value):
            called = item.get("name") if isinstance(item, dict) else None
            yield from _fields(item, f"{path}.{called}" if called else f"{path}[{number}]")
    else:
        yield path, value
