"""The words in which a person is told what was expected and what was found."""

import difflib
import re
from collections.abc import Iterable
from typing import Any

from msgspec import inspect

from gateway.config.filled import Filled
from gateway.config.positions import Path

_SECRET = frozenset({"api_key", "key", "sha256", "headers", "password", "secret", "token", "authorization"})
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]*@")
_LONG = 60


def expected(kind: Any) -> str:
    """What a value of this kind is: `a whole number from 0 to 65535`."""
    return _words(inspect.type_info(kind))


def shown(value: Any, path: Path = ()) -> str:
    """What was found; values of variables, and what may be secret, are not shown."""
    if isinstance(value, Filled) and value.variable:
        return f"{str(value) if value.shown else '…'!r} from {value.variable}"
    if secret(path) and isinstance(value, str | int | float) and not isinstance(value, bool):
        return "'…'"
    if isinstance(value, str):
        text = _CREDENTIALS.sub("…@", value)
        return repr(text if len(text) <= _LONG else f"{text[:_LONG]}…")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a block" if value else "an empty block"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    return "nothing" if value is None else str(value)[:_LONG]


def secret(path: Path) -> bool:
    """Whether what stands at this path is nobody's business."""
    return not _SECRET.isdisjoint(str(step) for step in path)


def near(name: str, known: Iterable[str]) -> str:
    """A question that names what was probably meant; empty where nothing is near."""
    plain = {each.lower().replace("-", "_"): each for each in known}
    close = difflib.get_close_matches(name[:_LONG].lower().replace("-", "_"), plain, n=1, cutoff=0.6)
    return f"did you mean {plain[close[0]]!r}?" if close else ""


def cure(value: Any, kind: Any) -> str:
    """What to do with a value of the wrong kind; empty where there is no more to say than what was expected."""
    options = _flat(inspect.type_info(kind))
    has = {type(option) for option in options}
    if isinstance(value, str) and not isinstance(value, Filled):
        return _cure_of_text(value, options)
    free = any(isinstance(option, inspect.StrType) and option.pattern is None for option in options)
    if isinstance(value, bool | int | float) and free:
        return "put it in quotes"
    if value is None:
        return "give it a value, or take the name out"
    if isinstance(value, dict) and has & {inspect.ListType, inspect.VarTupleType}:
        return "write it as a list: [{…}]"
    return ""


def _cure_of_text(text: str, options: list[inspect.Type]) -> str:
    for option in options:
        if isinstance(option, inspect.LiteralType) and (hint := near(text, map(str, option.values))):
            return hint
        if isinstance(option, inspect.IntType) and re.fullmatch(r"-?\d+", text):
            return "write it without quotes"
        if isinstance(option, inspect.FloatType) and re.fullmatch(r"-?\d+(\.\d+)?", text):
            return "write it without quotes"
        if isinstance(option, inspect.BoolType) and text.lower() in ("true", "false", "yes", "no", "on", "off"):
            return "write it without quotes"
        if isinstance(option, inspect.ListType | inspect.VarTupleType):
            return f"write it as a list: [{text}]" if re.fullmatch(r"[\w./*-]{1,40}", text) else "write it as a list"
    return ""


def _flat(kind: inspect.Type) -> list[inspect.Type]:
    if isinstance(kind, inspect.Metadata):
        return _flat(kind.type)
    if isinstance(kind, inspect.UnionType):
        return [option for choice in kind.types for option in _flat(choice)]
    return [kind]


def _words(kind: inspect.Type) -> str:
    match kind:
        case inspect.Metadata(extra={"expected": words}):
            return str(words)
        case inspect.Metadata():
            return _words(kind.type)
        case inspect.UnionType():
            options = [_words(option) for option in kind.types if not isinstance(option, inspect.NoneType)]
            return ", or ".join(dict.fromkeys(options))
        case inspect.IntType() | inspect.FloatType():
            return f"a{' whole' if isinstance(kind, inspect.IntType) else ''} number{_bounds(kind)}"
        case inspect.StrType():
            return "text that is not empty" if kind.min_length else "text"
        case inspect.BoolType():
            return "true or false"
        case inspect.NoneType():
            return "nothing"
        case inspect.LiteralType():
            return f"one of {', '.join(map(str, kind.values))}" if len(kind.values) > 1 else repr(kind.values[0])
        case inspect.ListType() | inspect.VarTupleType() | inspect.SetType():
            return f"a list of {_several(kind.item_type)}{', at least one' if kind.min_length else ''}"
        case inspect.StructType():
            names = [field.encode_name for field in kind.fields]
            return f"a block of {', '.join(names[:8])}{', …' if len(names) > 8 else ''}"
        case inspect.DictType():
            return "a block of names"
        case inspect.CustomType():
            return str(getattr(kind.cls, "expected", kind.cls.__name__))
    return type(kind).__name__.removesuffix("Type").lower()


def _several(kind: inspect.Type) -> str:
    match kind:
        case inspect.StrType():
            return "texts"
        case inspect.StructType() | inspect.DictType():
            return "blocks"
    return f"items, each {_words(kind)}"


def _bounds(kind: inspect.IntType | inspect.FloatType) -> str:
    if kind.ge is not None and kind.le is not None:
        return f" from {kind.ge} to {kind.le}"
    bounds = (("of at least", kind.ge), ("above", kind.gt), ("of at most", kind.le), ("below", kind.lt))
    return "".join(f" {word} {bound}" for word, bound in bounds if bound is not None)
