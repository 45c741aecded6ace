"""Cells in columns that line up, wide characters and all."""

from collections.abc import Collection, Sequence

from rich.cells import cell_len
from rich.text import Text

GAP = 2


def aligned(rows: Sequence[Sequence[Text]], width: int | None, right: Collection[int] = ()) -> list[Text]:
    """The rows as lines; of so many cells at most, where `width` is given. `right` are columns flush right.

    A column that is empty in all rows takes no room.
    """
    widths = [max(cell_len(cell.plain) for cell in column) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        line = Text(no_wrap=True, overflow="ellipsis")
        for number, (cell, room) in enumerate(zip(row, widths, strict=True)):
            if not room:
                continue
            pad = " " * (room - cell_len(cell.plain))
            line.append(pad if number in right else "").append_text(cell)
            line.append(("" if number in right else pad) + " " * GAP)
        line.rstrip()
        if width is not None:
            line.truncate(width, overflow="ellipsis")
        lines.append(line)
    return lines


def head(*titles: str) -> list[Text]:
    """A row of titles."""
    return [Text(title, style="dim") for title in titles]
