"""A value that a JSON schema allows, the same each time (https://json-schema.org/draft/2020-12).

Understood: `type` (also several), `enum`, `const`, `properties`, `required`, `additionalProperties`, `minProperties`,
`maxProperties`, `items`, `prefixItems`, `contains`, `minItems`, `maxItems`, `uniqueItems`, bounds and `multipleOf`,
`minLength`, `maxLength`, `format`, `pattern`, `$ref` within the document, `allOf`, `anyOf`, `oneOf`, `nullable`.
`not`, `if` and what else there is are passed over. Best effort: no validator looks at the result.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from gateway.providers.mock import number_sample
from gateway.providers.mock.schema_merge import Flattener, Members, SchemaError, type_names
from gateway.providers.mock.string_sample import length, string
from gateway.wire.verbatim import encode

__all__ = ["SchemaError", "sample"]

_MOST_VALUES = 4_000
_CHARACTERS = 500
"""Characters that count as one value more, so that few values cannot be very long ones."""
_MOST_DEPTH = 60
_TYPES: dict[str, Callable[[Any], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}
_HINTS = {
    "object": ("properties", "required", "additionalProperties", "minProperties"),
    "array": ("items", "prefixItems", "minItems", "contains"),
    "string": ("minLength", "maxLength", "pattern", "format"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}
"""What tells a schema's type where it names none."""


def sample(schema: Any) -> Any:
    """A value that `schema` allows. Raises `SchemaError` where there is none, or none within reason."""
    return _Sampler(schema).value(schema, _Place())


class _Place:
    """Where a value stands: how deep, behind which references, under which name, the how manieth of its array."""

    __slots__ = ("depth", "hint", "lean", "number", "refs")

    def __init__(
        self, depth: int = 0, hint: str = "", number: int = 0, refs: frozenset[str] = frozenset(), lean: bool = False
    ) -> None:
        self.depth = depth
        self.hint = hint
        self.number = number
        self.refs = refs
        self.lean = lean
        """Whether only what must be there is given: behind a reference met for the second time, so that recursion
        comes to its end."""

    def inner(self, hint: str | None = None, number: int | None = None) -> "_Place":
        hint, number = self.hint if hint is None else hint, self.number if number is None else number
        return _Place(self.depth + 1, hint, number, self.refs, self.lean)

    def behind(self, refs: frozenset[str], lean: bool) -> "_Place":
        lean = lean or self.lean or not self.refs.isdisjoint(refs)
        return _Place(self.depth, self.hint, self.number, self.refs | refs, lean)


class _Sampler:
    """One sample, within bounds: a schema of a few lines can describe values without end."""

    def __init__(self, root: Any) -> None:
        self._schemas = Flattener(root)
        self._left = _MOST_VALUES

    def value(self, schema: Any, place: _Place) -> Any:
        self._spend(1)
        if place.depth > _MOST_DEPTH:
            raise SchemaError("it asks for too deep a value")
        members, groups, refs = self._schemas.flat(schema)
        place = place.behind(refs, lean=self._left < _MOST_VALUES // 2)
        if groups:
            return self._chosen(members, groups, place)
        if "const" in members:
            return self._given(members["const"])
        if isinstance(members.get("enum"), list):
            self._spend(len(members["enum"]) // 20)
            return self._given(_listed(members, place))
        if place.lean and members.get("nullable") is True:
            return None
        return self._typed(_type(members, place), members, place)

    def _spend(self, values: int) -> None:
        self._left -= values
        if self._left < 0:
            raise SchemaError("it asks for too large a value")

    def _given(self, value: Any) -> Any:
        """A value that the schema itself holds."""
        self._spend(len(encode(value)) // _CHARACTERS)
        return value

    def _typed(self, kind: str, members: Members, place: _Place) -> Any:
        match kind:
            case "object":
                return self._object(members, place)
            case "array":
                return self._array(members, place)
            case "string":
                self._spend(min(1000, len(str(members.get("pattern", "")))) // 20)
                text = string(members, place.hint, place.number)
                self._spend(len(text) // _CHARACTERS)
                return text
            case "integer":
                return number_sample.integer(members, place.number)
            case "number":
                return number_sample.decimal(members, place.number)
            case "boolean":
                return place.number % 2 == 0
            case "null":
                return None
        raise SchemaError(f"there is no type {kind[:50]!r}")

    def _chosen(self, members: Members, groups: Sequence[Sequence[Any]], place: _Place) -> Any:
        """A value of the first alternative that allows one."""
        options, *rest = groups
        self._spend(len(options) // 20)
        failed: SchemaError | None = None
        for option in sorted(options, key=self._weight) if place.lean else options:
            try:
                return self.value({**members, "allOf": [option, *[{"anyOf": g} for g in rest]]}, place.inner())
            except SchemaError as error:
                failed = failed or error
        assert failed is not None
        raise failed

    def _weight(self, schema: Any) -> int:
        """How much a value of the schema may bring with it, at a glance."""
        for _ in range(8):
            if isinstance(schema, dict) and isinstance(reference := schema.get("$ref"), str):
                schema = self._schemas.resolve(reference)
        if not isinstance(schema, dict) or "const" in schema or "enum" in schema:
            return 0
        kinds = type_names(schema.get("type"))
        if "object" in kinds or "properties" in schema:
            return 3
        if "array" in kinds or "items" in schema:
            return 2
        return 1 if "anyOf" in schema or "oneOf" in schema or "allOf" in schema else 0

    def _object(self, members: Members, place: _Place) -> dict[str, Any]:
        properties = members.get("properties")
        properties = properties if isinstance(properties, dict) else {}
        others = members.get("additionalProperties", True)
        needed = _list(members.get("required"))
        self._spend((len(properties) + len(needed)) // 20)
        required = dict.fromkeys([name for name in needed if isinstance(name, str)])
        spare = max(0, length(members, "maxProperties", len(properties) + len(required)) - len(required))
        found: dict[str, Any] = {}
        for name, schema in properties.items():
            if name in required:
                found[name] = self.value(schema, place.inner(name))
            elif spare and not place.lean and (optional := self._optional(schema, place.inner(name))):
                found[name] = optional[0]
                spare -= 1
        for name in required:
            if name not in found:
                found[name] = self.value(others, place.inner(name))
        number = 0
        while len(found) < length(members, "minProperties", 0):
            number += 1
            found.setdefault(f"key{number}", self.value(others, place.inner(f"key{number}")))
        self._spend(sum(map(len, found)) // _CHARACTERS)
        return found

    def _array(self, members: Members, place: _Place) -> list[Any]:
        first, rest = _list(members.get("prefixItems")), members.get("items", True)
        if isinstance(rest, list):  # how earlier drafts spelled prefixItems
            first, rest = rest, members.get("additionalItems", True)
        least, most = length(members, "minItems", 0), length(members, "maxItems", _MOST_VALUES)
        if "contains" in members and not first:
            first = [{"allOf": [members["contains"], rest]}] * min(length(members, "minContains", 1), _MOST_VALUES)
        found = [self.value(schema, place.inner(number=number)) for number, schema in enumerate(first[:most])]
        unique = members.get("uniqueItems") is True
        number = len(found)
        seen: set[bytes | None] = {encode(item) for item in found} if unique else set()
        while len(found) < least:
            item = self.value(rest, place.inner(number=number))
            number += 1
            known = encode(item) if unique else None
            if known is None or known not in seen:
                found.append(item)
                seen.add(known)
        if not found and most and not place.lean:
            found += self._optional(rest, place.inner(number=place.number))
        return found

    def _optional(self, schema: Any, place: _Place) -> list[Any]:
        """A value that may be left out: none where the schema allows none, or it would lead too far."""
        try:
            return [self.value(schema, place)]
        except SchemaError:
            return []


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _listed(members: Members, place: _Place) -> Any:
    """One of an enumeration, of the type that is asked for."""
    kinds = [_TYPES[name] for name in type_names(members.get("type")) if name in _TYPES]
    values = [value for value in members["enum"] if not kinds or any(fits(value) for fits in kinds)]
    if not values:
        raise SchemaError("its `enum` allows no value")
    return values[place.number % len(values)]


def _type(members: Members, place: _Place) -> str:
    kinds = type_names(members.get("type"))
    if kinds:
        if place.lean and "null" in kinds:
            return "null"
        return _first((name for name in kinds if name != "null"), "null")
    return _first((kind for kind, hints in _HINTS.items() if any(hint in members for hint in hints)), "string")


def _first(names: Iterable[str], default: str) -> str:
    return next(iter(names), default)
