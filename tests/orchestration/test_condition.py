"""Conditions: what holds, and what is refused."""

from typing import Any

import pytest

from gateway.config.problems import ConfigError
from gateway.orchestration.condition import compile_condition
from gateway.orchestration.template import TemplateError

NAMES: dict[str, Any] = {
    "input": "I want a refund",
    "review": {"score": 2},
    "visits": {"answer": 1},
    "inputs": {},
    "long": "a" * 1_000_000,
    "many": list(range(1000)),
}


@pytest.mark.parametrize(
    ("source", "holds"),
    [
        ("'refund' in input", True),
        ("'refund' not in input", False),
        ("review.score < 3 and visits.answer < 3", True),
        ("review.score >= 3 or visits.answer == 1", True),
        ("input", True),
        ("not input", False),
        ("nope is defined", False),
        ("nope | default(5) > 4", True),
        ("input.lower().startswith('i want')", True),
        ("1 < review.score < 3", True),
        ("many | length", True),
        ("[]", False),
    ],
)
def test_what_holds(source: str, holds: bool) -> None:
    assert compile_condition(source, "here").holds(NAMES) is holds


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("{{ input }}", "a condition is an expression, not a template"),
        ("input ==", "it ends where more is expected"),
        ("input score", "'score' cannot stand here"),
        ("", "it ends where more is expected"),
        ("input.__class__", "'__class__' is private"),
        ("range(3)", "range() cannot be called"),
        ("input | center(9)", "the filter 'center' is not there"),
    ],
)
def test_what_is_refused(source: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compile_condition(source, "here")
    assert caught.value.problems[0].message == told
    assert caught.value.problems[0].cure


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("inputs.kind == 'a'", "here: inputs.kind is not defined; send it in `inputs`"),
        ("nope", "here: nope is not defined"),
        ("input < 3", "here: '<' not supported between instances of 'str' and 'int'"),
        ("long * 100000 == ''", "here: a text becomes longer than 4,194,304 characters; send less, or cut it"),
    ],
)
def test_what_cannot_be_decided(source: str, told: str) -> None:
    with pytest.raises(TemplateError) as caught:
        compile_condition(source, "here").holds(NAMES)
    assert str(caught.value) == told


def test_the_names_that_are_read() -> None:
    condition = compile_condition("a.b < 3 and c is defined", "here")
    assert (condition.variables, condition.required) == ({"a", "c"}, {"a"})
