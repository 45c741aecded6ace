"""The configuration file as a JSON Schema (draft 2020-12), for editors: made of the very structs that read it.

Beyond it are only rules between values: names that other blocks must have, names that may stand once, rules of one
block about several of its settings, what a variable holds and whether a `${` begins one, and settings of providers that
are no stock ones. It takes `5.0` for a whole number, and spans of more than three thousand years.
"""

import ast
import inspect as sources
import textwrap
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import msgspec
from msgspec import inspect

from gateway.config.attach import Grace
from gateway.config.routing import After, ProviderRouting, Share
from gateway.config.schema import Config, Use
from gateway.config.sources import PROMPTS
from gateway.seam.settings import Duration, Size

Schema = dict[str, Any]
_VARIABLE: Schema = {"type": "string", "pattern": r"\$\{", "description": "From the environment."}
_BESIDE: Schema = {
    "type": True,
    "translation": {
        "description": "Whether what another dialect cannot carry is left out and named, or refused.",
        "enum": ["lenient", "strict"],
        "default": "lenient",
    },
}
"""What may stand beside every provider's own settings."""
_LONGEST: Schema = {"type": "number", "minimum": 0, "maximum": 10**11}
_LARGEST: Schema = {"type": "integer", "minimum": 0, "maximum": 2**60}
_NUMBERS: Mapping[type[After | Grace | Share | Duration | Size], Schema] = {
    After: {**_LONGEST, "exclusiveMinimum": 0},
    Grace: {**_LONGEST, "type": ["number", "boolean"]},
    Share: {"type": "number", "minimum": 0, "maximum": 1},
    Duration: _LONGEST,
    Size: _LARGEST,
}
"""The kinds that are written as a number or as a text, the narrower ones first, and the numbers that each takes."""


def json_schema(providers: Mapping[str, Any], chains: Mapping[str, type], graph: type, tool: type) -> str:
    """The schema as a text. `providers` are the settings of the stock providers by `type:`, None where one has none.

    `chains` are the structs of chains by `type:`, `graph` is that of graphs, `tool` that of tools.
    """
    writer = _Writer()
    whole = writer.block(Config)
    whole["properties"]["providers"] |= writer.providers(providers)
    whole["properties"]["chains"] |= writer.chains(chains)
    for block, kind in (("graphs", graph), ("tools", tool)):
        whole["properties"][block] |= {"type": "object", "additionalProperties": writer.reference(kind)}
    writer.take_prompts_from_files()
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of the gateway",
        "type": ["object", "null"],
        **{name: value for name, value in whole.items() if name not in ("title", "type")},
        "$defs": writer.definitions,
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


class _Writer:
    """Writes kinds as schemas; structs become definitions, each written once."""

    def __init__(self) -> None:
        self.definitions: dict[str, Schema] = {}

    def block(self, kind: type, more: Schema | None = None) -> Schema:
        """The schema of a struct; `more` are properties that it may have beside its fields."""
        info = inspect.type_info(kind)
        assert isinstance(info, inspect.StructType)
        told = _field_docs(kind)
        properties = {}
        for field in info.fields:
            described = {"description": told[field.name]} if field.name in told else {}
            properties[field.encode_name] = {**described, **self.kind(field.type), **_default(field)}
        return {
            "title": kind.__name__,
            "description": sources.cleandoc(kind.__doc__ or ""),
            "type": "object",
            "properties": {**properties, **(more or {})},
            "required": [field.encode_name for field in info.fields if field.required],
            "additionalProperties": not info.forbid_unknown_fields,
        }

    def providers(self, stock: Mapping[str, Any]) -> Schema:
        """Providers by name. A `type` says which settings there are; without one, the name is the type."""
        kind = {"anyOf": [{"enum": [*stock, None]}, {"type": "string", "pattern": r":|\$\{"}]}
        typed: Schema = {"type": "object", "properties": {"type": kind}, "allOf": []}
        named: dict[str, Schema] = {}
        for name, settings in stock.items():
            reference = self._settings(settings)
            is_it = {"properties": {"type": {"const": name}}, "required": ["type"]}
            typed["allOf"].append({"if": is_it, "then": reference})
            untyped = {"properties": {"type": {"const": None}}}
            named[name] = {"allOf": [{"$ref": "#/$defs/provider"}, {"if": untyped, "then": reference}]}
        self.definitions["provider"] = typed
        has_type = {"required": ["type"], "properties": {"type": {"type": "string"}}}
        other = {"allOf": [{"$ref": "#/$defs/provider"}, has_type]}
        return {"type": "object", "properties": named, "additionalProperties": other}

    def _settings(self, settings: Any) -> Schema:
        """A provider's own settings, and what stands beside them."""
        beside = {**_BESIDE, **self.block(ProviderRouting)["properties"]}
        if settings is None:
            return {"properties": beside, "additionalProperties": False}
        name = settings.__name__
        if name not in self.definitions:
            self.definitions[name] = self.block(settings, beside)
        return {"$ref": f"#/$defs/{name}"}

    def chains(self, kinds: Mapping[str, type]) -> Schema:
        """Chains by name. A `type` says which settings there are."""
        chain: Schema = {
            "description": "A chain.",
            "type": "object",
            "required": ["type"],
            "properties": {"type": {"enum": [*kinds]}},
            "allOf": [],
        }
        for name, kind in kinds.items():
            is_it = {"properties": {"type": {"const": name}}, "required": ["type"]}
            chain["allOf"].append({"if": is_it, "then": self.reference(kind)})
        self.definitions["chain"] = chain
        return {"type": "object", "additionalProperties": {"$ref": "#/$defs/chain"}}

    def reference(self, kind: type) -> Schema:
        """A struct, as what stands among the definitions."""
        return self._one(inspect.type_info(kind))

    def take_prompts_from_files(self) -> None:
        """Let the texts that may stand in files of their own be `{file: PATH}`."""
        path = {"type": "object", "properties": {"file": {"type": "string"}}, "required": ["file"]}
        for definition in self.definitions.values():
            properties = definition.get("properties", {})
            for name in PROMPTS & properties.keys():
                text = properties[name]
                told = {key: text.pop(key) for key in ("description", "default") if key in text}
                properties[name] = {**told, "anyOf": [text, {**path, "additionalProperties": False}]}

    def kind(self, kind: inspect.Type) -> Schema:
        """The schema of a kind of value; a variable may stand for whatever stands in one line."""
        options = _flat(kind)
        written = [self._one(option) for option in options]
        takes_text = any(isinstance(option, inspect.StrType) and option.pattern is None for option in options)
        if not takes_text and any(isinstance(option, _IN_A_LINE) for option in options):
            written.append(_VARIABLE)
        return written[0] if len(written) == 1 else {"anyOf": written}

    def _one(self, kind: inspect.Type) -> Schema:
        match kind:
            case inspect.CustomType():
                return _custom(kind.cls)
            case inspect.StructType():
                name = kind.cls.__name__
                if name not in self.definitions:
                    self.definitions[name] = {}  # for structs that hold themselves
                    self.definitions[name] = self.block(kind.cls)
                return {"$ref": f"#/$defs/{name}"}
            case inspect.DictType():
                return {"type": "object", "additionalProperties": self.kind(kind.value_type)}
            case inspect.ListType() | inspect.VarTupleType() | inspect.SetType():
                bounds = {"minItems": kind.min_length, "maxItems": kind.max_length}
                return {"type": "array", "items": self.kind(kind.item_type), **_given(bounds)}
            case inspect.LiteralType():
                return {"enum": [*kind.values]}
            case inspect.StrType():
                texts: Schema = {"minLength": kind.min_length, "maxLength": kind.max_length, "pattern": kind.pattern}
                return {"type": "string", **_given(texts)}
            case inspect.IntType() | inspect.FloatType():
                return {"type": "integer" if isinstance(kind, inspect.IntType) else "number", **_bounds(kind)}
        return _PLAIN.get(type(kind), {})


_IN_A_LINE = (
    inspect.BoolType | inspect.IntType | inspect.FloatType | inspect.StrType | inspect.LiteralType | inspect.CustomType
)
_PLAIN: dict[type, Schema] = {inspect.BoolType: {"type": "boolean"}, inspect.NoneType: {"type": "null"}}


def _custom(kind: type) -> Schema:
    for one, number in _NUMBERS.items():
        if issubclass(kind, one):
            return {"anyOf": [number, {"type": "string", "pattern": one.pattern}], "description": one.expected}
    if issubclass(kind, Use):
        use = {"type": "string", "minLength": 1}
        return {"anyOf": [use, {"type": "object", "properties": {"use": use}, "required": ["use"]}]}
    return {}


def _flat(kind: inspect.Type) -> list[inspect.Type]:
    if isinstance(kind, inspect.Metadata):
        return _flat(kind.type)
    if isinstance(kind, inspect.UnionType):
        return [option for choice in kind.types for option in _flat(choice)]
    return [kind]


def _bounds(kind: inspect.IntType | inspect.FloatType) -> Schema:
    names = {"minimum": kind.ge, "exclusiveMinimum": kind.gt, "maximum": kind.le, "exclusiveMaximum": kind.lt}
    return _given({**names, "multipleOf": kind.multiple_of})


def _given(bounds: Schema) -> Schema:
    return {name: bound for name, bound in bounds.items() if bound is not None}


def _default(field: inspect.Field) -> Schema:
    value = field.default
    if value is msgspec.NODEFAULT and field.default_factory is not msgspec.NODEFAULT:
        value = field.default_factory()
    if value is msgspec.NODEFAULT or value is None or isinstance(value, msgspec.Struct):
        return {}
    return {"default": written(value)}


def written(value: Any) -> Any:
    """A default as a person would write it: `30s`, `10MiB`, `5%`."""
    if isinstance(value, Share):
        return f"{value * 100:g}%"
    if isinstance(value, Duration):
        for unit, seconds in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
            if value >= seconds and value % seconds == 0:
                return f"{value / seconds:.0f}{unit}"
        return f"{value * 1000:g}ms" if value else "0s"
    if isinstance(value, Size):
        units = (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10))
        return next((f"{value // size}{unit}" for unit, size in units if value and value % size == 0), int(value))
    return value


def _field_docs(kind: type) -> dict[str, str]:
    """What stands below each field of a class, and of its bases, in its source."""
    told: dict[str, str] = {}
    for base in reversed(kind.__mro__[:-1]):
        try:
            tree = ast.parse(textwrap.dedent(sources.getsource(base)))
        except (OSError, TypeError):
            continue
        body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
        for field, text in pairwise(body):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant)
                and isinstance(text.value.value, str)
            ):
                told[field.target.id] = sources.cleandoc(text.value.value)
    return told
