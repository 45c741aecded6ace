"""Texts with `{{ names }}` in them: compiled when the configuration is read, filled in for each run."""

from collections.abc import Iterator, Mapping
from typing import Any

from jinja2 import nodes

from gateway.orchestration.program import Program, Reader, TemplateError, assigned, parsed
from gateway.orchestration.reads import Path, Read, exact
from gateway.orchestration.sandbox import LARGEST, Missing

__all__ = ["Template", "TemplateError", "Value", "compile", "compile_value"]


class Template(Reader):
    """A text to be filled in."""

    def __init__(self, tree: nodes.Template, source: str, place: str) -> None:
        self._pieces = list(_pieces(tree))
        self._program = Program(tree, place, "\n" in source)
        super().__init__(self._program.reads)

    def render(self, names: Mapping[str, Any]) -> str:
        """The text. Raises `TemplateError` where a name is not defined, or a bound is reached."""
        # Most templates put texts into texts, which needs no program; what else there is, it writes or tells.
        try:
            text = "".join([piece if type(piece) is str else _at(names, piece) for piece in self._pieces])
        except (LookupError, TypeError):
            return self._program.text(names)
        return text if self._pieces and len(text) <= LARGEST else self._program.text(names)


def _at(names: Any, path: Any) -> str:
    for name in path:
        names = names[name]
    return names  # type: ignore[no-any-return]  # `join` looks at it


def _pieces(tree: nodes.Template) -> Iterator[str | Path]:
    """The template as texts and paths; nothing where it has other parts."""
    pieces: list[str | Path] = []
    for output in tree.body:
        for node in output.nodes if isinstance(output, nodes.Output) else [output]:
            path = exact(node)
            if isinstance(node, nodes.TemplateData):
                pieces.append(node.data)
            elif path:
                pieces.append(path)
            else:
                return
    yield from pieces


class Value(Reader):
    """A value in which texts are templates; one that is `{{ … }}` alone keeps the type of what it names."""

    def __init__(self, given: Any, place: str) -> None:
        self._given = given
        self._parts: dict[Any, Value] = {}
        self._template: Template | None = None
        self._program: Program | None = None
        found: frozenset[Read] = frozenset()
        if isinstance(given, str):
            tree = parsed(given, place)
            if (expression := alone(tree)) is not None:
                self._program = Program(assigned(expression), place, "\n" in given)
                found = self._program.reads
            else:
                self._template = Template(tree, given, place)
                found = self._template.reads
        elif isinstance(given, dict):
            self._parts = {name: Value(item, f"{place}.{name}") for name, item in given.items()}
        elif isinstance(given, list):
            self._parts = {number: Value(item, f"{place}[{number}]") for number, item in enumerate(given)}
        super().__init__(found.union(*(part.reads for part in self._parts.values())))

    def value(self, names: Mapping[str, Any]) -> Any:
        """The value. Raises `TemplateError`."""
        if self._program is not None:
            return self._program.result(names, _defined)
        if self._template is not None:
            return self._template.render(names)
        if isinstance(self._given, dict):
            return {name: part.value(names) for name, part in self._parts.items()}
        if isinstance(self._given, list):
            return [part.value(names) for part in self._parts.values()]
        return self._given


def alone(tree: nodes.Template) -> nodes.Expr | None:
    """The one expression that a template consists of."""
    match tree.body:
        case [nodes.Output(nodes=[nodes.TemplateData()])]:
            return None
        case [nodes.Output(nodes=[nodes.Expr() as expression])]:
            return expression
    return None


def _defined(value: Any) -> Any:
    if isinstance(value, Missing):
        value.fail()
    return value


def compile(source: str, place: str) -> Template:  # noqa: A001 (what it does)
    """Compile a template. Raises `ConfigError` with everything that may not stand in it."""
    return Template(parsed(source, place), source, place)


def compile_value(given: Any, place: str) -> Value:
    """Compile a value such as `args` have. Raises `ConfigError`."""
    return Value(given, place)
