"""Whether an answer is of the shape that was asked for."""

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.orchestration.response_format import wire_format
from gateway.orchestration.shape import Shape, shape_of

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "n": {"type": "integer"},
        "kind": {"enum": ["a", "b", None]},
        "tags": {"type": "array", "items": {"type": "string"}},
        "deep": {"type": ["object", "null"], "properties": {"x": {"const": 1}}, "required": ["x"]},
    },
    "required": ["n"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"n": 1.5}, "n must be of type integer, found 1.5"),
        ({"n": True}, "n must be of type integer, found true"),
        ({"n": 1, "kind": "c"}, 'kind must be one of "a", "b", null, found "c"'),
        ({"n": 1, "tags": ["x", 2]}, "tags[1] must be of type string, found 2"),
        ({"n": 1, "deep": {}}, "deep lacks 'x'"),
        ({"n": 1, "deep": {"x": 2}}, "deep.x must be 1, found 2"),
        ({"n": 1, "deep": []}, "deep must be of type object or null, found []"),
        ({}, "it lacks 'n'"),
        ({"n": 1, "m": 2}, "it has 'm', which is not of the schema"),
        ("text", 'it must be of type object, found "text"'),
    ],
)
def test_what_is_wrong_is_told_with_its_place(value: Any, told: str) -> None:
    with pytest.raises(ValueError) as caught:
        Shape(SCHEMA).read(json.dumps(value))
    assert str(caught.value) == told


@pytest.mark.parametrize("text", ["", "no", "{", "```json\n{}\n```", "nul"])
def test_what_is_no_json(text: str) -> None:
    with pytest.raises(ValueError, match="it is no JSON"):
        Shape(SCHEMA).read(text)


def test_a_long_answer_is_told_in_part() -> None:
    with pytest.raises(ValueError) as caught:
        Shape(SCHEMA).read("x" * 1000)
    assert len(str(caught.value)) < 200


values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from(["a", "b", "c"]), st.floats(-2, 2)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["n", "kind", "tags", "deep", "x"]), inner)
    ),
)


@given(values)
def test_it_judges_as_a_validator_does(value: Any) -> None:
    validator = jsonschema.Draft202012Validator(SCHEMA)
    text = json.dumps(value)
    if validator.is_valid(json.loads(text)):
        assert Shape(SCHEMA).read(text) == json.loads(text)
    else:
        with pytest.raises(ValueError):
            Shape(SCHEMA).read(text)


def test_what_a_format_asks_for() -> None:
    assert shape_of(None) is None
    assert shape_of({"type": "text"}) is None
    objects = shape_of({"type": "json_object"})
    assert objects is not None
    assert objects.read('{"a": 1}') == {"a": 1}
    with pytest.raises(ValueError, match="of type object"):
        objects.read("[]")
    short = shape_of(wire_format({"n": "integer"}, "x"))
    assert short is not None
    assert short.read('{"n": 2}') == {"n": 2}
    any_json = shape_of({"type": "json_schema", "json_schema": {"name": "x"}})
    assert any_json is not None
    assert any_json.read("[1]") == [1]
