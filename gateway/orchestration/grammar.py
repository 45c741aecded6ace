"""What may stand in a template, and what of it is rewritten so that it keeps within bounds."""

from collections.abc import Iterator
from typing import NamedTuple

from jinja2 import nodes

from gateway.config.words import near
from gateway.orchestration.filters import (
    CONCATENATED,
    FILTERS,
    LOOPED,
    METHODS,
    SLICED,
    TESTS,
    WEIGHED,
    WEIGHED_WHOLE,
)

MOST = 5_000
"""Parts of a template."""
_ALLOWED = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.List, nodes.Dict, nodes.Pair,
    nodes.Tuple, nodes.CondExpr, nodes.Filter, nodes.Test, nodes.Getattr, nodes.Getitem, nodes.Slice, nodes.Concat,
    nodes.Compare, nodes.Operand, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Add, nodes.Sub, nodes.Mod, nodes.Not,
    nodes.Neg, nodes.Pos, nodes.And, nodes.Or, nodes.If, nodes.For, nodes.Assign, nodes.Keyword,
)  # fmt: skip
_WORDS: dict[type[nodes.Node], str] = {
    nodes.Macro: "macro", nodes.CallBlock: "call", nodes.FilterBlock: "filter", nodes.AssignBlock: "set … endset",
    nodes.With: "with", nodes.Block: "block", nodes.Extends: "extends", nodes.Include: "include",
    nodes.Import: "import", nodes.FromImport: "from", nodes.Scope: "autoescape",
}  # fmt: skip
_APPLIED = {"map": (0, FILTERS), "select": (0, TESTS), "reject": (0, TESTS), "selectattr": (1, TESTS),
            "rejectattr": (1, TESTS)}  # fmt: skip
"""Filters that apply others, and which argument names them."""
_ATTRIBUTED = frozenset({"selectattr", "rejectattr"})


class Fault(NamedTuple):
    """What may not stand in a template: the line, what is wrong, and what to do."""

    line: int
    message: str
    cure: str = ""


def faults(tree: nodes.Template) -> Iterator[Fault]:
    """Everything in a template that may not stand there."""
    count = 0
    pile: list[nodes.Node] = [tree]
    while pile:
        node = pile.pop()
        count += 1
        if count > MOST:
            yield Fault(node.lineno, f"it has more than {MOST:,} parts", "split it, or do it in a function")
            return
        wrong = list(_wrong(node))
        yield from wrong
        if isinstance(node, nodes.Call) and not wrong:
            assert isinstance(node.node, nodes.Getattr)
            pile += [node.node.node, *node.args, *node.kwargs]
        elif not (wrong and not isinstance(node, _ALLOWED)):
            pile.extend(node.iter_child_nodes())


def _wrong(node: nodes.Node) -> Iterator[Fault]:
    line = node.lineno
    match node:
        case nodes.Call():
            yield from _wrong_call(node)
        case nodes.Pow():
            yield Fault(line, "** is not there", "multiply")
        case _ if not isinstance(node, _ALLOWED):
            word = _WORDS.get(type(node))
            what = f"{{% {word} %}}" if word else type(node).__name__.lower()
            yield Fault(line, f"{what} may not stand in a template", "if, for and set may")
        case nodes.For(recursive=True):
            yield Fault(line, "a loop may not be recursive", "take `recursive` out")
        case nodes.Assign() if not isinstance(node.target, nodes.Name | nodes.Tuple):
            yield Fault(line, "only names can be set", "set a name")
        case nodes.Name(name="self"):
            yield Fault(line, "self is not there", "name what you want to read")
        case nodes.Getattr() if node.attr.startswith("_"):
            yield Fault(line, f"{node.attr!r} is private", "names that begin with _ cannot be read")
        case nodes.Filter():
            yield from _wrong_filter(node)
        case nodes.Test():
            yield from _unknown(node.name, TESTS, "test", line)
            yield from _wrong_arguments(node, line)


def _wrong_call(node: nodes.Call) -> Iterator[Fault]:
    called = node.node
    if not isinstance(called, nodes.Getattr):
        name = f"{called.name}()" if isinstance(called, nodes.Name) else "this"
        yield Fault(node.lineno, f"{name} cannot be called", "only methods of texts, lists and blocks can")
        return
    if called.attr not in METHODS:
        cure = near(called.attr, METHODS) or f"there are {', '.join(sorted(METHODS))}"
        yield Fault(node.lineno, f"the method {called.attr}() is not there", cure)
    yield from _wrong_arguments(node, node.lineno)


def _wrong_filter(node: nodes.Filter) -> Iterator[Fault]:
    yield from _unknown(node.name, FILTERS, "filter", node.lineno)
    yield from _wrong_arguments(node, node.lineno)
    for keyword in node.kwargs:
        if keyword.key == "attribute":
            yield from _wrong_attribute(keyword.value, node.lineno)
    if node.name in _ATTRIBUTED and node.args:
        yield from _wrong_attribute(node.args[0], node.lineno)
    at, known = _APPLIED.get(node.name, (0, {}))
    if known and len(node.args) > at:
        name = node.args[at]
        if isinstance(name, nodes.Const) and isinstance(name.value, str):
            yield from _unknown(name.value, known, "filter" if known is FILTERS else "test", node.lineno)
        else:
            yield Fault(node.lineno, f"what {node.name} applies must be named in quotes", f"write {node.name}('…')")


def _wrong_attribute(value: nodes.Expr, line: int) -> Iterator[Fault]:
    if not isinstance(value, nodes.Const) or not isinstance(value.value, str | int):
        yield Fault(line, "an attribute must be named in quotes", "write attribute='…'")
    elif any(part.startswith("_") for part in str(value.value).split(".")):
        yield Fault(line, f"{value.value!r} is private", "names that begin with _ cannot be read")


def _wrong_arguments(node: nodes.Filter | nodes.Test | nodes.Call, line: int) -> Iterator[Fault]:
    if node.dyn_args is not None or node.dyn_kwargs is not None:
        yield Fault(line, "* and ** cannot hand over arguments", "write each")


def _unknown(name: str, known: dict[str, object] | object, what: str, line: int) -> Iterator[Fault]:
    assert isinstance(known, dict)
    if name not in known:
        cure = near(name, known) or f"there are {', '.join(sorted(known))}"
        yield Fault(line, f"the {what} {name!r} is not there", cure)


# ---- rewriting


def bounded(node: nodes.Node) -> None:
    """Put into a template what makes its parts pay. It has no `faults`."""
    for field, value in list(node.iter_fields()):
        if isinstance(value, list):
            setattr(node, field, [_bounded(item) if isinstance(item, nodes.Node) else item for item in value])
        elif isinstance(value, nodes.Node):
            setattr(node, field, _bounded(value))


def _bounded(node: nodes.Node) -> nodes.Node:
    weight = _weight(node) if isinstance(node, nodes.For) else 0
    bounded(node)
    match node:
        case nodes.For():
            node.iter = _applied(LOOPED, node.iter, nodes.Const(weight))
        case nodes.Concat():
            return _applied(CONCATENATED, nodes.List(node.nodes, lineno=node.lineno))
        case nodes.Getitem(arg=nodes.Slice() as cut):
            ends: list[nodes.Expr] = [end or nodes.Const(None) for end in (cut.start, cut.stop, cut.step)]
            return _applied(SLICED, node.node, *ends)
        case nodes.Call(node=nodes.Getattr() as called):
            return nodes.Filter(called.node, f".{called.attr}", node.args, node.kwargs, None, None, lineno=node.lineno)
        case nodes.Compare():
            _weigh_comparison(node)
    return node


def _weigh_comparison(node: nodes.Compare) -> None:
    """Comparing with a literal costs nothing; looking through a list or a text does."""
    left = node.expr
    for operand in node.ops:
        right = operand.expr
        if operand.op in ("in", "notin"):
            operand.expr = _applied(WEIGHED, right)
        elif not isinstance(left, nodes.Const) and not isinstance(right, nodes.Const):
            operand.expr = _applied(WEIGHED_WHOLE, right)
        left = right


def _weight(node: nodes.For) -> int:
    return sum(_cost(inner) for part in (*node.body, *([node.test] if node.test else ())) for inner in _walk(part))


def _cost(node: nodes.Node) -> int:
    return 1 + (len(node.data) >> 6 if isinstance(node, nodes.TemplateData) else 0)


def _walk(node: nodes.Node) -> Iterator[nodes.Node]:
    pile = [node]
    while pile:
        yield (one := pile.pop())
        pile.extend(one.iter_child_nodes())


def _applied(name: str, value: nodes.Node, *arguments: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(value, name, [*arguments], [], None, None, lineno=value.lineno)
