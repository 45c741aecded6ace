"""What the environment fills in."""

from typing import Any

import pytest

from gateway.config.filled import TOLD, Filled
from gateway.config.load import parse
from gateway.config.problems import ConfigError, Problem
from gateway.config.variables import Variables


def filled(value: Any, path: tuple[str | int, ...] = (), **environment: str) -> tuple[Any, list[Problem]]:
    problems: list[Problem] = []
    return Variables(environment, problems, {}).fill(value, path), problems


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("${A}", "x"),
        ("${A}-${A}", "x-x"),
        ("${A:-d}", "x"),
        ("${NONE:-d}", "d"),
        ("${EMPTY:-d}", "d"),
        ("${NONE:-}", ""),
        ("a${NONE:-}b", "ab"),
        ("${NONE:-http://a:1/b?c=$d}", "http://a:1/b?c=$d"),
        ("${CODE}", "${A}"),  # what is filled in is not filled in again
        ("$${A}", "${A}"),
        ("$${A} ${A} $${", "${A} x ${"),
        ("$${NONE:-d}", "${NONE:-d}"),
        ("$HOME $ a$b {A} $(A)", "$HOME $ a$b {A} $(A)"),
        ("$$", "$$"),
    ],
)
def test_texts(text: str, result: str) -> None:
    assert filled(text, A="x", EMPTY="", CODE="${A}") == (result, [])


def test_only_values_are_filled_in() -> None:
    value = {"${A}": ["${A}", {"b": "${A}"}, 5, None, True]}
    assert filled(value, A="x") == ({"${A}": ["x", {"b": "x"}, 5, None, True]}, [])


def test_a_text_knows_whether_it_may_be_shown() -> None:
    given, _ = filled("${A}", A="x")
    default, _ = filled("${NONE:-d}")
    escaped, _ = filled("$${A}")
    assert isinstance(given, Filled)
    assert (given.variable, given.shown, given.written) == ("A", False, "${A}")
    assert isinstance(default, Filled)
    assert default.shown
    assert type(escaped) is str


def test_where_variables_filled_in_what() -> None:
    hidden: dict[str, Filled] = {}
    value = {"a": ["x${A}${B:-d}", "${B:-d}"], "providers": {"p": {"api_key": "Bearer ${C}"}}}
    Variables({"A": "s"}, [], hidden).fill(value)
    assert {place: (str(one), one.variable, one.written) for place, one in hidden.items()} == {
        "a[0]": ("xsd", "A", "x${A}${B:-d}"),
        "providers.p.api_key": ("", "C", "Bearer ${C}"),
    }


@pytest.mark.parametrize("environment", [{}, {"VAR": ""}])
def test_a_variable_that_is_not_set_is_told_with_its_cure(environment: dict[str, str]) -> None:
    value, problems = filled({"a": ["x${VAR}"]}, **environment)
    assert value == {"a": [TOLD]}
    told = "a[0]: the environment variable VAR is not set; set it, or write ${VAR:-default}"
    assert [str(problem) for problem in problems] == [told]


@pytest.mark.parametrize("environment", [{}, {"VAR": ""}])
@pytest.mark.parametrize("text", ["${VAR}", "${VAR:-}", "Bearer ${VAR}"])
def test_an_api_key_without_its_variable_is_none(environment: dict[str, str], text: str) -> None:
    config = parse({"providers": {"p": {"type": "openai", "api_key": text}}}, environment)
    assert config.providers["p"] == {"type": "openai", "api_key": None}
    for elsewhere in ({"base_url": "${VAR}"}, {"headers": {"api_key": "${VAR}"}}):
        with pytest.raises(ConfigError, match="VAR is not set"):
            parse({"providers": {"p": elsewhere}}, environment)


@pytest.mark.parametrize(
    "text", ["${}", "${1A}", "${a b}", "${A", "${A-d}", "${A:d}", "${A:?no}", "${A:-${B}}", "$${${"]
)
def test_what_begins_no_variable_is_told(text: str) -> None:
    _, problems = filled(text, A="x", B="y")
    assert [problem.message for problem in problems] == ["${ begins no variable"]
    assert problems[0].cure == "write $${ where ${ itself is meant"


def test_no_secret_is_shown_where_it_begins_no_variable() -> None:
    _, problems = filled("sk-very-secret${", ("providers", "p", "api_key"))
    assert "sk-very-secret" not in str(problems)


def test_numbers_and_truths_are_read_from_variables_only() -> None:
    document = {
        "server": {"port": "${PORT}", "workers": "${WORKERS:-1}", "body_timeout": "${WAIT}", "max_body": "${SIZE}"},
        "cache": {"enabled": "${NO}", "coalesce": "${YES}"},
        "auth": {"keys": [{"name": "${PORT}", "key": "${PORT}", "budget": {"usd": "${MONEY}"}}]},
        "providers": {"p": {"max_tokens": "${PORT}"}},
    }
    environment = {"PORT": "9000", "WAIT": "30", "SIZE": "64", "NO": "False", "YES": "1", "MONEY": "1.5"}
    config = parse(document, environment)
    assert (config.server.port, config.server.workers) == (9000, 1)
    assert (config.server.body_timeout, config.server.max_body) == (30, 64)
    assert config.cache is not None
    assert (config.cache.enabled, config.cache.coalesce) == (False, True)
    assert config.auth is not None
    key = config.auth.keys[0]
    assert key.budget is not None
    assert (key.name, key.key, key.budget.usd) == ("9000", "9000", 1.5)
    for text in ("9000", "2"):
        with pytest.raises(ConfigError, match="write it without quotes"):
            parse({"server": {"workers": text}}, {})
