"""JSON schemas laid flat: references followed, `allOf` merged, alternatives set aside."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import unquote

Members = Mapping[str, Any]

_MOST_STEPS = 5_000
_MOST_DEPTH = 40
_MOST_REFERENCE = 1_000
_MOST_TYPES = 10
_LARGER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "minContains")
_SMALLER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")


class SchemaError(ValueError):
    """The schema is wrong, allows no value, or asks for more than is reasonable."""


class Flat(NamedTuple):
    """A schema without references and `allOf`.

    A value must fit `members`, and one schema of each group of `groups`. `refs` are the references that led here.
    """

    members: Members
    groups: Sequence[Sequence[Any]]
    refs: frozenset[str]


class Flattener:
    """Lays the schemas of one document flat. Bounded over its life, since schemas can multiply without end."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._left = _MOST_STEPS

    def flat(self, schema: Any, depth: int = 0) -> Flat:
        """Lay `schema` flat. Raises `SchemaError` where it contradicts itself or refers to what is not there."""
        self._left -= 1
        if self._left < 0 or depth > _MOST_DEPTH:
            raise SchemaError("its references and combinations lead too far")
        if schema is False:
            raise SchemaError("no value is allowed where it says `false`")
        if schema is True:
            return Flat({}, (), frozenset())
        if not isinstance(schema, dict):
            raise SchemaError(f"a schema must be an object, found {str(schema)[:50]!r}")
        groups = [schema[name] for name in ("anyOf", "oneOf") if isinstance(schema.get(name), list) and schema[name]]
        self._left -= len(schema) // 20
        flat = Flat({k: v for k, v in schema.items() if k not in _OPENED}, groups, frozenset())
        reference = schema.get("$ref")
        if isinstance(reference, str):
            flat = self._joined(flat, self.flat(self.resolve(reference), depth + 1), frozenset((reference,)))
        every = schema.get("allOf")
        for part in every if isinstance(every, list) else ():
            flat = self._joined(flat, self.flat(part, depth + 1))
        return flat

    def resolve(self, reference: str) -> Any:
        """What `#/…` points to in this document. Raises `SchemaError` where there is nothing."""
        found = self._root
        if len(reference) > _MOST_REFERENCE:
            raise SchemaError("a reference is too long")
        pointer, *rest = unquote(reference).split("/")
        if pointer == "#":
            for name in rest:
                found = _step(found, name.replace("~1", "/").replace("~0", "~"))
            if found is not _NOTHING:
                return found
        raise SchemaError(f"the reference {reference[:100]!r} points to nothing here")

    def _joined(self, one: Flat, two: Flat, refs: frozenset[str] = frozenset()) -> Flat:
        for name in ("properties", "required", "enum"):
            sizes = [len(held) for flat in (one, two) if isinstance(held := flat.members.get(name), dict | list)]
            self._left -= (sizes[0] * sizes[-1] if name == "enum" else sum(sizes)) // 20 if sizes else 0
        if self._left < 0:
            raise SchemaError("its combinations are too large")
        return Flat(merged(one.members, two.members), [*one.groups, *two.groups], one.refs | two.refs | refs)


_OPENED = frozenset({"$ref", "allOf", "anyOf", "oneOf"})
_NOTHING = object()


def _step(holder: Any, name: str) -> Any:
    if isinstance(holder, dict):
        return holder.get(name, _NOTHING)
    if isinstance(holder, list) and name.isascii() and name.isdigit() and len(name) < 10 and int(name) < len(holder):
        return holder[int(name)]
    return _NOTHING


def merged(one: Members, two: Members) -> Members:
    """Members of which a value must fit both. Raises `SchemaError` where their types share nothing."""
    both = {**one, **two}
    for name in one.keys() & two.keys():
        mine, theirs = one[name], two[name]
        if name == "type":
            both[name] = _shared_types(mine, theirs)
        elif name == "properties" and isinstance(mine, dict) and isinstance(theirs, dict):
            both[name] = {**mine, **theirs} | {
                key: _both(mine[key], theirs[key]) for key in mine.keys() & theirs.keys()
            }
        elif name in ("items", "additionalProperties", "contains"):
            both[name] = False if mine is False or theirs is False else _both(mine, theirs)
        elif name == "required" and isinstance(mine, list) and isinstance(theirs, list):
            both[name] = list(dict.fromkeys([item for item in (*mine, *theirs) if isinstance(item, str)]))
        elif name == "enum" and isinstance(mine, list) and isinstance(theirs, list):
            both[name] = [item for item in mine if item in theirs]
        elif name in _LARGER and _numbers(mine, theirs):
            both[name] = max(mine, theirs)
        elif name in _SMALLER and _numbers(mine, theirs):
            both[name] = min(mine, theirs)
    return both


def _both(one: Any, two: Any) -> Any:
    return one if one == two else {"allOf": [one, two]}


def _numbers(*values: Any) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def _shared_types(one: Any, two: Any) -> list[str]:
    mine, theirs = type_names(one), type_names(two)
    shared = [name for name in mine if name in theirs or (name == "integer" and "number" in theirs)]
    shared += [name for name in theirs if name == "integer" and "number" in mine and name not in shared]
    if not shared:
        raise SchemaError(f"no value has both the types {one} and {two}")
    return shared


def type_names(kind: Any) -> list[str]:
    """A schema's `type` as a list of names."""
    names = kind[:_MOST_TYPES] if isinstance(kind, list) else [kind]
    return [name for name in names if isinstance(name, str)]
