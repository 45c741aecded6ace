"""The arguments of tools: from signatures and schemas, what fits and what does not."""

import datetime
import enum
import subprocess
import sys
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict

import msgspec
import pytest

from gateway.orchestration.arguments import INPUT, described, is_open, needed, parameters_problems, schema_of, signed


class Size(enum.Enum):
    small = "s"
    large = "l"


@dataclass
class Line:
    item: str
    count: int = 1


class Place(TypedDict):
    city: str


def order(
    number: Annotated[str, msgspec.Meta(pattern="^[0-9]{4}$", description="Four digits.")],
    lines: list[Line],
    size: Size = Size.small,
    when: datetime.date | None = None,
    place: Place | None = None,
    speed: Literal["slow", "fast"] = "slow",
    *,
    note: str = "",
) -> None:
    """Orders."""


def test_a_signature_as_a_schema() -> None:
    schema = signed(order).schema
    assert schema["type"] == "object"
    assert schema["required"] == ["number", "lines"]
    assert schema["additionalProperties"] is False
    assert "title" not in schema
    properties = schema["properties"]
    assert properties["number"] == {"type": "string", "pattern": "^[0-9]{4}$", "description": "Four digits."}
    assert properties["speed"] == {"enum": ["fast", "slow"], "default": "slow"}
    assert properties["note"] == {"type": "string", "default": ""}
    assert schema["$defs"]["Line"]["required"] == ["item"]


def test_arguments_arrive_as_the_types_that_are_named() -> None:
    arguments = signed(order)
    read = arguments.read('{"number": "4711", "lines": [{"item": "lamp"}], "size": "l", "when": "2026-01-02"}')
    assert read["lines"] == [{"item": "lamp"}], "templates see JSON"
    assert arguments.typed(read) == {
        "number": "4711",
        "lines": [Line("lamp")],
        "size": Size.large,
        "when": datetime.date(2026, 1, 2),
    }


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ('{"number": "4711"}', "missing required field `lines`"),
        ('{"number": "47", "lines": []}', "matching regex"),
        ('{"number": "4711", "lines": [{"count": 1}]}', r"`item` - at `\$.lines\[0\]`"),
        ('{"number": "4711", "lines": [], "size": "xl"}', "Invalid enum value 'xl'"),
        ('{"number": "4711", "lines": [], "colour": 1}', "unknown field `colour`"),
        ("[]", "no JSON object"),
        ("null", "no JSON object"),
        ("{", "no JSON"),
        ("[" * 100_000, "no JSON"),
    ],
)
def test_what_does_not_fit_a_signature(source: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        signed(order).read(source)


def test_what_is_hidden_is_not_the_models() -> None:
    schema = signed(order, ["lines", "size"]).schema
    assert schema["required"] == ["number"]
    assert not {"lines", "size"} & set(schema["properties"])
    assert "$defs" not in schema or "Line" not in schema["$defs"]


def test_a_schema_is_held_whole() -> None:
    """What the seam of answers leaves to providers counts here: nobody else looks."""
    schema = {
        "type": "object",
        "properties": {
            "n": {"type": "integer", "minimum": 1, "maximum": 3},
            "who": {"$ref": "#/$defs/who"},
            "either": {"anyOf": [{"type": "string", "minLength": 2}, {"type": "null"}]},
        },
        "$defs": {"who": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}},
        "required": ["n"],
    }
    arguments = described(schema)
    assert arguments.read('{"n": 3, "who": {"name": "x"}, "either": null, "more": 1}')["n"] == 3
    for source, told in [
        ('{"n": 4}', r"4 is greater than the maximum of 3 - at `\$.n`"),
        ('{"n": 1, "who": {}}', r"'name' is a required property - at `\$.who`"),
        ('{"n": 1, "either": "x"}', "too short"),
        ("", "'n' is a required property"),
    ]:
        with pytest.raises(ValueError, match=told):
            arguments.read(source)


@pytest.mark.parametrize("reference", ["http://127.0.0.1:1/x.json", "#/$defs/nobody", "other.json", "#nobody"])
def test_references_stay_within_a_schema(reference: str) -> None:
    schema = {"type": "object", "properties": {"a": {"anyOf": [{"$ref": "#/$defs/a"}, {"$ref": reference}]}}}
    (problem,) = parameters_problems(schema | {"$defs": {"a": {}}}, "p")
    assert (problem.place, problem.found) == ("p.properties.a.anyOf[1].$ref", repr(reference))


def test_a_pattern_that_is_none() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": "("}}}
    (problem,) = parameters_problems(schema, "p")
    assert problem.place == "p.properties.a.pattern"


def test_the_short_form() -> None:
    schema = schema_of({"name": "string", "sizes": ["integer"], "kind": {"enum": ["a", "b"]}})
    assert schema["required"] == ["name", "sizes", "kind"]
    with pytest.raises(ValueError, match="'c' is not one of"):
        described(schema).read('{"name": "x", "sizes": [1], "kind": "c"}')
    assert schema_of({"type": "object"}) == {"type": "object"}
    assert schema_of({"type": "string"})["properties"] == {"type": {"type": "string"}}
    assert not list(parameters_problems({}, "p"))
    assert described(schema_of({})).read("{}") == {}


def test_one_text_where_nothing_is_said() -> None:
    assert INPUT.schema["properties"] == {"input": {"type": "string"}}
    assert INPUT.read('{"input": "x"}') == {"input": "x"}


def test_functions_that_take_anything() -> None:
    def anything(**more: Any) -> None: ...

    assert is_open(anything)
    assert not is_open(order)
    assert needed(order) == {"number", "lines"}


def test_who_writes_no_schema_imports_no_validator() -> None:
    code = """
import sys
from gateway.build import Gateway
tools = {"t": {"function": "tests.orchestration.agents:find"}}
chains = {"c": {"type": "simple", "model": "mock/echo", "tools": ["t"]}}
Gateway.load({"providers": {"mock": {}}, "tools": tools, "chains": chains}, {})
assert "gateway.orchestration.tool_loop" in sys.modules
assert not [name for name in sys.modules if name.startswith(("jsonschema", "referencing"))]
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
