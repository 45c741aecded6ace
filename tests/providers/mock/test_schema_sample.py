import json
import time
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.providers.mock.schema_sample import SchemaError, sample

CHECK = jsonschema.Draft202012Validator.FORMAT_CHECKER


def fits(schema: Any) -> Any:
    value = sample(schema)
    jsonschema.Draft202012Validator(schema, format_checker=CHECK).validate(value)
    assert json.loads(msgspec.json.encode(value)) == value
    assert sample(schema) == value
    return value


NODE = {
    "type": "object",
    "properties": {
        "value": {"type": "integer"},
        "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
        "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
    },
    "required": ["value", "next", "children"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({}, "text"),
        (True, "text"),
        ({"type": "null"}, None),
        ({"type": "boolean"}, True),
        ({"type": ["null", "integer"]}, 1),
        ({"type": "null", "nullable": True}, None),
        ({"const": {"a": [1]}}, {"a": [1]}),
        ({"enum": ["red", "green"]}, "red"),
        ({"type": "string", "enum": [None, "red"]}, "red"),
        ({"properties": {"city": {"type": "string"}}}, {"city": "city"}),
        ({"type": "object", "required": ["a"]}, {"a": "a"}),
        ({"type": "object", "required": ["a"], "additionalProperties": {"type": "integer"}}, {"a": 1}),
        ({"type": "object", "minProperties": 2}, {"key1": "key1", "key2": "key2"}),
        ({"properties": {"a": {}, "b": {}, "c": {}}, "required": ["c"], "maxProperties": 2}, {"a": "a", "c": "c"}),
        ({"properties": {"a": False, "b": {}}}, {"b": "b"}),
        ({"type": "array"}, ["text"]),
        ({"type": "array", "maxItems": 0}, []),
        ({"type": "array", "items": False}, []),
        ({"items": {"type": "boolean"}, "minItems": 2, "uniqueItems": True}, [True, False]),
        ({"items": {"enum": ["a", "b", "c"]}, "minItems": 3, "uniqueItems": True}, ["a", "b", "c"]),
        ({"type": "array", "items": {}, "minItems": 2, "uniqueItems": True}, ["text", "text 2"]),
        ({"prefixItems": [{"type": "integer"}, {"type": "null"}], "items": False}, [1, None]),
        ({"type": "array", "contains": {"const": 7}, "items": {"type": "integer"}}, [7]),
        ({"anyOf": [False, {"type": "integer"}]}, 1),
        ({"oneOf": [{"type": "integer"}, {"type": "string"}]}, 1),
        ({"anyOf": [{"minimum": 3}, {}], "oneOf": [{"multipleOf": 2}], "type": "integer"}, 4),
        ({"allOf": [{"type": "number", "minimum": 3}, {"type": "integer", "maximum": 3.5}]}, 3),
        ({"allOf": [{"required": ["a"]}, {"properties": {"a": {"minimum": 2}}}], "type": "object"}, {"a": 3}),
        ({"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"const": 1}}}, 1),
        ({"$ref": "#/$defs/x/0", "$defs": {"x": [{"const": 1}]}}, 1),
        ({"$ref": "#/$defs/x", "minimum": 5, "$defs": {"x": {"type": "integer"}}}, 5),
    ],
)
def test_samples(schema, value):
    if not isinstance(schema, dict) or "x" not in str(schema.get("$ref")):
        jsonschema.Draft202012Validator(schema).validate(value)
    found = sample(schema)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/node", "$defs": {"node": NODE}},
        {"type": "object", "properties": {"self": {"$ref": "#"}, "all": {"type": "array", "items": {"$ref": "#"}}}},
        {"anyOf": [{"type": "array", "items": {"$ref": "#"}, "minItems": 1}, {"type": "integer"}]},
        {"type": "object", "properties": {str(n): {"$ref": "#"} for n in range(50)}},
    ],
)
def test_recursion_comes_to_its_end(schema):
    fits(schema)


def test_references_in_a_circle_end_where_a_value_is_found():
    assert (
        sample({"oneOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}}}) is None
    )


def test_wide_schemas_get_lean_samples():
    layers = {"layer0": {"type": "string"}}
    for number in range(1, 9):
        inner = {"$ref": f"#/$defs/layer{number - 1}"}
        layers[f"layer{number}"] = {"type": "object", "properties": {str(n): inner for n in range(20)}}
    fits({"$ref": "#/$defs/layer8", "$defs": layers})


@pytest.mark.parametrize(
    "schema",
    [
        False,
        7,
        {"type": "thing"},
        {"enum": []},
        {"type": "string", "enum": [1]},
        {"$ref": "#/$defs/x"},
        {"$ref": "https://example.com/schema"},
        {"$ref": "#"},
        {"allOf": [{"$ref": "#"}, {"$ref": "#"}]},
        {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]},
        {"type": "object", "required": ["a"], "properties": {"a": {"$ref": "#"}}},
        {"type": "array", "minItems": 10**9},
        {"type": "array", "minItems": 1, "items": {"$ref": "#"}},
        {"type": "array", "minItems": 3, "uniqueItems": True, "items": {"const": 1}},
        {"type": "object", "minProperties": 1, "additionalProperties": False},
        {"type": "string", "minLength": 10**9},
        {"type": "string", "minLength": 3, "maxLength": 2},
        {"type": "integer", "minimum": 1.2, "maximum": 1.8},
        {"type": "integer", "minimum": 1e300},
        {"type": "number", "exclusiveMinimum": 1, "maximum": 1},
        {"allOf": [{"type": "string"}, {"type": "integer"}]},
        {"anyOf": [False, {"type": "thing"}]},
    ],
)
def test_impossible_schemas(schema):
    with pytest.raises(SchemaError):
        sample(schema)


WIDE = {str(number): {"type": "integer"} for number in range(50_000)}


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": WIDE},
        {"properties": WIDE, "anyOf": [{"$ref": "#"}] * 50},
        {"allOf": [{"properties": WIDE}] * 50},
        {"allOf": [{"enum": list(range(50_000))}] * 2},
        {"$ref": "#" + "/" * 100_000},
        {"type": "array", "minItems": 50, "items": {"minLength": 900_000, "type": "string"}},
        {"type": "array", "minItems": 4000, "items": {"const": "x" * 100_000}},
        {"type": "array", "minItems": 3000, "items": {"properties": {"x" * 100_000: {"type": "integer"}}}},
        {"type": "array", "minItems": 3900, "items": {"type": "string", "pattern": "(a|b)" * 190}},
        {"type": "array", "minItems": 2000, "items": {"type": "object", "required": ["a"] * 100_000}},
    ],
    ids=["wide", "any", "all", "enum", "reference", "strings", "consts", "names", "patterns", "required"],
)
def test_schemas_that_ask_for_too_much_are_refused_soon(schema):
    began = time.process_time()
    with pytest.raises(SchemaError, match="too"):
        sample(schema)
    assert time.process_time() - began < 2


# ---- generated schemas

_FORMATS = ["date", "date-time", "email", "uuid", "uri", "ipv4", "ipv6", "time", "duration", "hostname", "regex"]
_PATTERNS = [r"^[A-Z]{3}-\d{2,4}$", r"^(foo|bar)+$", r"\w+@\w+\.com", r"^[^\s]*$"]
_bounds = st.integers(-50, 50)


@st.composite
def _numbers(draw: st.DrawFn) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": draw(st.sampled_from(["integer", "number"]))}
    if draw(st.booleans()):
        schema[draw(st.sampled_from(["minimum", "exclusiveMinimum"]))] = low = draw(_bounds)
        if draw(st.booleans()):
            schema[draw(st.sampled_from(["maximum", "exclusiveMaximum"]))] = low + draw(st.integers(10, 30))
    elif draw(st.booleans()):
        schema[draw(st.sampled_from(["maximum", "exclusiveMaximum"]))] = draw(_bounds)
    if draw(st.booleans()):
        schema["multipleOf"] = draw(st.sampled_from([1, 2, 3, 5, 0.5, 0.25]))
    return schema


@st.composite
def _strings(draw: st.DrawFn) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    kind = draw(st.sampled_from(["plain", "format", "pattern"]))
    if kind == "format":
        schema["format"] = draw(st.sampled_from(_FORMATS))
    elif kind == "pattern":
        schema["pattern"] = draw(
            st.sampled_from([r"^[A-Z]{3}-\d{2,4}$", r"^(foo|bar)+$", r"\w+@\w+\.com", r"^[^\s]*$"])
        )
    if kind != "format" and draw(st.booleans()):
        schema["minLength"] = least = draw(st.integers(0, 8))
        if kind == "plain":
            schema["maxLength"] = least + draw(st.integers(0, 4))
    return schema


_json = st.none() | st.booleans() | _bounds | st.text(max_size=5)
_leaves = (
    _numbers()
    | _strings()
    | st.sampled_from([{}, {"type": "null"}, {"type": "boolean"}, {"type": ["string", "null"]}])
    | st.builds(lambda value: {"const": value}, _json)
    | st.builds(lambda values: {"enum": values}, st.lists(_json, min_size=1, max_size=4))
)


@st.composite
def _objects(draw: st.DrawFn, inner: st.SearchStrategy[Any]) -> dict[str, Any]:
    properties = draw(st.dictionaries(st.sampled_from("abcdef"), inner, max_size=4))
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    schema["required"] = draw(st.lists(st.sampled_from(sorted(properties)), unique=True)) if properties else []
    if draw(st.booleans()):
        schema["additionalProperties"] = draw(st.booleans())
    return schema


@st.composite
def _arrays(draw: st.DrawFn, inner: st.SearchStrategy[Any]) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "array", "items": draw(inner)}
    if draw(st.booleans()):
        schema["minItems"] = least = draw(st.integers(0, 3))
        schema["maxItems"] = least + draw(st.integers(0, 2))
    if draw(st.booleans()):
        schema["prefixItems"] = draw(st.lists(inner, max_size=2))
        schema.pop("maxItems", None)
    return schema


def _combinations(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    options = st.lists(inner, min_size=1, max_size=3)
    return (
        options.map(lambda found: {"anyOf": found})
        | inner.map(lambda one: {"oneOf": [one]})
        | inner.map(lambda one: {"allOf": [one, {}]})
        | st.tuples(_objects(inner), st.sampled_from("ghi")).map(
            lambda pair: {
                "allOf": [pair[0] | {"additionalProperties": True}, {"type": "object", "required": [pair[1]]}]
            }
        )
    )


_schemas = st.recursive(_leaves, lambda inner: _objects(inner) | _arrays(inner) | _combinations(inner), max_leaves=10)


@given(_schemas)
@settings(max_examples=400, deadline=None)
def test_generated_schemas(schema):
    fits(schema)


@given(_schemas, st.sampled_from(["a", "b/c", "d~e", "f g%"]))
@settings(max_examples=100, deadline=None)
def test_references(schema, name):
    pointer = name.replace("~", "~0").replace("/", "~1").replace("%", "%25").replace(" ", "%20")
    reference = {"$ref": f"#/$defs/{pointer}"}
    fits({"type": "object", "properties": {"x": reference, "y": reference}, "required": ["x"], "$defs": {name: schema}})


_KEYWORDS = """
type enum const properties required additionalProperties items prefixItems minItems anyOf allOf oneOf $ref $defs minimum
maximum multipleOf minLength maxLength pattern format uniqueItems contains minContains nullable a
"""
_VALUES = ["object", "array", "string", "integer", "number", "#", "#/$defs/a", "(a|b)+"]
_nonsense = st.recursive(
    _json,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(_KEYWORDS.split()), inner | st.sampled_from(_VALUES))
    ),
    max_leaves=20,
)


@given(_nonsense)
@settings(max_examples=500, deadline=None)
def test_whatever_stands_there_is_sampled_or_refused(schema):
    try:
        value = sample(schema)
    except SchemaError:
        return
    msgspec.json.encode(value)
