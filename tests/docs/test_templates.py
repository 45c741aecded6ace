"""The page about templates: what it says that templates make is what they make, and nothing is left out."""

import json
import re
from pathlib import Path

import pytest

from gateway.orchestration.condition import compile_condition
from gateway.orchestration.filters import FILTERS, METHODS, TESTS
from gateway.orchestration.grammar import MOST
from gateway.orchestration.names import BUILT_IN
from gateway.orchestration.sandbox import _BITS, LARGEST, WORK
from gateway.orchestration.template import compile as compile_template

PAGE = (Path(__file__).parents[2] / "docs/templates.md").read_text()
NAMES = json.loads(re.findall(r"^```json\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[0])
ROW = re.compile(r"^\| `(.+?)` \| (?:`(.*)`|(yes|no)) \|$", re.MULTILINE)
ROWS = [(source.replace(r"\|", "|"), text, holds) for source, text, holds in ROW.findall(PAGE)]


@pytest.mark.parametrize(("source", "text"), [(source, text) for source, text, holds in ROWS if "{" in source])
def test_each_template_makes_what_is_said(source: str, text: str) -> None:
    assert compile_template(source, "here").render(NAMES) == text


@pytest.mark.parametrize(("source", "holds"), [(source, holds) for source, _, holds in ROWS if holds])
def test_each_condition_holds_as_is_said(source: str, holds: str) -> None:
    assert compile_condition(source, "here").holds(NAMES) is (holds == "yes")


def test_nothing_is_left_out() -> None:
    assert len([row for row in ROWS if row[2]]) == 5
    assert [name for name in FILTERS if not re.search(rf"\| {name}\b", PAGE)] == []
    assert [name for name in (*TESTS, *METHODS, *BUILT_IN) if f"`{name}`" not in PAGE] == []
    assert [bound for bound in (LARGEST, WORK, _BITS, MOST) if f"{bound:,}" not in PAGE] == []
