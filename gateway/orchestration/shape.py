"""Whether an answer holds the JSON that was asked for."""

from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.orchestration.state import is_a
from gateway.wire.verbatim import INVALID


class Shape:
    """A JSON schema that answers are read by: types, properties, items, `enum` and `const`.

    What else a schema can say is the provider's to hold (https://platform.openai.com/docs/guides/structured-outputs).
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema

    def read(self, text: str) -> Any:
        """What a text holds. Raises ValueError where it is no JSON, or is not of the schema."""
        try:
            value = msgspec.json.decode(text)
        except INVALID as error:
            raise ValueError(f"it is no JSON ({error}): {_shown(text)}") from error
        wrong = _wrong(value, self._schema, "")
        if wrong:
            raise ValueError(wrong)
        return value


def shape_of(response_format: Mapping[str, Any] | None) -> Shape | None:
    """What a request's `response_format` asks for; None where it is any text."""
    if response_format is None or response_format.get("type") == "text":
        return None
    if response_format.get("type") == "json_object":
        return Shape({"type": "object"})
    return Shape(response_format["json_schema"].get("schema", {}))


def _wrong(value: Any, schema: Any, place: str) -> str:
    """What is wrong with a value; empty where nothing is."""
    if not isinstance(schema, Mapping):
        return ""
    kinds = schema.get("type", ())
    kinds = (kinds,) if isinstance(kinds, str) else kinds
    if kinds and not any(_is(value, kind) for kind in kinds):
        return f"{place or 'it'} must be of type {' or '.join(kinds)}, found {_shown(value)}"
    if "enum" in schema and value not in schema["enum"]:
        return f"{place or 'it'} must be one of {', '.join(map(_shown, schema['enum']))}, found {_shown(value)}"
    if "const" in schema and value != schema["const"]:
        return f"{place or 'it'} must be {_shown(schema['const'])}, found {_shown(value)}"
    if isinstance(value, dict):
        return _wrong_object(value, schema, place)
    if isinstance(value, list):
        return next(
            filter(None, (_wrong(one, schema.get("items"), f"{place}[{n}]") for n, one in enumerate(value))), ""
        )
    return ""


def _wrong_object(value: Mapping[str, Any], schema: Mapping[str, Any], place: str) -> str:
    lacking = [name for name in schema.get("required", ()) if name not in value]
    if lacking:
        return f"{place or 'it'} lacks {lacking[0]!r}"
    known = schema.get("properties", {})
    for name, item in value.items():
        if name not in known and schema.get("additionalProperties") is False:
            return f"{place or 'it'} has {name!r}, which is not of the schema"
        wrong = _wrong(item, known.get(name), f"{place}.{name}" if place else name)
        if wrong:
            return wrong
    return ""


def _is(value: Any, kind: str) -> bool:
    return value is None if kind == "null" else value is not None and is_a(value, kind)


def _shown(value: Any) -> str:
    shown = msgspec.json.encode(value).decode()
    return shown if len(shown) <= 80 else f"{shown[:80]}…"
