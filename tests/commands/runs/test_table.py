from rich.text import Text

from gateway.commands.runs.table import aligned, head


def plain(rows: list[list[str]], width: int | None = None, right: tuple[int, ...] = ()) -> list[str]:
    return [line.plain for line in aligned([[Text(cell) for cell in row] for row in rows], width, right)]


def test_columns_line_up() -> None:
    assert plain([["a", "1", "x"], ["long", "100", ""]], right=(1,)) == ["a       1  x", "long  100"]


def test_wide_signs_take_two_cells() -> None:
    assert plain([["漢字", "x"], ["abc", "y"]]) == ["漢字  x", "abc   y"]


def test_a_column_that_is_empty_takes_no_room() -> None:
    assert plain([["a", "", "x"], ["b", "", "y"]]) == ["a  x", "b  y"]


def test_lines_are_cut_to_the_width() -> None:
    assert plain([["a" * 10, "b" * 10]], 15) == ["aaaaaaaaaa  bb…"]


def test_titles() -> None:
    assert [cell.plain for cell in head("A", "")] == ["A", ""]
