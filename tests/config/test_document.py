"""What YAML says, as plain values with their places."""

import re
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config.document import read_yaml
from gateway.config.filled import TOLD
from gateway.config.positions import Mark, Positions
from gateway.config.problems import Problem


def read(text: str) -> tuple[Any, Positions, list[Problem]]:
    positions = Positions()
    problems: list[Problem] = []
    return read_yaml(text, "f.yaml", positions, problems), positions, problems


def good(text: str) -> Any:
    value, _, problems = read(text)
    assert problems == []
    return value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("# nothing\n", None),
        ("---\n...\n", None),
        ("a: [1, -2, +3, 0, 1_000, 0x1F, 0o17]", {"a": [1, -2, 3, 0, 1000, 31, 15]}),
        ("a: [1.5, .5, 1e3, -2.5e-1, 1., 0.25]", {"a": [1.5, 0.5, 1000.0, -0.25, 1.0, 0.25]}),
        ("a: [true, True, FALSE, yes, No, on, OFF]", {"a": [True, True, False, True, False, True, False]}),
        ("a: [null, ~, Null, ]", {"a": [None, None, None]}),
        ("a: ['1', \"true\", 'null', '']", {"a": ["1", "true", "null", ""]}),
        # What surprises people in YAML 1.1 is text.
        ("a: [010, 1:30, 2024-01-01, 0.0.0.0, 1.2.3, 08, 00.5]",
         {"a": ["010", "1:30", "2024-01-01", "0.0.0.0", "1.2.3", "08", "00.5"]}),
        ("a: [y, n, Y, tRUE, nulL, 0b1, 1e, '-', _1]",
         {"a": ["y", "n", "Y", "tRUE", "nulL", "0b1", "1e", "-", "_1"]}),
        ("a: !!str 5\nb: !!int 5\nc: !!float 5\nd: !!map {}\ne: !!seq []\nf: ! 5",
         {"a": "5", "b": 5, "c": 5, "d": {}, "e": [], "f": "5"}),
        ("a: |\n  x\n  y\nb: >\n  x\n  y\n", {"a": "x\ny\n", "b": "x y\n"}),
    ],
)  # fmt: skip
def test_values(text: str, value: Any) -> None:
    assert good(text) == value


def test_names_are_text_as_they_are_written() -> None:
    assert good("yes: 1\n2024: 2\nnull: 3\n1.0: 4\n~: 5\n") == {"yes": 1, "2024": 2, "null": 3, "1.0": 4, "~": 5}
    assert good("&n name: 1\nb: {*n : 2}\n") == {"name": 1, "b": {"name": 2}}


def test_aliases_and_merges() -> None:
    assert good("a: &x {p: 1, q: 2}\nb: *x\nc: {<<: *x, q: 3}\n") == {
        "a": {"p": 1, "q": 2},
        "b": {"p": 1, "q": 2},
        "c": {"p": 1, "q": 3},
    }
    assert good("a: &x {p: 1}\nb: &y {p: 2, q: 2}\nc: {<<: [*x, *y], r: 3}\n")["c"] == {"p": 1, "q": 2, "r": 3}
    assert good("a: &x 1\nb: &x 2\nc: *x\n")["c"] == 2
    assert good("a: {'<<': 1}\n") == {"a": {"<<": 1}}  # quoted, it is a name


def test_places() -> None:
    _, positions, _ = read("a:\n  b: [x, {c: 1}]\n'd.e': {f: 2}\n")
    marks = {place: positions.find(place) for place in ("a", "a.b", "a.b[0]", "a.b[1]", "a.b[1].c", "d.e", "d.e.f")}
    assert marks == {
        "a": Mark("f.yaml", 1, 1),
        "a.b": Mark("f.yaml", 2, 3),
        "a.b[0]": Mark("f.yaml", 2, 7),
        "a.b[1]": Mark("f.yaml", 2, 10),
        "a.b[1].c": Mark("f.yaml", 2, 11),
        "d.e": Mark("f.yaml", 3, 1),
        "d.e.f": Mark("f.yaml", 3, 9),
    }


def test_a_name_that_stands_twice_keeps_its_first_value() -> None:
    value, _, problems = read("a: 1\nb: 2\na: 3\na: 4\n")
    assert value == {"a": 1, "b": 2}
    assert [(problem.place, problem.line) for problem in problems] == [("a", 3), ("a", 4)]


@pytest.mark.parametrize("text", [".nan", "-.inf", "1e400", "9" * 30, "0x" + "f" * 40, "!foo x", "!!python/name:os x"])
def test_what_is_told_is_not_told_again(text: str) -> None:
    value, _, problems = read(f"a: {text}\n")
    assert value["a"] is TOLD
    assert len(problems) == 1


def test_a_number_of_thousands_of_digits_is_told_in_short() -> None:
    _, _, problems = read(f"a: {'9' * 5000}\n")
    assert [len(str(problem)) < 200 for problem in problems] == [True]


def test_laughs_are_counted() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    value, _, problems = read("\n".join(lines))
    assert value is None
    assert [problem.message for problem in problems] == ["aliases make too much of this file"]
    assert good("a0: &a0 [x, x]\na1: &a1 [*a0, *a0]\na2: [*a1, *a1]\n")["a2"] == [[["x", "x"]] * 2] * 2


@pytest.mark.parametrize("text", ["[" * 200_000, "{a: " * 50_000, "- " * 50_000, "? " * 10_000, "&a [" * 1000])
def test_depth_is_bounded(text: str) -> None:
    value, _, problems = read(text)
    assert value is None
    assert "nested too deeply" in problems[0].message


TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=8)
TEXT = TEXT.filter(lambda text: not re.fullmatch(r"[-+]?[\d._]+[eE][-+]?\d+", text))  # PyYAML leaves 1e3 unquoted
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**62), 2**62) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT.filter(bool), inner, max_size=4),
    max_leaves=12,
)


@given(PLAIN)
@settings(max_examples=150, deadline=None)
def test_what_is_written_is_read(value: Any) -> None:
    for flow in (True, False):
        assert good(yaml.safe_dump(value, default_flow_style=flow, allow_unicode=True)) == value


@given(st.text(alphabet=":-?[]{}&*!|>'\"%@`#,\t\n ab1<~$.", max_size=40) | st.text(max_size=30))
@settings(max_examples=400, deadline=None)
def test_whatever_the_text_nothing_is_raised(text: str) -> None:
    value, _, problems = read(text)
    assert all(str(problem).startswith("f.yaml:") for problem in problems)
    if not problems:
        assert value is None or isinstance(value, str | int | float | bool | list | dict)
