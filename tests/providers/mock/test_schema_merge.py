import pytest

from gateway.providers.mock.schema_merge import Flattener, SchemaError, merged, type_names


def test_references_and_all_of_are_laid_flat():
    root = {
        "$ref": "#/$defs/a",
        "minimum": 2,
        "allOf": [{"minimum": 3, "maximum": 9}, True],
        "anyOf": [{"multipleOf": 2}],
        "$defs": {"a": {"type": "integer", "maximum": 7, "oneOf": [{}]}},
    }
    members, groups, refs = Flattener(root).flat(root)
    assert {name: members[name] for name in ("type", "minimum", "maximum")} == {
        "type": "integer",
        "minimum": 3,
        "maximum": 7,
    }
    assert groups == [[{"multipleOf": 2}], [{}]]
    assert refs == {"#/$defs/a"}


@pytest.mark.parametrize(
    ("one", "two", "both"),
    [
        ({"type": ["string", "null"]}, {"type": "string"}, {"type": ["string"]}),
        ({"type": "number"}, {"type": "integer"}, {"type": ["integer"]}),
        ({"required": ["a", "b"]}, {"required": ["b", "c", 1]}, {"required": ["a", "b", "c"]}),
        ({"enum": [1, 2, 3]}, {"enum": [3, 2]}, {"enum": [2, 3]}),
        ({"minLength": 2}, {"minLength": 5}, {"minLength": 5}),
        ({"maxItems": 2}, {"maxItems": 5}, {"maxItems": 2}),
        ({"items": {}}, {"items": False}, {"items": False}),
        ({"items": {"minimum": 1}}, {"items": {}}, {"items": {"allOf": [{"minimum": 1}, {}]}}),
        (
            {"properties": {"a": True, "b": {"minimum": 1}}},
            {"properties": {"a": True, "b": {}}},
            {"properties": {"a": True, "b": {"allOf": [{"minimum": 1}, {}]}}},
        ),
        ({"title": "x"}, {"title": "y"}, {"title": "y"}),
    ],
)
def test_merged(one, two, both):
    assert merged(one, two) == both


@pytest.mark.parametrize(
    "reference", ["#/x", "#/list/2", "#/list/-1", "other.json", "", "#/number/0", "#/" + "x" * 2000]
)
def test_references_to_nothing(reference):
    with pytest.raises(SchemaError):
        Flattener({"list": [1, 2], "number": 1}).resolve(reference)


def test_type_names():
    assert type_names("string") == ["string"]
    assert type_names(["string", 1]) == ["string"]
    assert type_names(None) == type_names({}) == []
