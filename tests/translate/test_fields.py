"""A request's document: what nobody takes is named."""

import pytest

from gateway.seam import InvalidRequest, Request
from gateway.translate.fields import Reading, value_of


def reading(source: bytes) -> Reading:
    return Reading(Request("chat", source))


def test_what_nobody_took_is_named() -> None:
    read = reading(b'{"a":1,"b":{"c":2,"d":3},"e":[{"f":4},{"g":null,"h":[]}],"i":null,"odd name":5,"odd,name":6}')
    assert read.body.integer("a") == 1
    inner = read.body.fields("b")
    assert inner is not None
    assert inner.integer("c") == 2
    assert [item.path for item in read.body.items("e")] == ["e[0]", "e[1]"]
    assert read.dropped() == ("*", "b.d", "e[0].f")


def test_what_is_dropped_by_name_comes_first_and_once() -> None:
    read = reading(b'{"a":1,"b":2}')
    read.body.drop("b")
    read.body.drop("b")
    assert read.dropped() == ("b", "a")


def test_what_says_nothing() -> None:
    read = reading(b'{"a":1,"b":true,"c":2}')
    read.body.forget("a", 1)
    read.body.forget("b", 1)  # true is not 1
    read.body.forget("c", 1)
    assert read.dropped() == ("b", "c")


def test_giving_up() -> None:
    read = reading(b'{"a":{"audio":{},"x":1},"b":{"x":1}}')
    for name in ("a", "b"):
        fields = read.body.fields(name)
        assert fields is not None
        fields.give_up("audio")
    assert read.dropped() == ("a.audio", "b")


def test_numbers() -> None:
    read = reading(b'{"a":1.50,"b":2,"c":1e400}')
    a, b, c = (read.body.number(name) for name in "abc")
    assert a is not None
    assert bytes(a) == b"1.50"  # type: ignore[arg-type]
    assert value_of(a) == 1.5
    assert b == 2
    assert c is not None
    assert value_of(c) == float("inf")


@pytest.mark.parametrize("kind", ["text", "needed", "flag", "integer", "number", "object", "fields", "list"])
def test_another_type(kind: str) -> None:
    value = b'"x"' if kind not in ("text", "needed") else b"1"
    with pytest.raises(InvalidRequest) as caught:
        getattr(reading(b'{"a":%s}' % value).body, kind)("a")
    assert caught.value.param == "a"
    assert caught.value.code == "invalid_type"


def test_booleans_are_no_numbers() -> None:
    for kind in ("integer", "number"):
        with pytest.raises(InvalidRequest):
            getattr(reading(b'{"a":true}').body, kind)("a")
