"""Chains, graphs and tools from the plain values of a configuration, with all told that is wrong with their wiring."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from gateway.config.convert import convert, typed
from gateway.config.hosts import Allowed
from gateway.config.problems import ConfigError, Problem
from gateway.config.words import near, shown
from gateway.orchestration.chain_wiring import chain_problems
from gateway.orchestration.graph_wiring import graph_problems
from gateway.orchestration.http_reach import Reach
from gateway.orchestration.settings import (
    CHAINS,
    Chain,
    Conditional,
    Conversational,
    Graph,
    Parallel,
    Sequential,
    Tool,
    Work,
)
from gateway.orchestration.tool_wiring import tool_problems
from gateway.orchestration.works import Known

T = TypeVar("T")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class Workflows(NamedTuple):
    """The chains, graphs and tools of a configuration, by name."""

    chains: dict[str, Chain]
    graphs: dict[str, Graph]
    tools: dict[str, Tool]


def read_workflows(
    chains: Mapping[str, Any],
    graphs: Mapping[str, Any],
    tools: Mapping[str, Any],
    models: Mapping[str, Sequence[str]],
    providers: Iterable[str],
    function: Callable[[str, str], Any],
    hosts: Iterable[Allowed] = (),
) -> Workflows:
    """The chains, graphs and tools that are written there. Raises `ConfigError` with all that is wrong, in all of them.

    `models` are the names that the configuration gives to models, with what each leads to; `providers` are its
    providers; `function` finds the function that a name stands for, and is handed the place where it stands; `hosts`
    are those that `http` steps may call.
    """
    problems: list[Problem] = []
    read = Workflows({}, {}, {})
    for name, entry in chains.items():
        with _Told(problems):
            read.chains[name] = read_chain(entry, f"chains.{name}")
    for name, entry in graphs.items():
        with _Told(problems):
            read.graphs[name] = _read(entry, Graph, f"graphs.{name}")
    for name, entry in tools.items():
        with _Told(problems):
            read.tools[name] = _read(entry, Tool, f"tools.{name}")
    known = Known(
        models,
        tuple(providers),
        frozenset(chains),
        frozenset(graphs),
        frozenset(tools),
        function,
        Reach([*hosts]),
    )
    for kind, names in (("chains", chains), ("graphs", graphs)):
        problems += (problem for name in names for problem in _name_problems(name, f"{kind}.{name}"))
    for name, chain in read.chains.items():
        problems += chain_problems(chain, f"chains.{name}", known)
    for name, graph in read.graphs.items():
        problems += graph_problems(graph, f"graphs.{name}", known)
    for name, tool in read.tools.items():
        problems += tool_problems(name, tool, f"tools.{name}", known)
    problems += _rings(read, models)
    if problems:
        raise ConfigError(list(dict.fromkeys(problems)))
    return read


def unbuilt(read: Workflows) -> list[str]:
    """What chains and graphs say that does nothing yet, in sentences."""
    told = []
    for name, graph in read.graphs.items():
        if graph.durable:
            told.append(f"graphs.{name}.durable: not built yet: a restart loses its runs")
    return told


class _Told:
    """Keeps the problems of what it stands around."""

    def __init__(self, problems: list[Problem]) -> None:
        self._problems = problems

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        if not isinstance(error, ConfigError):
            return False
        self._problems += error.problems
        return True


def read_chain(entry: Any, place: str) -> Chain:
    """The chain that an entry is, by its `type`. Raises `ConfigError` where its values do not fit."""
    if not isinstance(entry, Mapping):
        raise ConfigError([Problem(place, "", "a block with `type`", shown(entry), "write {type: simple, …}")])
    expected = f"one of {', '.join(CHAINS)}"
    if "type" not in entry:
        likely = next((kind for field, kind in _TYPICAL.items() if field in entry), "simple")
        raise ConfigError([Problem(f"{place}.type", "missing", expected, "", f"add `type: {likely}`")])
    kind = entry["type"]
    if not isinstance(kind, str) or kind not in CHAINS:
        cure = near(kind, CHAINS) if isinstance(kind, str) else ""
        raise ConfigError([Problem(f"{place}.type", "", expected, shown(kind), cure)])
    return _read(dict(entry), CHAINS[kind], place)


def _read(entry: Any, kind: type[T], place: str) -> T:
    convert(entry, kind, place)
    # What fits is read again with the texts of variables as plain ones, also where anything may stand.
    return convert(_plain(typed(entry, kind)), kind, place)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, str) else value


_TYPICAL = {"steps": "sequential", "combine": "parallel", "branches": "conditional", "memory": "conversational"}


def _name_problems(name: str, place: str) -> Iterator[Problem]:
    if not _NAME.fullmatch(name):
        yield Problem(place, "", "a name of letters, digits, -, _ and .", repr(name), "rename it")


def works(workflow: Chain | Graph | Tool, place: str) -> Iterator[tuple[str, Work]]:
    """The steps of a chain, a graph or a tool, each with its place."""
    match workflow:
        case Sequential():
            yield from ((f"{place}.steps[{number}]", step) for number, step in enumerate(workflow.steps))
        case Parallel():
            yield from ((f"{place}.branches.{name}", branch) for name, branch in workflow.branches.items())
            yield f"{place}.combine", workflow.combine
        case Conditional():
            yield from ((f"{place}.branches[{number}]", branch) for number, branch in enumerate(workflow.branches))
        case Graph():
            yield from ((f"{place}.nodes.{name}", node) for name, node in workflow.nodes.items())
        case Conversational():
            yield place, workflow.work()
        case _:
            yield place, workflow


def _rings(read: Workflows, models: Mapping[str, Sequence[str]]) -> Iterator[Problem]:
    """Chains, graphs and tools that call themselves, by way of others."""
    calls: dict[str, list[tuple[str, str]]] = {}
    for block, callers in (("chains", read.chains), ("graphs", read.graphs), ("tools", read.tools)):
        for name, caller in callers.items():
            calls[f"{block[:-1]}:{name}"] = list(_calls(caller, f"{block}.{name}", models))
    done: set[str] = set()
    for name in calls:
        way = [name] if name not in done else []
        left = [iter(calls[name])]  # of each workflow on the way, the calls that are still to be followed
        while way:
            place, callee = next(left[-1], ("", ""))
            if not place:
                done.add(way.pop())
                left.pop()
            elif callee in way:
                told = f"{callee} calls itself: {' → '.join([*way[way.index(callee) :], callee])}"
                yield Problem(place, told, "no way back", repr(callee.partition(":")[2]), "take one of the calls out")
            elif callee in calls and callee not in done:
                way.append(callee)
                left.append(iter(calls[callee]))


def _calls(caller: Chain | Graph | Tool, place: str, models: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str]]:
    """The chains, graphs and tools that one of them calls, and where."""
    for at, work in works(caller, place):
        yield from ((f"{at}.tools[{number}]", f"tool:{name}") for number, name in enumerate(work.tools or ()))
        if work.model is not None:
            yield from ((f"{at}.model", target) for target in models.get(work.model, ()))
        for kind in ("chain", "graph"):
            if (name := getattr(work, kind)) is not None:
                yield f"{at}.{kind}", f"{kind}:{name}"
