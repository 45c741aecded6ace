"""The short form of a response format, and the wire's own."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from gateway.orchestration.response_format import fields, format_problems, wire_format


def schema(given: dict[str, Any]) -> dict[str, Any]:
    wire = wire_format(given, "review")
    assert wire["type"] == "json_schema"
    inner: dict[str, Any] = wire["json_schema"]
    assert (inner["name"], inner["strict"]) == ("review", True)
    Draft202012Validator.check_schema(inner["schema"])
    found: dict[str, Any] = inner["schema"]
    return found


def test_the_short_form_is_a_strict_schema() -> None:
    assert schema(
        {"score": "integer", "tags": ["string"], "who": {"name": "string"}, "kind": {"enum": ["a", "b"]}}
    ) == {
        "type": "object",
        "properties": {
            "score": {"type": "integer"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "who": {
                "type": "object",
                "properties": {"name": {"type": "string"}},
                "required": ["name"],
                "additionalProperties": False,
            },
            "kind": {"enum": ["a", "b"]},
        },
        "required": ["score", "tags", "who", "kind"],
        "additionalProperties": False,
    }


def test_a_field_may_be_called_type() -> None:
    assert schema({"type": "string"})["properties"] == {"type": {"type": "string"}}


@pytest.mark.parametrize(
    "given",
    [
        {"type": "json_object"},
        {"type": "text"},
        {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object", "properties": {}}}},
    ],
)
def test_the_wires_own_forms_go_as_they_are(given: dict[str, Any]) -> None:
    assert wire_format(given, "review") == given
    assert list(format_problems(given, "here")) == []
    assert fields(given) is None


def test_a_schema_of_ones_own_is_sent_as_it_is() -> None:
    own = {"type": "object", "properties": {"a": {"type": ["string", "null"]}}, "additionalProperties": False}
    assert schema(own) == own
    assert fields(own) == {"a"}
    assert fields({**own, "additionalProperties": True}) is None
    assert fields({"a": "string", "b": "integer"}) == {"a", "b"}


@pytest.mark.parametrize(
    "given",
    [{"a": None}, {"a": []}, {"a": 5}, {"a": {}}, {"a": {"b": "nope"}}, {"type": "json_schema", "json_schema": 5},
     {"a": {"items": 5}}, {"type": "text", "x": 1}, {"a": {"type": "sting"}},
     {"type": "object", "properties": {"a": 5}}],
)  # fmt: skip
def test_what_is_wrong_is_told_below_its_place(given: dict[str, Any]) -> None:
    problems = list(format_problems(given, "here"))
    assert problems
    assert all(problem.place.startswith("here.") for problem in problems)
