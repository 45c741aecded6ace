import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.providers.mock.pattern_sample import matching


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "^abc$",
        r"^\d{3}-\d{4}$",
        r"^[A-Z][a-z]+(-[a-z]+)*$",
        "^(foo|bar)+?$",
        r"^[^a-z]\S\s\w\D\W.$",
        r"^(a)(b)\2\1$",
        "^(?P<x>[0-9]+)(?:z)$",
        "^[^ab]c?$",
        r"^[\d_]+\.[^\d]$",
        "^(?>ab)c*+$",
        r"^\+?[1-9]\d{1,14}$",
    ],
)
@pytest.mark.parametrize("least", [0, 5])
def test_what_is_written_matches(pattern, least):
    found = matching(pattern, least)
    assert found is not None
    assert re.search(pattern, found)


def test_it_grows_where_it_can():
    assert matching("^a+$", 5) == "aaaaa"
    assert matching("^(ab)*$", 3) == "abab"
    assert matching("^a{2,3}b*$", 6) == "aaabbb"
    assert matching("^a", 3) == "axx"
    assert matching("^a$", 3) == "a"


@pytest.mark.parametrize(
    "pattern",
    ["(", "a{100000}", "(a{1000}){1000}", r"\p{L}", "(a)?(?(1)b|c)", "(" * 5000 + ")" * 5000, r"[^\x00-\U0010ffff]"],
)
def test_what_is_not_understood_or_too_much(pattern):
    assert matching(pattern) is None


def test_patterns_that_take_for_ever_to_run_are_not_run():
    assert matching("^(a+)+$", 40) is not None
    assert matching("(x+x+)+y") == "xxy"


@given(st.text(alphabet="ab01()[]{}|*+?.^$\\dwsDWS-,:=!<>P"))
def test_any_text_is_answered(pattern):
    found = matching(pattern, 3)
    assert found is None or isinstance(found, str)
