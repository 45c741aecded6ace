"""Lines of box-drawing characters that meet as they should.

Each cell knows which of its four sides a line leaves by, and how heavy that is; the character follows
(https://www.unicode.org/charts/PDF/U2500.pdf). Heavy lines are seen without colours too.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text

# By the weights (none, light, heavy) of up, right, down and left, as digits to the base of three.
_SIGNS = " ╴╸╷┐┑╻┒┓╶─╾┌┬┭┎┰┱╺╼━┍┮┯┏┲┳╵┘┙│┤┥╽┧┪└┴┵├┼┽┟╁╅┕┶┷┝┾┿┢╆╈╹┚┛╿┦┩┃┨┫┖┸┹┞╀╃┠╂╉┗┺┻┡╄╇┣╊╋"
_UP, _RIGHT, _DOWN, _LEFT = 27, 9, 3, 1
LIGHT, HEAVY = 1, 2
Heat = int
"""How much a cell stands out: that of the hottest line through it."""


class Canvas:
    """Cells by column and line."""

    def __init__(self, width: int, height: int) -> None:
        self._width = width
        self._sides: dict[tuple[int, int], dict[int, int]] = {}
        self._heat: dict[tuple[int, int], Heat] = {}
        self._texts: list[dict[int, Text]] = [{} for _ in range(height)]
        self._arrows: dict[tuple[int, int], int] = {}

    def line(self, corners: Sequence[tuple[int, int]], weight: int, heat: Heat) -> None:
        """Draw a line that comes from above into its first corner, with an arrow down at its last."""
        self._side(corners[0], _UP, weight, heat)
        for (x, y), (to_x, to_y) in pairwise(corners):
            step = (to_x > x) - (to_x < x), (to_y > y) - (to_y < y)
            out, back = _SIDES.get(step, (0, 0))
            while (x, y) != (to_x, to_y):
                self._side((x, y), out, weight, heat)
                x, y = x + step[0], y + step[1]
                self._side((x, y), back, weight, heat)
        self._arrows[corners[-1]] = max(self._arrows.get(corners[-1], 0), weight)

    def text(self, x: int, y: int, text: Text) -> None:
        """Write over what is there; what stands on one line must not overlap."""
        self._texts[y][x] = text

    def lines(self, style: Callable[[Heat], Style]) -> list[Text]:
        """The drawing; `style` says how cells look by their heat."""
        styles: dict[Heat | None, Style] = {heat: style(heat) for heat in set(self._heat.values())}
        return [self._line(y, texts, styles) for y, texts in enumerate(self._texts)]

    def _line(self, y: int, texts: dict[int, Text], styles: dict[Heat | None, Style]) -> Text:
        line = Text(no_wrap=True)
        x = 0
        same = ""  # cells of one look in a row: a piece for each would cost a terminal ten times as much
        heat: Heat | None = None
        while x < self._width:
            at = (x, y)
            if x in texts or self._heat.get(at) != heat:
                line.append(same, styles.get(heat))
                same, heat = "", self._heat.get(at)
            if x in texts:
                line.append_text(texts[x])
                x += max(1, cell_len(texts[x].plain))
            else:
                same += self._sign(at)
                x += 1
        line.append(same, styles.get(heat))
        line.rstrip()
        return line

    def _sign(self, at: tuple[int, int]) -> str:
        if at in self._arrows:
            return "▼" if self._arrows[at] == HEAVY else "▽"
        return _SIGNS[sum(side * weight for side, weight in self._sides.get(at, {}).items())]

    def _side(self, at: tuple[int, int], side: int, weight: int, heat: Heat) -> None:
        sides = self._sides.setdefault(at, {})
        sides[side] = max(sides.get(side, 0), weight)
        self._heat[at] = max(self._heat.get(at, 0), heat)


_SIDES = {(1, 0): (_RIGHT, _LEFT), (-1, 0): (_LEFT, _RIGHT), (0, 1): (_DOWN, _UP), (0, -1): (_UP, _DOWN)}
