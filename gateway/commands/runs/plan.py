"""What can happen in a chain or graph: its steps, and which may follow which."""

from itertools import pairwise
from typing import NamedTuple

from gateway.commands.runs.story import Scope
from gateway.config.convert import convert
from gateway.config.problems import ConfigError
from gateway.config.schema import Config
from gateway.orchestration.assembly import ALONE
from gateway.orchestration.settings import END, Chain, Conditional, Graph, Parallel, Sequential
from gateway.orchestration.wiring import read_chain


class Way(NamedTuple):
    """From a step to one that may follow it."""

    source: str
    target: str


class Plan(NamedTuple):
    """The names of steps, those with which a run begins, and the ways between them.

    A `graph` tells which ways it takes; in a chain, a way is taken where both its ends ran.
    """

    steps: tuple[str, ...]
    starts: tuple[str, ...]
    ways: tuple[Way, ...]
    graph: bool


def plan(config: Config, model: str) -> Plan | None:
    """The plan of `chain:NAME` or `graph:NAME`; None where the file has none that can be read."""
    kind, _, name = model.partition(":")
    try:
        if kind == "graph" and name in config.graphs:
            return _graph(convert(config.graphs[name], Graph, f"graphs.{name}"))
        if kind == "chain" and name in config.chains:
            return _chain(read_chain(config.chains[name], f"chains.{name}"))
    except ConfigError:
        pass
    return None


def seen(scope: Scope) -> Plan | None:
    """The plan of a graph as far as its run has shown it; None where there is nothing of a graph yet."""
    if not scope.graph:
        return None
    ways = dict.fromkeys(Way(*pair) for pair in scope.taken)
    reached = {way.target for way in ways}
    steps = dict.fromkeys([*scope.steps, *(end for way in ways for end in way if end != END)])
    return Plan(tuple(steps), tuple(name for name in steps if name not in reached)[:1], tuple(ways), True)


def fits(what: Plan, scope: Scope) -> bool:
    """Whether all that a run has shown stands in the plan: else the file is of another gateway, or an older one."""
    names = {*what.steps, END}
    return all(name in names for name in scope.steps) and all(
        source in names and target in names for source, target in scope.taken
    )


def _graph(graph: Graph) -> Plan:
    ways = [Way(source, target) for edge in graph.edges for source in edge.sources for target in edge.targets]
    ways += [Way(name, node.on_error) for name, node in graph.nodes.items() if node.on_error in graph.nodes]
    return Plan(tuple(graph.nodes), (graph.start,), tuple(dict.fromkeys(ways)), True)


def _chain(chain: Chain) -> Plan:
    match chain:
        case Sequential():
            names = [step.name for step in chain.steps]
            return Plan(tuple(names), (names[0],), tuple(Way(*pair) for pair in pairwise([*names, END])), False)
        case Parallel():
            last = () if chain.combine.first_good or chain.combine.vote else ("combine",)
            branches = tuple(chain.branches)
            ways = [Way(branch, (*last, END)[0]) for branch in branches]
            ways += [Way(name, END) for name in last]
            return Plan((*branches, *last), branches, tuple(ways), False)
        case Conditional():
            # As the assembly names them.
            branches = tuple(branch.name or f"branch {number}" for number, branch in enumerate(chain.branches, 1))
            return Plan(branches, branches, tuple(Way(branch, END) for branch in branches), False)
    return Plan((ALONE,), (ALONE,), (Way(ALONE, END),), False)
