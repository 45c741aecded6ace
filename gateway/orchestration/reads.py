"""Which names a template reads, and which of them it can do without."""

from collections.abc import Iterator
from typing import NamedTuple

from jinja2 import nodes
from jinja2.meta import TrackingCodeGenerator

Path = tuple[str, ...]


class Read(NamedTuple):
    """One place where a name is read: `review.score` is `("review", "score")`."""

    path: Path
    optional: bool
    """Whether something is said for the case that it is not defined: a `default`, or a test."""


def reads(tree: nodes.Template) -> frozenset[Read]:
    """The names that a template reads and does not set itself."""
    tracker = TrackingCodeGenerator(tree.environment)  # type: ignore[arg-type]  # parsed trees have one
    tracker.optimizer = None  # it would compare what is undefined
    tracker.visit(tree)
    free = tracker.undeclared_identifiers
    found = [read for read in _found(tree, False) if read.path[0] in free]
    tested = set(_tested(tree))
    return frozenset(Read(path, optional or path[0] in tested) for path, optional in found)


def _found(node: nodes.Node, optional: bool) -> Iterator[Read]:
    if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr):
        # A method's name is no name that is read.
        for part in (node.node.node, *node.args, *node.kwargs):
            yield from _found(part, optional and part is node.node.node)
        return
    path, inner = chain(node)
    if path:
        yield Read(path, optional)
    elif inner is not None:
        yield from _found(inner, optional)
    for argument in _arguments(node):
        yield from _found(argument, False)
    if path or inner is not None:
        return
    for child in node.iter_child_nodes():
        lenient = isinstance(node, nodes.Filter) and node.name in ("default", "d") and child is node.node
        yield from _found(child, lenient)


def _arguments(node: nodes.Node) -> Iterator[nodes.Node]:
    """What stands in the brackets of a chain."""
    while isinstance(node, nodes.Getattr | nodes.Getitem):
        if isinstance(node, nodes.Getitem):
            yield node.arg
        node = node.node


def _tested(tree: nodes.Template) -> Iterator[str]:
    for test in tree.find_all(nodes.Test):
        if test.name in ("defined", "undefined"):
            root: nodes.Node = test.node
            while isinstance(root, nodes.Getattr | nodes.Getitem):
                root = root.node
            if isinstance(root, nodes.Name):
                yield root.name


def chain(node: nodes.Node) -> tuple[Path, nodes.Node | None]:
    """The path that a node reads; else, of what is read from something else, that something."""
    path: list[str] = []
    inner: nodes.Node | None = None
    while True:
        match node:
            case nodes.Name(ctx="load"):
                return (node.name, *reversed(path)), None
            case nodes.Getattr():
                path.append(node.attr)
                inner = node = node.node
            case nodes.Getitem(arg=nodes.Const(value=str() as name)):
                path.append(name)
                inner = node = node.node
            case nodes.Getitem():
                path.clear()
                inner = node = node.node
            case _:
                return (), inner


def exact(node: nodes.Node) -> Path:
    """The path that a node is, and nothing more; empty where it is none."""
    below = node
    while isinstance(below, nodes.Getattr) or (isinstance(below, nodes.Getitem) and _named(below.arg)):
        below = below.node
    return chain(node)[0] if isinstance(below, nodes.Name) else ()


def _named(argument: nodes.Node) -> bool:
    return isinstance(argument, nodes.Const) and isinstance(argument.value, str)
