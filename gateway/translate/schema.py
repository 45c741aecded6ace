"""JSON schemas in the subset to which Anthropic holds answers.

Source: https://platform.claude.com/docs/en/build-with-claude/structured-outputs, "JSON Schema limitations".
"""

from collections.abc import Callable
from typing import Any

Schema = dict[str, Any]

_KNOWN = frozenset(
    [
        *("$defs", "$id", "$ref", "$schema", "additionalProperties", "allOf", "anyOf", "const", "default"),
        *("definitions", "description", "enum", "format", "items", "minItems", "oneOf", "pattern", "properties"),
        *("required", "title", "type"),
    ]
)
_FORMATS = frozenset(("date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"))
_MAPS = ("$defs", "definitions", "properties")
_LISTS = ("allOf", "anyOf", "oneOf")


def is_open(schema: Any) -> bool:
    """Whether some object in it may hold members that it does not name: Anthropic's subset has no such objects."""
    if not isinstance(schema, dict):
        return schema is True
    if schema.get("additionalProperties") not in (None, False):
        return True
    if not any(word in schema for word in ("type", "$ref", "enum", "const", *_LISTS)):
        return True
    if schema.get("type") == "object" and not schema.get("properties") and "additionalProperties" not in schema:
        return True
    return any(is_open(part) for part in _parts(schema))


def is_strict(schema: Any) -> bool:
    """Whether each object in it is closed and requires all its members, as OpenAI's `strict` asks."""
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object" or "properties" in schema:
        properties = schema.get("properties")
        names = set(properties) if isinstance(properties, dict) else set()
        required = schema.get("required")
        if schema.get("additionalProperties") is not False:
            return False
        if names != set(required if isinstance(required, list) else ()):
            return False
    return all(is_strict(part) for part in _parts(schema))


def supported(schema: Any, path: str, drop: Callable[[str], None]) -> Any:
    """The schema in Anthropic's subset: objects closed, and `drop` told of each constraint that it does not know.

    What is taken out is told the model in the description instead.
    """
    if not isinstance(schema, dict):
        return schema
    kept: Schema = {}
    taken: Schema = {}
    for word, value in schema.items():
        if word in _MAPS and isinstance(value, dict):
            kept[word] = {name: supported(part, f"{path}.{word}.{_shown(name)}", drop) for name, part in value.items()}
        elif word in _LISTS and isinstance(value, list):
            name = "anyOf" if word == "oneOf" else word
            kept[name] = [supported(part, f"{path}.{word}[{at}]", drop) for at, part in enumerate(value)]
        elif word == "items":
            kept[word] = supported(value, f"{path}.{word}", drop)
        elif word in _KNOWN and not _beyond(word, value):
            kept[word] = value
        else:
            taken[word] = value
            drop(f"{path}.{_shown(word)}")
    if kept.get("type") == "object" or "properties" in kept:
        if kept.get("additionalProperties") not in (None, False):
            drop(f"{path}.additionalProperties")
        kept["additionalProperties"] = False
    if taken:
        said = ", ".join(f"{word}: {value}" for word, value in taken.items() if isinstance(value, int | float | str))
        if said:
            kept["description"] = f"{kept.get('description', '')}\n\n{{{said}}}".strip()
    return kept


def _beyond(word: str, value: Any) -> bool:
    if word == "format":
        return value not in _FORMATS
    return word == "minItems" and value not in (0, 1)


def _parts(schema: Schema) -> list[Any]:
    parts = [schema["items"]] if "items" in schema else []
    for word in _MAPS:
        if isinstance(schema.get(word), dict):
            parts += schema[word].values()
    for word in _LISTS:
        if isinstance(schema.get(word), list):
            parts += schema[word]
    return parts


def _shown(name: str) -> str:
    return name if name.isascii() and name.replace("_", "").replace("-", "").replace("$", "").isalnum() else "*"
