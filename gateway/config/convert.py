"""From plain values to typed settings, with everything told that does not fit."""

import re
from collections.abc import Iterable, Iterator
from types import UnionType
from typing import Annotated, Any, NamedTuple, TypeVar, Union, get_args, get_origin

import msgspec

from gateway.config.filled import Filled
from gateway.config.positions import Path, place_of
from gateway.config.problems import ConfigError, Problem
from gateway.config.words import cure, expected, near, shown
from gateway.seam.settings import decode

T = TypeVar("T")
_TRUTHS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
_UNFIT = (msgspec.ValidationError, NotImplementedError)
"""What msgspec raises for a value that does not fit, and `decode` for a kind that nobody can read."""
_ROUNDS = 20
"""What is taken out may be what something needs: then that goes too, in the next round."""
_BLOCK_RULE = re.compile(r"(?s)(?P<name>\w+)(?P<rest>[\w.\[\]]*):? (?P<told>.+)")


class Misfit(NamedTuple):
    """Something that does not fit: where, and what is told (nothing, where it is told already)."""

    path: Path
    problem: Problem | None
    lacking: bool = False
    """Whether something is missing at `path`, so that nothing can be taken out there."""


def convert(value: Any, kind: type[T], place: str) -> T:
    """Read a plain value as `kind`. Raises `ConfigError` with everything that does not fit.

    Texts that variables filled in are read as numbers or truths where such are wanted. `place` is put before the
    problems' own places.
    """
    if _has_filled(value):
        value = typed(value, kind)
    try:
        fitting: T = _read(value, kind)
    except _UNFIT:
        problems = [misfit.problem for misfit in misfits(value, kind) if misfit.problem]
        raise ConfigError([_below(place, problem) for problem in problems]) from None
    return fitting


def remainder(value: Any, kind: type[T]) -> T | None:
    """What is left of a value without what does not fit; None where nothing is."""
    value = typed(value, kind)
    for _ in range(_ROUNDS):
        unfit = {misfit.path[:-1] if misfit.lacking else misfit.path for misfit in misfits(value, kind)}
        if () in unfit:
            return None
        if not unfit:
            fitting: T = _read(value, kind)
            return fitting
        # The last of a list first, so that the indices of the others hold.
        for path in sorted(unfit, key=lambda path: [step if isinstance(step, int) else -1 for step in path])[::-1]:
            _cut(value, path)
    return None


def _cut(value: Any, path: Path) -> None:
    *way, last = path
    for step in way:
        value = value[step]
    del value[last]


def _has_filled(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_filled, value.values()))
    return any(map(_has_filled, value)) if isinstance(value, list) else isinstance(value, Filled)


def typed(value: Any, kind: Any) -> Any:
    """The value with texts that variables filled in as the plain texts, numbers and truths that they should be.

    Where anything may stand they stay what they are: whoever reads it later will want to know.
    """
    if isinstance(value, Filled):
        return _plain(value, kind)
    if isinstance(value, dict):
        fields = _fields(value, kind)
        items = _items(value, kind)
        return {
            name: typed(item, fields[name].type if name in fields else items) if name in fields or items else item
            for name, item in value.items()
        }
    if isinstance(value, list) and (items := _items(value, kind)):
        return [typed(item, items) for item in value]
    return value


def misfits(value: Any, kind: Any, path: Path = ()) -> Iterator[Misfit]:
    """Everything in a value that does not fit: msgspec alone stops at the first."""
    try:
        _read(value, kind)
    except _UNFIT as error:
        found = [*_names(value, kind, path)]
        for part in _parts(value, kind, path):
            found += misfits(*part)
        yield from found or (_misfit(value, kind, path, error),)


def _read(value: Any, kind: Any) -> Any:
    return msgspec.convert(value, kind, dec_hook=decode)


def _misfit(value: Any, kind: Any, path: Path, error: Exception) -> Misfit:
    if isinstance(value, Filled) and value.told:
        return Misfit(path, None)
    place = place_of(path)
    if fields := _fields(value, kind):
        # All its parts fit: it is a rule of the block's own that does not hold.
        told = str(error).partition(" - at `")[0]
        rule = _BLOCK_RULE.fullmatch(told)
        if rule is not None and rule["name"] in fields:
            named = (*path, rule["name"])
            problem = Problem(place_of(named) + rule["rest"], rule["told"])
            return Misfit(named, problem, lacking=rule["name"] not in value)
        return Misfit(path, Problem(place, told))
    return Misfit(path, Problem(place, "", expected(kind), shown(value, path), cure(value, kind)))


def _names(value: Any, kind: Any, path: Path) -> Iterator[Misfit]:
    """The names that a block does not know, and those that it lacks."""
    fields = _fields(value, kind)
    if fields:
        known = ", ".join(fields)
        for name in value:
            if name not in fields:
                place = place_of((*path, str(name)))
                problem = Problem(place, "unknown name", f"one of {known}", repr(name), near(str(name), fields))
                yield Misfit((*path, name), problem)
        for name, field in fields.items():
            if field.required and name not in value:
                at = (*path, name)
                yield Misfit(at, Problem(place_of(at), "missing", expected(field.type), cure="add it"), lacking=True)
    elif isinstance(value, dict) and _items(value, kind):
        for name in value:
            if not isinstance(name, str):
                place = place_of((*path, str(name)))
                problem = Problem(place, "a name is not text", "text", shown(name), "put it in quotes")
                yield Misfit((*path, name), problem)


def _parts(value: Any, kind: Any, path: Path) -> Iterator[tuple[Any, Any, Path]]:
    """What a value consists of: each with the kind that it should be, and its path."""
    fields = _fields(value, kind)
    if fields:
        yield from ((value[name], field.type, (*path, name)) for name, field in fields.items() if name in value)
    elif items := _items(value, kind):
        pairs: Iterable[tuple[Any, Any]] = value.items() if isinstance(value, dict) else enumerate(value)
        yield from ((item, items, (*path, step)) for step, item in pairs)


def _options(kind: Any) -> tuple[Any, ...]:
    """The kinds that a value may be of, without what annotates them."""
    if get_origin(kind) is Annotated:
        return _options(get_args(kind)[0])
    if isinstance(kind, UnionType) or get_origin(kind) is Union:
        return tuple(option for choice in get_args(kind) for option in _options(choice))
    return (kind,)


def _fields(value: Any, kind: Any) -> dict[str, msgspec.structs.FieldInfo]:
    """The fields of the block that a mapping should be; empty where it should be none."""
    if isinstance(value, dict):
        for option in _options(kind):
            if isinstance(option, type) and issubclass(option, msgspec.Struct):
                return {field.encode_name: field for field in msgspec.structs.fields(option)}
    return {}


def _items(value: Any, kind: Any) -> Any:
    """The kind of a list's items, or of a mapping's values; None where it should hold none."""
    for option in _options(kind):
        origin, arguments = get_origin(option), get_args(option)
        if isinstance(value, dict) and origin is dict:
            return arguments[1]
        if isinstance(value, list) and origin in (list, set, frozenset):
            return arguments[0]
        if isinstance(value, list) and origin is tuple and arguments[1:] == (...,):
            return arguments[0]
    return None


def _plain(text: Filled, kind: Any) -> Any:
    """The text as what is wanted; itself where that does not fit, so that it is told as the variable's."""
    options = _options(kind)
    plain: Any = text
    if Any in options:
        return text
    if str in options:
        plain = str(text)
    elif bool in options:
        plain = _TRUTHS.get(text.lower(), text)
    elif int in options and re.fullmatch(r"[-+]?[0-9]{1,18}", text):
        plain = int(text)
    elif float in options and re.fullmatch(r"[-+]?[0-9]{1,18}(\.[0-9]{1,18})?", text):
        plain = float(text)
    try:
        _read(plain, kind)
    except _UNFIT:
        return text
    return plain


def _below(place: str, problem: Problem) -> Problem:
    if not place:
        return problem
    joint = "." if problem.place and not problem.place.startswith("[") else ""
    return problem._replace(place=f"{place}{joint}{problem.place}")
