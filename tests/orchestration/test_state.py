"""What a new output does to the state."""

from typing import Any

import pytest

from gateway.orchestration.state import Reducer, is_a
from gateway.seam import UpstreamError


@pytest.mark.parametrize(
    ("reduce", "old", "new", "value"),
    [
        ("replace", 1, "x", "x"),
        ("append", [], 1, [1]),
        ("append", [1], [2], [1, [2]]),
        ("add", 0, 2, 2),
        ("add", 1, 0.5, 1.5),
        ("add", "a", "b", "ab"),
        ("add", [1], [2], [1, 2]),
    ],
)
def test_reducers(reduce: str, old: Any, new: Any, value: Any) -> None:
    before = old.copy() if isinstance(old, list) else old
    assert Reducer(reduce).reduced("n", old, new) == value
    assert old == before, "what was there is not altered"


@pytest.mark.parametrize(("old", "new"), [(0, "x"), ("x", 0), ([], "x"), (0, True), (0, None)])
def test_what_cannot_be_added(old: Any, new: Any) -> None:
    with pytest.raises(UpstreamError, match="'n' in the state is a sum"):
        Reducer("add").reduced("n", old, new)


def test_the_type_of_the_value() -> None:
    assert Reducer("append", "array").reduced("n", [], 1) == [1]
    with pytest.raises(UpstreamError, match="'n' in the state must be of type integer, found 'x'"):
        Reducer("replace", "integer").reduced("n", None, "x")


@pytest.mark.parametrize(
    ("value", "kinds"),
    [
        ("x", {"string"}),
        (1, {"integer", "number"}),
        (1.0, {"integer", "number"}),
        (1.5, {"number"}),
        (True, {"boolean"}),
        ([], {"array"}),
        ({}, {"object"}),
        (None, set()),
    ],
)
def test_types(value: Any, kinds: set[str]) -> None:
    every = {"string", "integer", "number", "boolean", "array", "object"}
    assert {kind for kind in every if is_a(value, kind)} == kinds
