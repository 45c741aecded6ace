"""One picture of a run as it goes: a headline, the drawing, its latest steps, and at the end the answer."""

from collections import deque
from collections.abc import Iterator

from rich.text import Text

from gateway.commands.runs.drawing import drawn
from gateway.commands.runs.layout import Layout, laid_out
from gateway.commands.runs.plan import Plan, fits, plan, seen
from gateway.commands.runs.shown import ending, headline
from gateway.commands.runs.steps import step_lines
from gateway.commands.runs.story import Scope, Status, Story
from gateway.commands.runs.words import one_line, short
from gateway.config.schema import Config

_LEAST = 4
"""Lines that are kept for the latest steps."""
_LAST = 40
"""How many steps stand in the last picture."""


class Frames:
    """Pictures of one run. `config` tells what can happen in it; without, what has happened is drawn."""

    def __init__(self, config: Config | None, identifier: str) -> None:
        self._config = config
        self._identifier = identifier
        self._known: dict[str, Plan | None] = {}
        self._layouts: dict[tuple[Plan, int, bool], Layout | None] = {}

    def live(self, story: Story, width: int, height: int, now: float, note: str = "") -> list[Text]:
        """A picture of at most `height` lines of `width` cells; `note` is said beside the headline."""
        lines = self._head(story, width, now, note)
        left = height - len(lines)
        for drawing in self._drawings(story, width, left - _LEAST, now):
            lines += drawing
        left = height - len(lines)
        lines += step_lines(deque(story.all(), max(0, left)), width)
        return lines[:height]

    def last(self, story: Story, width: int, height: int, now: float, note: str = "") -> list[Text]:
        """The picture that stays: the answer in full, and as much of the rest as a screen and a half can hold."""
        lines = self._head(story, width, now, note)
        for drawing in self._drawings(story, width, height, now):
            lines += drawing
        if story.steps > _LAST:
            how = f"gateway runs show {self._identifier}"
            lines.append(Text(f"{story.steps - _LAST:,} steps before; all: {how}", style="dim"))
        lines += step_lines(deque(story.all(), _LAST), width)
        found = list(ending(story))
        return [*lines, Text(), *found] if found else lines

    def _head(self, story: Story, width: int, now: float, note: str) -> list[Text]:
        line = headline(story, self._identifier, story.took(now), width)
        lines = [line]
        if note:
            lines.append(Text(note, style="yellow", no_wrap=True, overflow="ellipsis"))
        if story.input is not None:
            lines.append(Text(short(story.input, width), style="dim", no_wrap=True))
        return [*lines, Text()]

    def _drawings(self, story: Story, width: int, height: int, now: float) -> Iterator[list[Text]]:
        """The run's own drawing, and those of the graphs within it, as long as there is room."""
        for path, scope in story.scopes.items():
            if height <= 0:
                return
            if path and not scope.graph:
                continue
            what = self._plan(scope)
            title = [Text(one_line(f"{path}  {scope.model or ''}".rstrip()), style="dim")] if path else []
            layout = self._layout(what, width, height - len(title) - 1) if what is not None else None
            if what is not None and layout is not None:
                lines = [*title, *drawn(layout, what, scope, _ended(story, path), now), Text()]
                height -= len(lines)
                yield lines

    def _plan(self, scope: Scope) -> Plan | None:
        if scope.model is not None and self._config is not None:
            if scope.model not in self._known:
                self._known[scope.model] = plan(self._config, scope.model)
            known = self._known[scope.model]
            if known is not None and fits(known, scope):
                return known
        return seen(scope)

    def _layout(self, what: Plan, width: int, height: int) -> Layout | None:
        """The drawing with borders if there is room, else without; None where it is too large for either."""
        for tall in (True, False):
            key = (what, width, tall)
            if key not in self._layouts:
                if len(self._layouts) > 100:  # of a graph that shows itself bit by bit
                    self._layouts.clear()
                self._layouts[key] = laid_out(what, width, tall=tall)
            layout = self._layouts[key]
            if layout is not None and layout.height <= height:
                return layout
        return None


def _ended(story: Story, path: str) -> Status | None:
    """How the run, or the step at this path, came out; None while it runs."""
    if not path:
        return story.status if story.over else None
    above, _, name = path.rpartition("/")
    step = story.scopes[above].steps.get(name) if above in story.scopes else None
    status = step.status if step is not None else None
    return status if status != "running" else None
