import pytest
from rich.style import Style
from rich.text import Text

from gateway.commands.runs.canvas import HEAVY, LIGHT, Canvas


def shown(canvas: Canvas) -> list[str]:
    return [line.plain for line in canvas.lines(lambda heat: Style())]


def test_lines_meet() -> None:
    canvas = Canvas(9, 5)
    canvas.line([(4, 0), (4, 1), (0, 1), (0, 4)], LIGHT, 0)
    canvas.line([(4, 0), (4, 1), (8, 1), (8, 4)], LIGHT, 0)
    canvas.line([(2, 2), (2, 3), (8, 3), (8, 4)], LIGHT, 0)
    assert shown(canvas) == ["    │", "┌───┴───┐", "│ │     │", "│ └─────┤", "▽       ▽"]


def test_the_heavy_line_wins_where_two_share_a_cell() -> None:
    canvas = Canvas(9, 3)
    canvas.line([(4, 0), (4, 1), (0, 1), (0, 2)], LIGHT, 0)
    canvas.line([(4, 0), (4, 1), (8, 1), (8, 2)], HEAVY, 1)
    assert shown(canvas) == ["    ┃", "┌───┺━━━┓", "▽       ▼"]
    canvas.line([(4, 0), (4, 1), (0, 1), (0, 2)], HEAVY, 1)
    canvas.line([(4, 0), (4, 1), (8, 1), (8, 2)], LIGHT, 0)
    assert shown(canvas) == ["    ┃", "┏━━━┻━━━┓", "▼       ▼"]


@pytest.mark.parametrize("weights", [(a, b, c, d) for a in (1, 2) for b in (1, 2) for c in (1, 2) for d in (1, 2)])
def test_every_crossing_has_its_sign(weights: tuple[int, int, int, int]) -> None:
    import unicodedata

    canvas = Canvas(3, 3)
    for (x, y), weight in zip(((1, 0), (2, 1), (1, 2), (0, 1)), weights, strict=True):
        canvas.line([(1, 1), (x, y)], weight, 0)
    canvas._arrows.clear()
    canvas._sides[1, 1][27] = weights[0]  # a line comes into its first corner from above
    name = unicodedata.name(shown(canvas)[1][1])
    words = name.replace("VERTICAL", "UP DOWN").replace("HORIZONTAL", "RIGHT LEFT").split()
    if len(set(weights)) == 1:
        assert name == f"BOX DRAWINGS {'HEAVY' if weights[0] == 2 else 'LIGHT'} VERTICAL AND HORIZONTAL"
        return
    found: dict[str, int] = {}
    pile: list[str] = []
    for word in words:
        if word in ("UP", "RIGHT", "DOWN", "LEFT"):
            pile.append(word)
        elif word in ("LIGHT", "HEAVY"):
            found |= dict.fromkeys(pile, 1 + (word == "HEAVY"))
            pile.clear()
    assert tuple(found[side] for side in ("UP", "RIGHT", "DOWN", "LEFT")) == weights


def test_texts_stand_over_lines_and_wide_signs_take_two_cells() -> None:
    canvas = Canvas(10, 2)
    canvas.line([(9, 0), (9, 1)], LIGHT, 0)
    canvas.text(1, 0, Text("漢字 x"))
    assert shown(canvas) == [" 漢字 x  │", "         ▽"]
