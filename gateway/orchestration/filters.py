"""The filters, tests and methods that templates have: those that do no harm, each within the run's bounds.

Where a result can be much longer than what it is made from, its length is paid for before it is made.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from jinja2 import filters as stock
from jinja2 import pass_context
from jinja2 import tests as stock_tests

from gateway.orchestration.sandbox import Missing, Scope, TooMuch, kind

Function = Callable[..., Any]
_SIGNS = 100
"""Signs that can be stripped at most."""
_BREAKS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
"""Where `splitlines` splits."""


def _given(*values: Any) -> None:
    for value in values:
        if isinstance(value, Missing):
            value.fail()


def _text(scope: Scope, value: Any) -> str:
    """A text, paid for; numbers are written."""
    if isinstance(value, bool | list | tuple | dict) or value is None:
        raise TypeError(f"expected text, found {kind(value)}")
    text = scope.text(value)
    scope.grow(len(text))
    return text


def _list(scope: Scope, value: Any) -> Sequence[Any]:
    """A list, paid for by its length; of a block, its names."""
    if isinstance(value, dict):
        value = list(value)
    if not isinstance(value, list | tuple):
        raise TypeError(f"expected a list, found {kind(value)}")
    scope.spend(len(value))
    return value


def _items(scope: Scope, value: Any) -> Sequence[Any]:
    """A list whose items will be compared, paid for."""
    items = _list(scope, value)
    for _ in range(4):  # sorting looks at each more than once
        scope.weigh(items)
    return items


def _of_text(function: Function) -> Function:
    """A filter that makes a text of a text, of about its length."""

    def applied(scope: Scope, value: Any, *args: Any, **kwargs: Any) -> Any:
        _given(value, *args, *kwargs.values())
        result = function(_text(scope, value), *args, **kwargs)
        scope.grow(len(result))
        return result

    return pass_context(applied)


def _of_list(function: Function, take: Callable[[Scope, Any], Sequence[Any]] = _list) -> Function:
    """A filter of a list that makes at most as much."""

    def applied(scope: Scope, value: Any, *args: Any, **kwargs: Any) -> Any:
        _given(value, *args, *kwargs.values())
        return function(take(scope, value), *args, **kwargs)

    return pass_context(applied)


def _by_context(function: Function) -> Function:
    """A stock filter that applies others: its items are done here and now."""

    def applied(scope: Scope, value: Any, *args: Any, **kwargs: Any) -> list[Any]:
        _given(value, *args, *kwargs.values())
        items = _list(scope, value)
        scope.spend(4 * len(items))
        return list(function(scope, items, *args, **kwargs))

    return pass_context(applied)


def _by_environment(function: Function) -> Function:
    def applied(scope: Scope, value: Any, *args: Any, **kwargs: Any) -> Any:
        _given(value, *args, *kwargs.values())
        result = function(scope.environment, _items(scope, value), *args, **kwargs)
        return result if isinstance(result, str | int | float | dict | list | tuple | Missing) else list(result)

    return pass_context(applied)


@pass_context
def _default(_: Scope, value: Any, default: Any = "", boolean: bool = False) -> Any:
    return default if isinstance(value, Missing) or (boolean and not value) else value


@pass_context
def _length(_: Scope, value: Any) -> int:
    _given(value)
    if not isinstance(value, str | list | tuple | dict):
        raise TypeError(f"expected text, a list or a block, found {kind(value)}")
    return len(value)


@pass_context
def _join(scope: Scope, value: Any, separator: str = "", attribute: str | int | None = None) -> str:
    _given(value, separator)
    items = _list(scope, value)
    if attribute is not None:
        take = stock.make_attrgetter(scope.environment, attribute)
        items = [take(item) for item in items]
    separator = _text(scope, separator)
    texts = []
    length = len(separator) * len(items)
    for item in items:
        texts.append(scope.text(item))
        length += len(texts[-1])
    scope.grow(length)
    return separator.join(texts)


@pass_context
def _replace(scope: Scope, value: Any, old: str, new: str, count: int = -1) -> str:
    _given(value, old, new, count)
    text, old, new = (_text(scope, part) for part in (value, old, new))
    times = text.count(old) if count < 0 else min(count, text.count(old))
    scope.grow(len(text) + times * max(len(new) - len(old), 0))
    return text.replace(old, new, count)


@pass_context
def _indent(scope: Scope, value: Any, width: int = 4, first: bool = False) -> str:
    _given(value)
    lines = _split_lines(scope, value)
    width = min(max(int(width), 0), 1000)
    scope.grow(len(value) + (width + 1) * len(lines))
    space = " " * width
    indented = [f"{space}{line}" if line and (first or number) else line for number, line in enumerate(lines)]
    return "\n".join(indented)


@pass_context
def _to_json(scope: Scope, value: Any, indent: int | None = None) -> str:
    _given(value)
    scope.weigh(value)
    raw = msgspec.json.encode(value)
    if indent is not None:
        width = min(max(int(indent), 0), 8)
        lines = sum(map(raw.count, (b",", b"[", b"]", b"{", b"}")))
        scope.grow(len(raw) + lines * (1 + width * _depth(value)))
        raw = msgspec.json.format(raw, indent=width)
    scope.grow(len(raw))
    return raw.decode()


def _depth(value: Any) -> int:
    """How many levels of lists and blocks a value has. It has been weighed."""
    depth, level = 0, [value]
    while level:
        depth += 1
        level = [
            inner
            for one in level
            if isinstance(one, list | tuple | dict)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
    return depth


@pass_context
def _string(scope: Scope, value: Any) -> str:
    return scope.text(value)


@pass_context
def _int(_: Scope, value: Any, default: int = 0) -> int:
    _given(value)
    try:
        return int(value) if not isinstance(value, str) else int(float(value[:100]))
    except (TypeError, ValueError, OverflowError):
        return default


@pass_context
def _float(_: Scope, value: Any, default: float = 0.0) -> float:
    _given(value)
    try:
        return float(value if not isinstance(value, str) else value[:100])
    except (TypeError, ValueError, OverflowError):
        return default


@pass_context
def _abs(_: Scope, value: Any) -> Any:
    return abs(_number(value))


@pass_context
def _round(_: Scope, value: Any, precision: int = 0) -> float:
    return round(float(_number(value)), min(max(int(precision), -15), 15))


def _number(value: Any) -> Any:
    _given(value)
    if not isinstance(value, int | float):
        raise TypeError(f"expected a number, found {kind(value)}")
    return value


def _sum(items: Sequence[Any], start: float = 0) -> Any:
    return sum(map(_number, items), start)


@pass_context
def _pairs(scope: Scope, value: Any) -> list[Any]:
    _given(value)
    if not isinstance(value, dict):
        raise TypeError(f"expected a block, found {kind(value)}")
    scope.spend(2 * len(value))
    return list(value.items())


def _strip(text: str, signs: str | None = None) -> str:
    return text.strip(_few(signs))


def _few(signs: str | None) -> str | None:
    """Signs to strip: each sign of the text is looked for among them."""
    if signs is not None and len(signs) > _SIGNS:
        raise TooMuch(f"more than {_SIGNS} signs cannot be stripped")
    return signs


def _truncate(text: str, length: int = 255, killwords: bool = False, end: str = "…") -> str:
    if len(text) <= length:
        return text
    cut = text[: max(int(length) - len(end), 0)]
    return (cut if killwords else cut.rsplit(" ", 1)[0]) + end


FILTERS: dict[str, Function] = {
    "abs": _abs,
    "capitalize": _of_text(str.capitalize),
    "count": _length,
    "d": _default,
    "default": _default,
    "first": _of_list(lambda items: items[0] if items else None),
    "float": _float,
    "indent": _indent,
    "int": _int,
    "items": _pairs,
    "join": _join,
    "last": _of_list(lambda items: items[-1] if items else None),
    "length": _length,
    "list": _of_list(list),
    "lower": _of_text(str.lower),
    "map": _by_context(stock.sync_do_map),
    "max": _by_environment(stock.do_max),
    "min": _by_environment(stock.do_min),
    "reject": _by_context(stock.sync_do_reject),
    "rejectattr": _by_context(stock.sync_do_rejectattr),
    "replace": _replace,
    "reverse": _of_list(lambda items: list(reversed(items))),
    "round": _round,
    "select": _by_context(stock.sync_do_select),
    "selectattr": _by_context(stock.sync_do_selectattr),
    "sort": _by_environment(stock.do_sort),
    "string": _string,
    "sum": _of_list(_sum),
    "title": _of_text(str.title),
    "tojson": _to_json,
    "trim": _of_text(_strip),
    "truncate": _of_text(_truncate),
    "unique": _by_environment(stock.do_unique),
    "upper": _of_text(str.upper),
}
"""The filters by name."""


def _compared(function: Function) -> Function:
    def applied(scope: Scope, value: Any, other: Any) -> bool:
        _given(value, other)
        scope.weigh(value)
        scope.weigh(other)
        return bool(function(value, other))

    return pass_context(applied)


_COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge", "in")
_PLAIN = ("boolean", "defined", "divisibleby", "even", "false", "float", "integer", "mapping", "none", "number", "odd",
          "sequence", "string", "true", "undefined")  # fmt: skip
_STOCK: dict[str, Any] = {**stock_tests.TESTS}
TESTS: dict[str, Function] = {
    **{name: _STOCK[name] for name in _PLAIN},
    **{name: _compared(_STOCK[name]) for name in _COMPARISONS},
}
"""The tests by name."""


# ---- methods


def _split(scope: Scope, value: Any, separator: str | None = None, times: int = -1) -> list[str]:
    pieces = len(value) >> 1 if separator is None else value.count(separator)
    scope.spend(pieces if times < 0 else min(pieces, times))
    return list(value.split(separator, times))


def _split_lines(scope: Scope, value: Any) -> list[str]:
    text = _text(scope, value)
    scope.spend(sum(map(text.count, _BREAKS)))
    return text.splitlines()


def _join_items(scope: Scope, value: str, items: Any) -> Any:
    return _join(scope, items, value)


def _plain_method(name: str) -> Function:
    return lambda _, value, *args: getattr(value, name)(*args)


def _strip_method(name: str) -> Function:
    return lambda _, value, signs=None: getattr(value, name)(_few(signs))


_OF_TEXT = ("capitalize", "casefold", "count", "endswith", "find", "isalnum", "isalpha", "isdigit", "islower",
            "isnumeric", "isspace", "isupper", "lower", "removeprefix", "removesuffix",
            "startswith", "title", "upper")  # fmt: skip
METHODS: dict[str, dict[Any, Function]] = {
    **{name: {str: _plain_method(name)} for name in _OF_TEXT},
    **{name: {str: _strip_method(name)} for name in ("lstrip", "rstrip", "strip")},
    "split": {str: _split},
    "splitlines": {str: _split_lines},
    "replace": {str: _replace},
    "join": {str: _join_items},
    "index": {list: _plain_method("index")},
    "get": {dict: lambda _, value, name, default=None: value.get(name, default)},
    "keys": {dict: lambda _, value: list(value)},
    "values": {dict: lambda _, value: list(value.values())},
    "items": {dict: _pairs},
}
"""The methods by name, for each type that has them."""
METHODS["count"][list] = _plain_method("count")


def _method(name: str) -> Function:
    """A method as a filter of the value that it belongs to."""
    kinds = METHODS[name]

    def applied(scope: Scope, value: Any, *args: Any, **kwargs: Any) -> Any:
        _given(value, *args, *kwargs.values())
        for type_, function in kinds.items():
            if isinstance(value, type_):
                scope.weigh(value) if isinstance(value, list) else scope.spend(1 + (len(value) >> 4))
                return function(scope, value, *args, **kwargs)
        raise TypeError(f"{kind(value)} has no {name}()")

    return pass_context(applied)


# ---- what the grammar puts into templates; no template can spell these names


@pass_context
def _looped(scope: Scope, value: Any, weight: int) -> Sequence[Any]:
    _given(value)
    items = _list(scope, value)
    scope.spend(len(items) * weight)
    return items


@pass_context
def _weighed(scope: Scope, value: Any) -> Any:
    if not isinstance(value, dict):
        scope.weigh(value)
    return value


@pass_context
def _weighed_whole(scope: Scope, value: Any) -> Any:
    scope.weigh(value)
    return value


@pass_context
def _concatenated(scope: Scope, parts: list[Any]) -> str:
    texts = [scope.text(part) for part in parts]
    scope.grow(sum(map(len, texts)))
    return "".join(texts)


@pass_context
def _sliced(scope: Scope, value: Any, start: Any, stop: Any, step: Any) -> Any:
    _given(value, start, stop, step)
    if not isinstance(value, str | list | tuple):
        raise TypeError(f"{kind(value)} cannot be cut")
    part = slice(start, stop, step)
    length = len(range(*part.indices(len(value))))
    scope.grow(length) if isinstance(value, str) else scope.spend(length)
    return value[part]


LOOPED, WEIGHED, WEIGHED_WHOLE, CONCATENATED, SLICED = "for in", "in ()", "== ()", "~", "[:]"
INNER: dict[str, Function] = {
    LOOPED: _looped,
    WEIGHED: _weighed,
    WEIGHED_WHOLE: _weighed_whole,
    CONCATENATED: _concatenated,
    SLICED: _sliced,
    **{f".{name}": _method(name) for name in METHODS},
}
"""What loops, comparisons, `~`, slices and methods become."""
