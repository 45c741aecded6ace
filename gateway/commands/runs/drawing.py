"""A chain or graph as it runs: its steps as boxes, lit by how they stand, and the ways that were taken."""

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text

from gateway.commands.runs.canvas import HEAVY, LIGHT, Canvas
from gateway.commands.runs.layout import DETAIL, EDGE, Box, Layout
from gateway.commands.runs.plan import Plan, Way
from gateway.commands.runs.story import Scope, Status
from gateway.commands.runs.words import COLOURS, MARKS, fitted, one_line, took
from gateway.orchestration.settings import END

_COLD, _TAKEN, _HOT = 0, 1, 2
_HEATS = {_COLD: "bright_black", _TAKEN: "green", _HOT: "bold cyan"}
_TURNING = "◐◓◑◒"
_TURNS = 8
"""A second."""
_BORDERS = {False: ("╭", "─", "╮", "│", "╰", "╯"), True: ("┏", "━", "┓", "┃", "┗", "┛")}
"""Of a box, and of one whose step runs."""


def drawn(layout: Layout, plan: Plan, scope: Scope, ended: Status | None, now: float) -> list[Text]:
    """The lines of a drawing at the time `now` (unix seconds). `ended` is how what is drawn came out, None: it runs."""
    canvas = Canvas(layout.width, layout.height)
    for way, corners in layout.wires.items():
        heat = _heat(way, plan, scope, ended)
        canvas.line(corners, HEAVY if heat else LIGHT, heat)
    for name, box in layout.boxes.items():
        status = _status(name, plan, scope, ended)
        _box(canvas, box, _label(name, box, scope, status, layout.details, now), status, layout.tall)
    return canvas.lines(lambda heat: Style.parse(_HEATS[heat]))


def _heat(way: Way, plan: Plan, scope: Scope, ended: Status | None) -> int:
    taken = way in scope.taken if plan.graph else _followed(way, scope, ended)
    if not taken:
        return _COLD
    target = scope.steps.get(way.target)
    running = target is not None and bool(target.running)
    return _HOT if running and way.source in scope.came.get(way.target, (way.source,)) else _TAKEN


def _followed(way: Way, scope: Scope, ended: Status | None) -> bool:
    """Whether a chain went this way: both its ends ran."""
    source = scope.steps.get(way.source)
    if source is None or source.status == "cancelled":
        return False
    return way.target in scope.steps or (way.target == END and source.status == "completed" == ended)


def _status(name: str, plan: Plan, scope: Scope, ended: Status | None) -> Status | None:
    if name == END:
        came = any(_heat(way, plan, scope, ended) for way in plan.ways if way.target == END)
        return "completed" if came else None
    seen = scope.steps.get(name)
    return seen.status if seen is not None else None


def _label(name: str, box: Box, scope: Scope, status: Status | None, details: bool, now: float) -> Text:
    mark = _TURNING[int(now * _TURNS) % len(_TURNING)] if status == "running" else MARKS[status]
    label = fitted(one_line(name), box.room)
    detail = _detail(name, scope, now) if details else ""
    room = box.width - EDGE - cell_len(label)
    text = f" {mark} {label}{detail.rjust(room)} "
    style = COLOURS[status] + (" reverse" if status == "running" else "")
    return Text(text, style=style, end="")


def _detail(name: str, scope: Scope, now: float) -> str:
    """How long a step took the last time, or has been running; and how often it was started, where more than once."""
    seen = scope.steps.get(name)
    if seen is None or seen.last is None:
        return ""
    ms = max(0.0, now - seen.running[0].began) * 1000 if seen.running else seen.last.ms
    visits = f"×{seen.visits}" if seen.visits > 1 else ""
    return " ".join(filter(None, (took(ms), visits)))[: DETAIL - 1]


def _box(canvas: Canvas, box: Box, label: Text, status: Status | None, tall: bool) -> None:
    inner = box.width - 2
    if not tall:
        canvas.text(box.left, box.top, Text.assemble(" ", label, " ", end=""))
        return
    left, flat, right, side, low, end = _BORDERS[status == "running"]
    style = Style.parse(COLOURS[status])
    canvas.text(box.left, box.top, Text(left + flat * inner + right, style=style, end=""))
    canvas.text(box.left, box.top + 1, Text.assemble((side, style), label, (side, style), end=""))
    canvas.text(box.left, box.top + 2, Text(low + flat * inner + end, style=style, end=""))
