"""The steps of a run as lines: a tree, in the order in which they were started."""

from collections.abc import Iterable, Iterator
from typing import Any

from rich.text import Text

from gateway.commands.runs.story import Did
from gateway.commands.runs.table import aligned
from gateway.commands.runs.words import COLOURS, MARKS, one_line, short, text_of, told, took

_SHORT = 60
"""How many cells of an input or output are shown where not all of it is."""
_RIGHT = (2, 3)

Steps = Iterable[tuple[int, Did]]


def step_lines(steps: Steps, width: int | None) -> list[Text]:
    """A line for each step: how it stands, its name, times, what it brought; steps within it are indented below."""
    rows = [_row(depth, did) for depth, did in steps]
    return aligned(rows, width, _RIGHT) if rows else []


def told_steps(steps: Steps, width: int | None, *, full: bool) -> Iterator[Text]:
    """The same with the edges that were taken, and with all that went in and came out where `full`."""
    found = list(steps)
    open_: list[tuple[int, Did]] = []  # steps whose inner ones are told before their edges
    for (depth, did), line in zip(found, step_lines(found, width), strict=True):
        while open_ and open_[-1][0] >= depth:
            yield from _edges(*open_.pop())
        yield line
        if full:
            yield from _block(f"{_indent(depth)}input   ", did.input)
            yield from _block(f"{_indent(depth)}output  ", did.output)
        open_.append((depth, did))
    while open_:
        yield from _edges(*open_.pop())


def _edges(depth: int, did: Did) -> Iterator[Text]:
    for edge in did.edges:
        others = [one_line(name) for name in edge.from_ if name != did.name]
        joined = f" (with {', '.join(others)})" if others else ""
        when = f"  if {one_line(edge.when)}" if edge.when else ""
        yield Text(f"{_indent(depth)}→ {', '.join(map(one_line, edge.to))}{joined}{when}", style="dim", no_wrap=True)


def _indent(depth: int) -> str:
    return "  " * depth + "    "


def _row(depth: int, did: Did) -> list[Text]:
    style = COLOURS[did.status]
    name = Text("  " * depth).append(f"{MARKS[did.status]} ", style=style)
    name.append(one_line(did.name), style="bold" if did.status == "running" else "")
    what = one_line(" ".join(filter(None, (did.kind, did.model))))
    if did.kind in ("chain", "graph") and did.model is not None:
        what = one_line(did.model)
    total = did.usage.total_tokens if did.usage is not None else 0
    result = (
        Text(told(did.error), style="red") if did.error is not None else Text(short(did.output, _SHORT), style="dim")
    )
    return [name, Text(what, style="dim"), Text(took(did.ms)), Text(f"{total:,}" if total else ""), result]


def _block(label: str, value: Any) -> Iterator[Text]:
    """A value on lines of its own, indented."""
    if value is None:
        return
    for number, line in enumerate(text_of(value).splitlines() or [""]):
        yield Text(label if number == 0 else " " * len(label), style="dim").append(line, style="not dim")
