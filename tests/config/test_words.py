"""The words in which people are told."""

from datetime import date
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta

from gateway.config.filled import Filled
from gateway.config.words import cure, expected, near, shown
from gateway.seam import Duration, Settings


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("x", "'x'"),
        ("x" * 100, f"'{'x' * 60}…'"),
        (5, "5"),
        (1.5, "1.5"),
        (True, "true"),
        (False, "false"),
        (None, "nothing"),
        ([], "an empty list"),
        ([1], "a list"),
        ({}, "an empty block"),
        ({"a": 1}, "a block"),
        ("redis://user:hunter22@host/0", "'redis://…@host/0'"),
        ("postgresql://hunter22@host", "'postgresql://…@host'"),
    ],
)
def test_what_was_found(value: Any, words: str) -> None:
    assert shown(value) == words


@pytest.mark.parametrize(
    "path",
    [("providers", "p", "api_key"), ("auth", "keys", 0, "key"), ("auth", "keys", 0, "sha256"), ("p", "headers", "x"),
     ("a", "headers", "b", 0), ("x", "token"), ("x", "password"), ("x", "secret", "y")],
)  # fmt: skip
def test_secrets_are_not_shown(path: tuple[str | int, ...]) -> None:
    for value in ("hunter22", 12345678, 1.5):
        assert shown(value, path) == "'…'"
    assert shown(None, path) == "nothing"
    assert shown({"a": "hunter22"}, path) == "a block"


def test_variables_are_named_and_not_shown() -> None:
    assert shown(Filled("hunter22", "PW")) == "'…' from PW"
    assert shown(Filled("soon", "TTL", shown=True)) == "'soon' from TTL"
    assert shown(Filled("default", "", shown=True)) == "'default'"
    assert shown(Filled("default", "", shown=True), ("api_key",)) == "'…'"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("wieght", "weight"),
        ("Weight", "weight"),
        ("max-body", "max_body"),
        ("maxbody", "max_body"),
        ("zzz", ""),
        ("", ""),
    ],
)
def test_near_names(name: str, meant: str) -> None:
    assert near(name, ["weight", "max_body"]) == (f"did you mean {meant!r}?" if meant else "")


class Block(Settings):
    a: int = 0


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (str, "text"),
        (Annotated[str, Meta(min_length=1)], "text that is not empty"),
        (Annotated[str, Meta(description="said elsewhere")], "text"),
        (Annotated[str, Meta(pattern="^a", extra={"expected": "an a"})], "an a"),
        (int, "a whole number"),
        (Annotated[int, Meta(gt=0, lt=5)], "a whole number above 0 below 5"),
        (Annotated[float, Meta(ge=0, le=1)], "a number from 0 to 1"),
        (bool | None, "true or false"),
        (None, "nothing"),
        (Literal["a", "b"], "one of a, b"),
        (Literal["a"], "'a'"),
        (list[str], "a list of texts"),
        (Annotated[list[Block], Meta(min_length=1)], "a list of blocks, at least one"),
        (tuple[int, ...], "a list of items, each a whole number"),
        (dict[str, int], "a block of names"),
        (Block | str, "a block of a, or text"),
        (Duration, "a duration such as 500ms, 30s, 5m or 1h"),
        (date, "date"),
    ],
)
def test_what_is_expected(kind: Any, words: str) -> None:
    assert expected(kind) == words


@pytest.mark.parametrize(
    ("value", "kind", "words"),
    [
        ("8080", int, "write it without quotes"),
        ("-0.5", float, "write it without quotes"),
        ("on", bool, "write it without quotes"),
        ("x", int, ""),
        (5, str, "put it in quotes"),
        (None, int, "give it a value, or take the name out"),
        ({"a": 1}, list[Block], "write it as a list: [{…}]"),
        ("x", list[str], "write it as a list: [x]"),
        ("x y", list[str], "write it as a list"),
        ("echp", Literal["echo", "lorem"], "did you mean 'echo'?"),
    ],
)
def test_what_helps(value: Any, kind: Any, words: str) -> None:
    assert cure(value, kind) == words
