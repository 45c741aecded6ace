"""The arguments of a tool: what a model is told of them, and whether those that it gives may be used.

A JSON schema describes them (draft 2020-12, https://json-schema.org/draft/2020-12): one of the configuration, or one
that is made of a function's signature. What does not fit never reaches the tool.
"""

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, NamedTuple, get_type_hints

import msgspec
from msgspec import UNSET, UnsetType

from gateway.config.problems import Problem
from gateway.config.words import shown
from gateway.orchestration.response_format import kind_problems, object_schema, schema_problems
from gateway.wire.verbatim import INVALID

Schema = Mapping[str, Any]
Given = Mapping[str, Any]
"""Arguments as a model gives them, of the types of JSON."""
Typed = Callable[[Given], dict[str, Any]]
"""Raises `msgspec.ValidationError` where they do not fit."""
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_open = msgspec.json.Decoder().decode
_MOST_SHOWN = 500


class Arguments(NamedTuple):
    """The arguments of one tool: their schema, and `typed`, which makes of those that fit what a function takes."""

    schema: Schema
    typed: Typed

    def read(self, source: str) -> dict[str, Any]:
        """The arguments in a JSON text, an empty one being none. Raises ValueError where they may not be used."""
        try:
            value = _open(source) if source.strip() else {}
        except INVALID as error:
            raise ValueError(f"they are no JSON ({error}): {source[:_MOST_SHOWN]}") from error
        if not isinstance(value, dict):
            raise ValueError(f"they are no JSON object: {source[:_MOST_SHOWN]}")
        try:
            self.typed(value)
        except (msgspec.ValidationError, RecursionError) as error:
            raise ValueError(str(error)[:_MOST_SHOWN]) from error
        return value


def described(schema: Schema) -> Arguments:
    """The arguments that a JSON schema describes."""
    # Ten megabytes, which only those pay who write schemas of their own.
    from jsonschema import Draft202012Validator  # noqa: PLC0415
    from jsonschema.exceptions import best_match  # noqa: PLC0415
    from referencing import Registry  # noqa: PLC0415

    validator = Draft202012Validator(schema, registry=Registry())  # no reference leads out of the schema

    def typed(arguments: Given) -> dict[str, Any]:
        wrong = best_match(validator.iter_errors(arguments))
        if wrong is not None:
            raise msgspec.ValidationError(f"{wrong.message[:_MOST_SHOWN]} - at `{wrong.json_path}`")
        return dict(arguments)

    return Arguments(schema, typed)


def signed(function: Callable[..., Any], hidden: Collection[str] = ()) -> Arguments:
    """The arguments of a function, `hidden` apart. Raises TypeError where its annotations do not say of which types."""
    taken = {name: one for name, one in _named(function).items() if name not in hidden}
    try:
        hints = get_type_hints(function, include_extras=True)
    except Exception as error:  # somebody's own names, which may not be there
        raise TypeError(f"its annotations cannot be read: {error}") from error
    bare = [name for name in taken if name not in hints]
    if bare:
        raise TypeError(f"no type is given for {', '.join(map(repr, bare))}")
    fields: list[Any] = [
        (name, hints[name]) if one.default is one.empty else (name, hints[name] | UnsetType, UNSET)
        for name, one in taken.items()
    ]
    struct = msgspec.defstruct("Arguments", fields, kw_only=True, forbid_unknown_fields=True)
    (reference,), definitions = msgspec.json.schema_components([struct], ref_template="#/$defs/{name}")
    schema = definitions.pop(reference["$ref"].rpartition("/")[2])
    del schema["title"]
    for one in taken.values():
        if isinstance(one.default, str | int | float):
            schema["properties"][one.name]["default"] = one.default

    def typed(arguments: Given) -> dict[str, Any]:
        read = msgspec.convert(arguments, struct)
        return {name: value for name in taken if (value := getattr(read, name)) is not UNSET}

    return Arguments(schema | ({"$defs": definitions} if definitions else {}), typed)


def is_open(function: Callable[..., Any]) -> bool:
    """Whether a function takes whatever there is, and names nothing of it."""
    return not _named(function) and takes(function)("")


def takes(function: Callable[..., Any]) -> Callable[[str], bool]:
    """Whether a function takes an argument of that name."""
    every = any(one.kind is one.VAR_KEYWORD for one in _parameters(function).values())
    return (lambda _: True) if every else _named(function).__contains__


def needed(function: Callable[..., Any]) -> set[str]:
    """The arguments without which a function cannot be called."""
    return {name for name, one in _named(function).items() if one.default is one.empty}


def schema_of(given: Mapping[str, Any]) -> Schema:
    """The JSON schema of `parameters`, which may be the short form."""
    return given if _in_full(given) else object_schema(given)


def parameters_problems(given: Mapping[str, Any], place: str) -> Iterator[Problem]:
    """What is wrong with `parameters`."""
    if not _in_full(given):
        if isinstance(given.get("properties"), Mapping):
            yield Problem(
                place, "a JSON schema of arguments has a type", "`type: object`", "none", "add `type: object`"
            )
        for name, kind in given.items():
            yield from kind_problems(kind, f"{place}.{name}")
        return
    found = list(schema_problems(given, place))
    yield from found or _schema_problems(given, place)


def _schema_problems(given: Schema, place: str) -> Iterator[Problem]:
    from jsonschema import Draft202012Validator  # noqa: PLC0415  # as above
    from jsonschema.exceptions import SchemaError  # noqa: PLC0415
    from referencing import Registry  # noqa: PLC0415
    from referencing.exceptions import Unresolvable  # noqa: PLC0415
    from referencing.jsonschema import DRAFT202012  # noqa: PLC0415

    try:
        Draft202012Validator.check_schema(given, format_checker=Draft202012Validator.FORMAT_CHECKER)
    except SchemaError as error:
        path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.absolute_path)
        yield Problem(f"{place}{path}", error.message[:_MOST_SHOWN], "a JSON schema", shown(error.instance))
        return
    resolver = Registry().with_resource("", DRAFT202012.create_resource(given)).resolver()
    for at, reference in _references(given, place):
        try:
            resolver.lookup(reference)
        except Unresolvable:
            yield Problem(at, "leads to nothing", "#/$defs/NAME, of this schema", repr(reference), "define it there")


def _references(value: Any, place: str) -> Iterator[tuple[str, str]]:
    """Where a schema refers to another, and to which."""
    for name, item in value.items() if isinstance(value, Mapping) else ():
        if name == "$ref" and isinstance(item, str):
            yield f"{place}.$ref", item
        else:
            yield from _references(item, f"{place}.{name}")
    for number, item in enumerate(value if isinstance(value, list) else ()):
        yield from _references(item, f"{place}[{number}]")


def _in_full(given: Mapping[str, Any]) -> bool:
    """Whether it is a JSON schema: no field of the short form is of the type `object`."""
    return given.get("type") == "object"


def _parameters(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):  # built in, without a signature
        return {}


def _named(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    return {name: one for name, one in _parameters(function).items() if one.kind in _NAMED}


def _input(input: str) -> None:  # noqa: A002 (its signature is all that counts)
    """What is said to a chain, a graph or a model."""


INPUT = signed(_input)
"""The arguments of a tool that says nothing of them: one text."""
