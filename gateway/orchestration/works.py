"""What is wrong with one step by itself, and which names it reads."""

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from gateway.config.problems import ConfigError, Problem
from gateway.config.words import near, shown
from gateway.orchestration import http_wiring
from gateway.orchestration.condition import compile_condition
from gateway.orchestration.http_reach import Reach
from gateway.orchestration.http_url import compile_url
from gateway.orchestration.names import ANYTHING, TEXT, Names, Shape, own_name
from gateway.orchestration.program import Reader, parsed
from gateway.orchestration.response_format import fields, format_problems
from gateway.orchestration.settings import Http, Params, Work
from gateway.orchestration.step_tools import step_tool_problems
from gateway.orchestration.template import alone, compile_value
from gateway.orchestration.template import compile as compile_template

KINDS = ("model", "chain", "graph", "template", "function", "http")
"""What a step may be."""
_MODEL_CALL = ("system", "prompt", "messages", "params", "response_format")
_BELONGS = {
    **dict.fromkeys(_MODEL_CALL, ("model",)),
    "tools": ("model",),
    "input": ("chain", "graph"),
    "inputs": ("chain", "graph"),
    "args": ("function",),
}
"""Which fields go with which kinds."""
SAID = (*KINDS, *_BELONGS)
"""The fields that say what is done."""


class Known(NamedTuple):
    """What the rest of the configuration offers to steps."""

    models: Mapping[str, Sequence[str]]
    """The models by name, with the chains and graphs that each leads to, as `chain:NAME`."""
    providers: Sequence[str]
    """`provider/model` is a model too."""
    chains: frozenset[str]
    graphs: frozenset[str]
    tools: frozenset[str]
    function: Callable[[str, str], Any]
    """The function that a name stands for at a place; raises `ConfigError`."""
    reach: Reach = Reach(())
    """Where `http` steps may go."""


def kind_of(work: Work) -> str:
    """What a step is; empty where it does not say."""
    return next((kind for kind in KINDS if getattr(work, kind) is not None), "")


def shape_of(work: Work) -> Shape:
    """What is known of a step's output."""
    if work.map is not None or work.default is not None or kind_of(work) not in ("model", "template"):
        return ANYTHING
    if work.response_format is None:
        return TEXT
    try:
        return Shape(fields(work.response_format))
    except (TypeError, AttributeError, LookupError):  # it is told by `format_problems`
        return ANYTHING


def given(work: Work, name: str) -> bool:
    """Whether a field says something."""
    value = getattr(work, name)
    return value not in (None, {}, Params()) if not isinstance(value, bool) else value


def work_problems(
    work: Work, place: str, names: Names, known: Known, supplied: Collection[str] = ()
) -> Iterator[Problem]:
    """Everything that is wrong with a step that stands where these names are there.

    `supplied` are arguments of its function that `args` need not say: a tool's, which a model gives.
    """
    kinds = [kind for kind in KINDS if getattr(work, kind) is not None]
    expected = f"one of {', '.join(KINDS)}"
    if not kinds:
        cure = "add `model:`" if any(given(work, name) for name in _MODEL_CALL) else "add one"
        yield Problem(place, "there is nothing to do", expected, "none of them", cure)
    elif len(kinds) > 1:
        yield Problem(place, "there is more than one thing to do", expected, " and ".join(kinds), "keep one")
    else:
        yield from _belonging(work, place, kinds[0])
    yield from _callee_problems(work, place, known)
    yield from _map_problems(work, place, names)
    inner = names.with_name(work.as_) if work.map is not None else names
    if work.messages is not None:
        for name in ("system", "prompt"):
            if getattr(work, name) is not None:
                at = f"{place}.{name}"
                yield Problem(at, "stands beside `messages`", "one of the two", "both", "put it among the messages")
    for at, source in _texts(work, place):
        yield from text_problems(source, at, inner)
    for at, value in _values(work, place):
        yield from _compiled(partial(compile_value, value, at), at, inner)
    if work.response_format is not None:
        yield from format_problems(work.response_format, f"{place}.response_format")
    if work.function is not None:
        yield from _function_problems(work, place, known, supplied)
    if work.http is not None:
        yield from _http_problems(work.http, f"{place}.http", inner, known)
    yield from step_tool_problems(work, place, known.tools, known.function)


def _belonging(work: Work, place: str, kind: str) -> Iterator[Problem]:
    """Fields that say nothing to a step of this kind."""
    for name, kinds in _BELONGS.items():
        if kind not in kinds and given(work, name):
            owner = " or ".join(f"`{one}`" for one in kinds)
            cure = "write it as `input`" if name == "prompt" and kind in ("chain", "graph") else "take it out"
            yield Problem(f"{place}.{name}", f"goes with {owner} only", owner, f"`{kind}`", cure)


def _callee_problems(work: Work, place: str, known: Known) -> Iterator[Problem]:
    if work.model is not None:
        yield from model_problems(work.model, f"{place}.model", known)
    for kind, there in (("chain", known.chains), ("graph", known.graphs)):
        name = getattr(work, kind)
        if name is not None and name not in there:
            expected = f"one of {', '.join(sorted(there))}" if there else f"a {kind} of the file"
            cure = near(name, there) or f"add it to {kind}s"
            if (bare := name.removeprefix(f"{kind}:")) in there:
                cure = f"write {bare}"
            elif name in (known.graphs if kind == "chain" else known.chains):
                cure = f"write `{'graph' if kind == 'chain' else 'chain'}: {name}`: it is one"
            yield Problem(f"{place}.{kind}", f"no such {kind}", expected, repr(name), cure)


def model_problems(name: str, place: str, known: Known) -> Iterator[Problem]:
    """Whether a model is there to be called."""
    if name in known.models or (name.partition("/")[0] in known.providers and name.partition("/")[2]):
        return
    kind, colon, rest = name.partition(":")
    if colon and kind in ("chain", "graph"):
        cure = f"write `{kind}: {rest}` in the place of `model`"
    else:
        cure = near(name, known.models) or "add it to models"
    expected = f"one of {', '.join(sorted(known.models)[:8])}, or provider/model" if known.models else "provider/model"
    yield Problem(place, "no such model", expected, repr(name), cure)


def _map_problems(work: Work, place: str, names: Names) -> Iterator[Problem]:
    if work.map is None:
        for field, name, usual in (("as_", "as", "item"), ("max_concurrent", "max_concurrent", 8)):
            if getattr(work, field) != usual:
                yield Problem(f"{place}.{name}", "goes with `map` only", "`map` beside it", "none", "add `map`")
        return
    at = f"{place}.map"
    yield from own_name(work.as_, f"{place}.as")
    try:
        lone = alone(parsed(work.map, at)) is not None
    except ConfigError as error:
        yield from error.problems
        return
    if not lone:
        cure = f"write {{{{ {work.map} }}}}" if work.map.replace(".", "").isidentifier() else "write {{ name }} alone"
        yield Problem(at, "", "a list: {{ name }} and nothing beside it", shown(work.map), cure)
        return
    yield from _compiled(lambda: compile_value(work.map, at), at, names)


def _texts(work: Work, place: str) -> Iterator[tuple[str, str]]:
    """The templates of a step, each with its place."""
    for name in ("system", "prompt", "template", "input"):
        source = getattr(work, name)
        if source is not None:
            yield f"{place}.{name}", source
    for number, message in enumerate(work.messages or ()):
        yield f"{place}.messages[{number}].content", message.content
    if work.http is not None:
        yield from http_wiring.texts(work.http, f"{place}.http")


def _values(work: Work, place: str) -> Iterator[tuple[str, Any]]:
    for name in ("args", "inputs"):
        for key, value in (getattr(work, name) or {}).items():
            yield f"{place}.{name}.{key}", value
    if work.http is not None:
        yield from http_wiring.values(work.http, f"{place}.http")


def text_problems(source: str, place: str, names: Names) -> Iterator[Problem]:
    """What is wrong with a template that stands where these names are there."""
    yield from _compiled(lambda: compile_template(source, place), place, names)


def condition_problems(source: str, place: str, names: Names) -> Iterator[Problem]:
    """What is wrong with a condition."""
    yield from _compiled(lambda: compile_condition(source, place), place, names)


def _compiled(compiled: Callable[[], Reader], place: str, names: Names) -> Iterator[Problem]:
    try:
        reader = compiled()
    except ConfigError as error:
        yield from error.problems
    else:
        yield from names.problems(reader.reads, place)


def _http_problems(http: Http, place: str, names: Names, known: Known) -> Iterator[Problem]:
    yield from http_wiring.http_problems(http, place)
    at = f"{place}.url"
    try:
        url = compile_url(http.url, at)
    except ConfigError as error:
        yield from error.problems
        return
    yield from names.problems(url.reads, at)
    yield from http_wiring.reach_problems(url, at, known.reach)


def _function_problems(work: Work, place: str, known: Known, supplied: Collection[str]) -> Iterator[Problem]:
    assert work.function is not None
    try:
        function = known.function(work.function, f"{place}.function")
        signature = inspect.signature(function)
    except ConfigError as error:
        yield from error.problems
        return
    except (TypeError, ValueError):  # built in, without a signature
        return
    takes = signature.parameters
    named = {name: one for name, one in takes.items() if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)}
    open_ended = any(one.kind is one.VAR_KEYWORD for one in takes.values())
    expected = f"one of {', '.join(named)}" if named else "none"
    for name in work.args:
        if name not in named and not open_ended:
            at = f"{place}.args.{name}"
            yield Problem(at, f"{work.function} takes no such argument", expected, repr(name), near(name, named))
    for name, one in named.items():
        if one.default is one.empty and name not in work.args and name not in supplied:
            yield Problem(f"{place}.args.{name}", "missing", f"an argument of {work.function}", "", "add it")
    for one in takes.values():
        if one.kind is one.POSITIONAL_ONLY and one.default is one.empty:
            told = f"{work.function} takes {one.name!r} by its position only"
            yield Problem(f"{place}.function", told, "arguments by name", "", "take the / out of its signature")
