"""Plain values as typed settings."""

import copy
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta

from gateway.config.convert import convert, remainder
from gateway.config.filled import TOLD, Filled
from gateway.config.problems import ConfigError
from gateway.config.schema import Server
from gateway.seam import Duration, Settings, Size


class Inner(Settings):
    wait: Duration = Duration(5)
    share: Annotated[float, Meta(ge=0, le=1)] = 0.5


class Outer(Settings, rename="kebab"):
    """A component's settings, in which many kinds stand."""

    first_name: str
    count: int | None = None
    kind: Literal["a", "b"] = "a"
    inner: Inner | None = None
    many: dict[str, Inner] = {}
    pair: tuple[str, ...] = ()
    either: str | list[int] = ""
    flags: set[str] = set()
    size: Size = Size(1)
    raw: Any = None

    def __post_init__(self) -> None:
        if self.count == 13:
            raise ValueError("count: 13 brings bad luck")
        if self.kind == "b" and not self.pair:
            raise ValueError("kind b needs a pair")


def told(value: Any, place: str = "") -> list[str]:
    with pytest.raises(ConfigError) as caught:
        convert(value, Outer, place)
    return [str(problem) for problem in caught.value.problems]


def test_what_fits_is_read() -> None:
    value = {
        "first-name": "x",
        "inner": {"wait": "2s"},
        "many": {"a": {"share": 1}},
        "pair": ["p"],
        "either": [1],
        "flags": ["f"],
        "size": "1KiB",
        "raw": {"what": ["ever", 5]},
    }
    outer = convert(value, Outer, "")
    assert (outer.inner, outer.many["a"].share, outer.size) == (Inner(wait=Duration(2)), 1, 1024)
    assert (outer.pair, outer.either, outer.flags, outer.raw) == (("p",), [1], {"f"}, {"what": ["ever", 5]})


def test_names_are_those_of_the_file() -> None:
    known = "first-name, count, kind, inner, many, pair, either, flags, size, raw"
    assert told({"first_name": "x"}) == [
        f"first_name: unknown name; expected one of {known}; found 'first_name'; did you mean 'first-name'?",
        "first-name: missing; expected text; add it",
    ]


def test_everything_is_told_with_the_place_before_it() -> None:
    value = {
        "first-name": 5,
        "count": "x",
        "kind": "c",
        "inner": {"wait": "soon", "share": 2},
        "many": {"a": {"wait": []}, "b": 5},
        "pair": ["p", 5],
        "either": ["x"],
        "flags": "f",
    }
    assert told(value, "providers.x") == [
        "providers.x.first-name: expected text; found 5; put it in quotes",
        "providers.x.count: expected a whole number; found 'x'",
        "providers.x.kind: expected one of a, b; found 'c'",
        "providers.x.inner.wait: expected a duration such as 500ms, 30s, 5m or 1h; found 'soon'",
        "providers.x.inner.share: expected a number from 0 to 1; found 2",
        "providers.x.many.a.wait: expected a duration such as 500ms, 30s, 5m or 1h; found an empty list",
        "providers.x.many.b: expected a block of wait, share; found 5",
        "providers.x.pair[1]: expected text; found 5; put it in quotes",
        "providers.x.either[0]: expected a whole number; found 'x'",
        "providers.x.flags: expected a list of texts; found 'f'",
    ]


def test_rules_of_a_block_have_their_place() -> None:
    assert told({"first-name": "x", "count": 13}) == ["count: 13 brings bad luck"]
    assert told({"first-name": "x", "kind": "b"}, "here") == ["here.kind: b needs a pair"]


def test_a_variable_is_read_as_what_is_wanted() -> None:
    outer = convert({"first-name": Filled("5", "A"), "count": Filled("5", "A"), "raw": Filled("5", "A")}, Outer, "")
    assert (outer.first_name, outer.count, outer.raw) == ("5", 5, "5")
    assert type(outer.first_name) is str
    assert type(copy.deepcopy(outer.raw)) is str
    inner = convert(
        {"many": {"a": {"share": Filled("0.5", "A"), "wait": Filled("3", "A")}}, "first-name": ""}, Outer, ""
    )
    assert inner.many["a"] == Inner(share=0.5, wait=Duration(3))
    assert told({"first-name": "x", "count": Filled("many", "A")}) == [
        "count: expected a whole number; found '…' from A"
    ]
    assert told({"first-name": "x", "inner": {"share": Filled("9", "A")}}) == [
        "inner.share: expected a number from 0 to 1; found '…' from A"
    ]


def test_what_is_told_already_is_not_told_again() -> None:
    assert told({"first-name": TOLD, "count": TOLD}) == []
    assert convert({"first-name": TOLD}, Outer, "").first_name == ""


def test_a_place_is_put_before_what_is_told() -> None:
    with pytest.raises(ConfigError, match=r"^here: expected a block of host"):
        convert([], Server, "here")


def test_what_is_left_without_what_does_not_fit() -> None:
    value = {
        "first-name": "x",
        "many": {"a": {"share": 5}, "b": 5, "c": {"x": 1}},
        "pair": [1, "p", 2],
        "kind": "b",
        "q": 1,
    }
    assert remainder(value, Outer) == Outer(first_name="x", many={"a": Inner(), "c": Inner()}, pair=("p",), kind="b")
    assert remainder({"count": 5}, Outer) is None
    assert remainder({"first-name": "x", "kind": "b"}, Outer) == Outer(first_name="x")


class Strange(msgspec.Struct):
    when: complex | None = None


def test_a_kind_that_nobody_can_read_is_told() -> None:
    with pytest.raises(ConfigError, match="when"):
        convert({"when": "x"}, Strange, "")
