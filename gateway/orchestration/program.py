"""From the source of a template or an expression to something that runs, and fails in our words only."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

from jinja2 import TemplateSyntaxError, UndefinedError, nodes
from jinja2.parser import Parser

from gateway.config.problems import ConfigError, Problem
from gateway.orchestration.filters import FILTERS, INNER, TESTS
from gateway.orchestration.grammar import bounded, faults
from gateway.orchestration.reads import Path, Read, reads
from gateway.orchestration.sandbox import Lack, Sandbox, Scope, TooMuch
from gateway.seam import GatewayError

SANDBOX = Sandbox({**FILTERS, **INNER}, TESTS)
"""It holds no state of any run."""
CALLERS = frozenset({"inputs", "metadata", "params"})
"""Names whose contents come with the request."""
_FILE = "<template>"
_RESULT = "result"
_SAID = [
    # what Jinja2 says; what we say; what helps
    (r"unknown tag '(\w+)'.*block.*is '(\w+)'", "{{% {0} %}} cannot stand here", "end `{1}` first"),
    (r"unknown tag '(\w+)'", "{{% {0} %}} may not stand in a template", "if, for and set may"),
    (r"unexpected end of template.*closed is '(\w+)'", "`{0}` is not closed", "add {{% end{0} %}}"),
    (r"unexpected end of template, expected 'end of print", "a {{{{ is not closed", "close it with }}}}"),
    (r"unexpected end of template, expected 'end of statement", "a {{% is not closed", "close it with %}}"),
    (r"unexpected '?end of template", "it ends where more is expected", "complete it"),
    (r"got 'end of (?:print )?statement", "an expression is missing", "complete it before it is closed"),
    (r"unexpected char [\"']+ at", "a quote is not closed", "close it"),
    (r"unexpected '([})\]]+)'", "{0} closes nothing", "take it out, or close what is open"),
    (r"expected token '.*', got '(.*)'", "{0!r} cannot stand here", "see what is missing before it"),
    (r"expected the end, found '(.*)'", "{0!r} cannot stand here", "join expressions with `and` or `or`"),
    (r"missing end of (\w+) tag", "a {0} is not closed", "close it"),
]
_ANYTHING = Exception
"""What may go wrong where a template meets data of any shape."""


class TemplateError(GatewayError):
    """A template that cannot be filled in, or a condition that cannot be decided; the message says where and why."""

    code = "template_failed"

    def __init__(self, place: str, told: str, *, missing: Path = (), status: int = 500) -> None:
        callers = bool(missing) and missing[0] in CALLERS
        super().__init__(
            f"{place}: {told}",
            status=400 if callers else status,
            type="invalid_request_error" if callers or status == 400 else None,
            param=missing[0] if callers else None,
            retryable=False,
        )
        self.place = place
        self.missing = missing
        """The path of the name that was not defined, where that was the reason."""


class Reader:
    """What reads names: `reads` says where, `variables` which, `required` which it cannot do without."""

    def __init__(self, reads: frozenset[Read]) -> None:
        self.reads = reads
        self.variables = frozenset(read.path[0] for read in reads)
        self.required = frozenset(read.path[0] for read in reads if not read.optional)


class Program(Reader):
    """A compiled template (`text`) or expression (`result`), run against names."""

    def __init__(self, tree: nodes.Template, place: str, lines: bool) -> None:
        super().__init__(reads(tree))
        self.place = place
        bounded(tree)
        try:
            code = SANDBOX.compile(tree, filename=_FILE)
            self._template = SANDBOX.template_class.from_code(SANDBOX, code, {})
        except (TemplateSyntaxError, SyntaxError, RecursionError) as error:
            raise _refused(place, 0, f"it is nested too deeply ({error})", "split it") from error
        self._root: Callable[[Scope], Iterator[str]] = self._template.root_render_func
        self._lines = lines

    def text(self, names: Mapping[str, Any]) -> str:
        """The text that the template makes. Raises `TemplateError`."""
        try:
            scope = _scope(names)
            text = "".join(self._root(scope))
            scope.grow(len(text))
            return text
        except _ANYTHING as error:
            self._fail(error, names)

    def result(self, names: Mapping[str, Any], kind: Callable[[Any], Any]) -> Any:
        """What the expression comes to, as `kind` makes of it. Raises `TemplateError`."""
        try:
            scope = _scope(names)
            for _ in self._root(scope):
                pass
            return kind(scope.vars[_RESULT])
        except _ANYTHING as error:
            self._fail(error, names)

    def _fail(self, error: Exception, names: Mapping[str, Any]) -> NoReturn:
        line = self._line(error)
        if isinstance(error, UndefinedError):
            gone = _missing(self.reads, names, error.message)
            told = f"{'.'.join(gone)} is not defined" if gone else str(error)
            raise TemplateError(self.place, f"{line}{told}{_cure(gone)}", missing=gone) from error
        if isinstance(error, TooMuch):
            raise TemplateError(self.place, f"{line}{error}", status=400) from error
        if isinstance(error, RecursionError):
            raise TemplateError(self.place, f"{line}a value is nested too deeply", status=400) from error
        raise TemplateError(self.place, f"{line}{error or type(error).__name__}") from error

    def _line(self, error: Exception) -> str:
        """In which line it failed, where there are several."""
        line = 0
        trace = error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == _FILE:
                line = self._template.get_corresponding_lineno(trace.tb_lineno)
            trace = trace.tb_next
        return f"line {line}: " if line and self._lines else ""


def _scope(names: Mapping[str, Any]) -> Scope:
    return Scope(SANDBOX, names, None, {})  # type: ignore[arg-type]  # it only reads


def _missing(reads: frozenset[Read], names: Mapping[str, Any], told: str | None) -> Path:
    """The whole path of what was missing, as the template has it; empty where nobody knows."""
    if not isinstance(told, Lack):
        return ()
    for path, _ in sorted(reads):
        value: Any = names
        for number, name in enumerate(path):
            if not isinstance(value, Mapping):
                break
            if name not in value:
                if name == told.name and told.owner is (value if number else None):
                    return path[: number + 1]
                break
            value = value[name]
    return ()


def _cure(path: Path) -> str:
    """What a caller can do about a name that is not defined."""
    if len(path) > 1 and path[0] in CALLERS:
        return f"; send it in `{path[0]}`"
    return ""


def parsed(source: str, place: str) -> nodes.Template:
    """A template's tree. Raises `ConfigError` with everything that may not stand in it."""
    return _checked(lambda: SANDBOX.parse(source), source, place)


def expression(source: str, place: str) -> nodes.Template:
    """An expression's tree: a template that sets a name to what it comes to. Raises `ConfigError`."""
    if "{{" in source or "{%" in source:
        cure = "take {{ and }} out"
        raise ConfigError([Problem(place, "a condition is an expression, not a template", "", repr(source), cure)])

    def parse() -> nodes.Template:
        parser = Parser(SANDBOX, source, state="variable")
        parsed = parser.parse_expression()
        if not parser.stream.eos:
            token = parser.stream.current
            raise TemplateSyntaxError(f"expected the end, found {token.value!r}", token.lineno)
        return assigned(parsed)

    return _checked(parse, source, place)


def assigned(value: nodes.Expr) -> nodes.Template:
    """The template that keeps what an expression comes to."""
    tree = nodes.Template([nodes.Assign(nodes.Name(_RESULT, "store"), value, lineno=1)], lineno=1)
    tree.set_environment(SANDBOX)
    return tree


def _checked(parse: Callable[[], nodes.Template], source: str, place: str) -> nodes.Template:
    lines = "\n" in source.strip()
    try:
        tree = parse()
        wrong = sorted(faults(tree))
    except TemplateSyntaxError as error:
        raise _refused(place, error.lineno if lines else 0, *_said(error.message or "")) from error
    except RecursionError as error:
        raise _refused(place, 0, "it is nested too deeply", "split it") from error
    except ValueError as error:  # a number with thousands of digits
        raise _refused(place, 0, "a number in it is too long", "write a shorter one") from error
    if wrong:
        raise ConfigError([_problem(place, fault.line if lines else 0, fault.message, fault.cure) for fault in wrong])
    return tree


def _said(message: str) -> tuple[str, str]:
    """What Jinja2 says, and what to do about it."""
    for pattern, told, cure in _SAID:
        if found := re.search(pattern, message, re.IGNORECASE):
            return told.format(*found.groups()), cure.format(*found.groups())
    return f"not a valid template: {message[:1].lower()}{message[1:].rstrip('.')}", "see what stands before it"


def _problem(place: str, line: int, message: str, cure: str) -> Problem:
    return Problem(place, f"line {line} of the text: {message}" if line else message, cure=cure)


def _refused(place: str, line: int, message: str, cure: str) -> ConfigError:
    return ConfigError([_problem(place, line, message, cure)])
