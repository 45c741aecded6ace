"""JSON schemas in the subset to which Anthropic holds answers."""

from typing import Any

import pytest

from gateway.translate.schema import is_open, is_strict, supported

STRING = {"type": "string"}
CLOSED = {"type": "object", "properties": {"a": STRING}, "required": ["a"], "additionalProperties": False}


@pytest.mark.parametrize(
    ("schema", "opened", "strict"),
    [
        (CLOSED, False, True),
        ({**CLOSED, "required": []}, False, False),
        ({"type": "object", "properties": {"a": STRING}}, False, False),
        ({"type": "object"}, True, False),
        ({}, True, True),
        (True, True, True),
        ({**CLOSED, "additionalProperties": True}, True, False),
        ({**CLOSED, "additionalProperties": STRING}, True, False),
        ({"type": "array", "items": {"type": "object"}}, True, False),
        ({"type": "array", "items": CLOSED}, False, True),
        ({"anyOf": [CLOSED, {"type": "object", "additionalProperties": {}}]}, True, False),
        ({"$ref": "#/$defs/x", "$defs": {"x": CLOSED}}, False, True),
        ({"enum": ["a"]}, False, True),
        ({"type": "object", "properties": [], "required": 1, "additionalProperties": False}, False, True),
    ],
)
def test_forms(schema: Any, opened: bool, strict: bool) -> None:
    assert is_open(schema) is opened
    assert is_strict(schema) is strict


@pytest.mark.parametrize(
    ("schema", "made", "dropped"),
    [
        (CLOSED, CLOSED, []),
        ({"type": "object", "properties": {}}, {"type": "object", "properties": {}, "additionalProperties": False}, []),
        ({"oneOf": [STRING]}, {"anyOf": [STRING]}, []),
        ({"type": "integer", "minimum": 1}, {"type": "integer", "description": "{minimum: 1}"}, ["s.minimum"]),
        (
            {"type": "string", "description": "d", "maxLength": 3, "format": "phone"},
            {"type": "string", "description": "d\n\n{maxLength: 3, format: phone}"},
            ["s.maxLength", "s.format"],
        ),
        ({"type": "string", "format": "date"}, {"type": "string", "format": "date"}, []),
        ({"type": "array", "items": STRING, "minItems": 1}, {"type": "array", "items": STRING, "minItems": 1}, []),
        ({"type": "array", "minItems": 2}, {"type": "array", "description": "{minItems: 2}"}, ["s.minItems"]),
        (
            {"type": "object", "properties": {"a b": {"type": "object", "not": {}}}, "additionalProperties": STRING},
            {
                "type": "object",
                "properties": {"a b": {"type": "object", "additionalProperties": False}},
                "additionalProperties": False,
            },
            ["s.properties.*.not", "s.additionalProperties"],
        ),
        (True, True, []),
    ],
)
def test_supported(schema: Any, made: Any, dropped: list[str]) -> None:
    named: list[str] = []
    before = repr(schema)
    assert supported(schema, "s", named.append) == made
    assert named == dropped
    assert repr(schema) == before
