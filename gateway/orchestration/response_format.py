"""What a model must answer: the short form of a configuration, and the wire's own.

Source of the wire's form: https://platform.openai.com/docs/guides/structured-outputs
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.config.problems import Problem
from gateway.config.words import near, shown

KINDS = ("string", "integer", "number", "boolean")
"""What a field of the short form may be; beside these, `[KIND]` is a list, and a block of fields an object."""
_WIRE = ("text", "json_object", "json_schema")
_SCHEMA = frozenset({"type", "enum", "const", "anyOf", "$ref", "properties", "items"})
_TYPES = (*KINDS, "array", "object", "null")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def wire_format(given: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The `response_format` of a request; the short form becomes a strict JSON schema called `name`."""
    if given.get("type") in _WIRE:
        return dict(given)
    schema = dict(given) if _is_schema(given) else object_schema(given)
    return {"type": "json_schema", "json_schema": {"name": name, "strict": True, "schema": schema}}


def fields(given: Mapping[str, Any]) -> frozenset[str] | None:
    """The fields that an answer has; None where it may have any."""
    wire = wire_format(given, "answer")
    schema = wire.get("json_schema", {}).get("schema", {})
    closed = isinstance(schema, Mapping) and schema.get("additionalProperties") is False
    return frozenset(schema.get("properties", {})) if closed else None


def format_problems(given: Mapping[str, Any], place: str) -> Iterator[Problem]:
    """What is wrong with a `response_format`."""
    if not given:
        yield Problem(place, "", "fields such as {score: integer}", "an empty block", "name what the model must answer")
    elif given.get("type") == "json_schema":
        yield from _wire_problems(given, place)
    elif given.get("type") in _WIRE:
        yield from (_unknown(f"{place}.{name}", name, ("type",)) for name in given if name != "type")
    elif _is_schema(given):
        yield from schema_problems(given, place)
    else:
        for name, kind in given.items():
            yield from kind_problems(kind, f"{place}.{name}")


def _is_schema(given: Mapping[str, Any]) -> bool:
    """Whether a block is a JSON schema of its own, and not fields: `type` says so, unless it is a field's name."""
    return given.get("type") == "object" and "properties" in given


def object_schema(given: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON schema of the short form: an object of these fields, all of them, and no others."""
    return {
        "type": "object",
        "properties": {name: _schema(kind) for name, kind in given.items()},
        "required": list(given),
        "additionalProperties": False,
    }


def _schema(kind: Any) -> dict[str, Any]:
    if isinstance(kind, str):
        return {"type": kind}
    if isinstance(kind, list):
        return {"type": "array", "items": _schema(kind[0])}
    return dict(kind) if not _SCHEMA.isdisjoint(kind) else object_schema(kind)


def kind_problems(kind: Any, place: str) -> Iterator[Problem]:
    """What is wrong with one field of the short form."""
    expected = f"one of {', '.join(KINDS)}, a list of one of them, or a block of fields"
    if isinstance(kind, list) and len(kind) == 1:
        yield from kind_problems(kind[0], f"{place}[0]")
    elif isinstance(kind, dict) and kind:
        if not _SCHEMA.isdisjoint(kind):
            yield from schema_problems(kind, place)
            return
        for name, inner in kind.items():
            yield from kind_problems(inner, f"{place}.{name}")
    elif not (isinstance(kind, str) and kind in KINDS):
        yield Problem(place, "", expected, shown(kind), _cure(kind))


def _cure(kind: Any) -> str:
    if not isinstance(kind, str):
        return "for one of several values write {enum: [a, b]}" if isinstance(kind, list) and kind else ""
    common = {"int": "integer", "str": "string", "text": "string", "float": "number", "bool": "boolean"}
    meant = common.get(kind.lower())
    return f"did you mean {meant!r}?" if meant else near(kind, KINDS)


def schema_problems(schema: Any, place: str) -> Iterator[Problem]:
    """What is wrong with the types of a JSON schema; all else is the provider's to judge."""
    if not isinstance(schema, dict):
        yield Problem(place, "", "a JSON schema", shown(schema))
        return
    kind = schema.get("type")
    for one in kind if isinstance(kind, list) else [kind]:
        if one is not None and one not in _TYPES:
            yield Problem(f"{place}.type", "", f"one of {', '.join(_TYPES)}", shown(one), _cure(one))
    for name, inner in (schema.get("properties") or {}).items():
        yield from schema_problems(inner, f"{place}.properties.{name}")
    if "items" in schema:
        yield from schema_problems(schema["items"], f"{place}.items")
    lacking = [name for name in schema.get("required") or () if name not in (schema.get("properties") or {})]
    for name in lacking:
        yield Problem(f"{place}.required", f"{name!r} is required and not among the properties", cure="add it to them")


def _wire_problems(given: Mapping[str, Any], place: str) -> Iterator[Problem]:
    yield from (_unknown(f"{place}.{name}", name, ("type", "json_schema")) for name in given
                if name not in ("type", "json_schema"))  # fmt: skip
    inner = given.get("json_schema")
    if not isinstance(inner, dict):
        yield Problem(
            f"{place}.json_schema", "missing", "{name, schema}", "" if inner is None else shown(inner), "add it"
        )
        return
    name = inner.get("name")
    if not (isinstance(name, str) and _NAME.fullmatch(name)):
        yield Problem(f"{place}.json_schema.name", "", "a name of letters, digits, _ and -", shown(name))
    if "schema" in inner:
        yield from schema_problems(inner["schema"], f"{place}.json_schema.schema")
    else:
        yield Problem(f"{place}.json_schema.schema", "missing", "a JSON schema", "", "add it")


def _unknown(place: str, name: str, known: tuple[str, ...]) -> Problem:
    return Problem(place, "unknown name", f"one of {', '.join(known)}", repr(name), near(name, known))
