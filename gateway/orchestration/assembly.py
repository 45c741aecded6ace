"""Chains and graphs as they are written become models that run."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from gateway.config.hosts import readable
from gateway.config.schema import Orchestrator
from gateway.orchestration.chain import Alone, Case, FirstMatch, Flow, InRow, Link
from gateway.orchestration.dispatcher import Dispatcher
from gateway.orchestration.graph import CONTINUE, Graph, Node
from gateway.orchestration.http_outbound import Outbound
from gateway.orchestration.http_reach import Reach
from gateway.orchestration.kept import first, variables
from gateway.orchestration.maker import Find, Maker
from gateway.orchestration.memory import Remembering, remembered
from gateway.orchestration.parallel import Combine, Combined, Parallel, Racing, Vote, needed_of
from gateway.orchestration.records import Records
from gateway.orchestration.settings import (
    END,
    Chain,
    Conditional,
    Conversational,
    Memory,
    Sequential,
    Simple,
    Tool,
)
from gateway.orchestration.settings import Combine as CombineSettings
from gateway.orchestration.settings import Graph as GraphSettings
from gateway.orchestration.settings import Parallel as ParallelSettings
from gateway.orchestration.slots import Slots
from gateway.orchestration.state import Reducer
from gateway.orchestration.template import compile as compile_template
from gateway.orchestration.virtual import Limits, VirtualModel
from gateway.orchestration.way import Way
from gateway.orchestration.wiring import works
from gateway.orchestration.work import Value
from gateway.seam import Env, Handler
from gateway.stores.conversations import Conversations

ALONE = "answer"
"""What the step of a chain is called that has but one."""

_ALONE = re.compile(r"\s*\{\{\s*(\w+)\s*\}\}\s*")


class Assembly:
    """All chains and graphs of a configuration: `models` by name (`chain:polish`).

    `nodes` is what they consist of that has a start or an end of its own, with its place.
    """

    def __init__(
        self,
        chains: Mapping[str, Chain],
        graphs: Mapping[str, GraphSettings],
        *,
        env: Env,
        find: Find,
        bounds: Orchestrator,
        conversations: Conversations,
        tools: Mapping[str, Tool],
        records: Records,
    ) -> None:
        """The chains, graphs and tools are valid. `find` finds what `function:` names."""
        self.models: dict[str, VirtualModel] = {}
        self.nodes: list[tuple[str, Any]] = []
        self._env = env
        self._records = records
        self._conversations = conversations
        self._default_timeout = bounds.default_timeout
        outbound = Outbound(Reach(readable(bounds.http_hosts)))
        described = {f"chain:{name}": chain.description for name, chain in chains.items()}
        described |= {f"graph:{name}": graph.description for name, graph in graphs.items()}
        slots = Slots(bounds.max_concurrent_chains, "orchestrator.max_concurrent_chains")
        for name, chain in chains.items():
            maker = Maker(find, outbound, tools, described)
            self._add(f"chain:{name}", chain, _chain(chain, f"chains.{name}", maker), maker, slots)
        slots = Slots(bounds.max_concurrent_graphs, "orchestrator.max_concurrent_graphs")
        for name, graph in graphs.items():
            maker = Maker(find, outbound, tools, described)
            self._add(f"graph:{name}", graph, _graph(graph, f"graphs.{name}", maker), maker, slots)

    def before(self, models: Handler) -> Handler:
        """The way to the chains and graphs, and for all other names to `models`."""
        return Dispatcher(self.models, models)

    def _add(self, name: str, written: Chain | GraphSettings, flow: Flow, maker: Maker, slots: Slots) -> None:
        limits = Limits(name, getattr(written, "timeout", None), self._default_timeout)
        if written.memory is not None:
            flow = self._remembering(flow, written, written.memory, frozenset(maker.needs))
        self.models[name] = VirtualModel(
            name,
            flow,
            self._env,
            slots,
            limits,
            self._records,
            needs=frozenset(maker.needs),
            thoughts=written.include_steps == "reasoning",
        )
        for place, node in maker.nodes:
            if all(node is not known for _, known in self.nodes):  # named twice, it is started once
                self.nodes.append((place, node))

    def _remembering(self, flow: Flow, written: Chain | GraphSettings, memory: Memory, needs: frozenset[str]) -> Flow:
        return Remembering(
            flow,
            self._conversations,
            remembered(memory),
            model=_reader(written),
            needs=needs,
            variables=variables(written),
        )


def _reader(workflow: Chain | GraphSettings) -> str:
    """The model by which the messages' tokens are counted: one that gets them, else any; empty where there is none."""
    asked = [work for _, work in works(workflow, "") if work.model is not None]
    whole = [work for work in asked if work.prompt is None and work.messages is None]
    return next((work.model for work in [*whole, *asked] if work.model is not None), "")


def _chain(chain: Chain, place: str, maker: Maker) -> Flow:
    match chain:
        case Simple():
            return Alone(maker.step(chain, ALONE, place))
        case Conversational():
            return Alone(maker.step(chain.work(), ALONE, place))
        case Sequential():
            return InRow([_link(chain, number, place, maker) for number in range(len(chain.steps))])
        case Conditional():
            return _conditional(chain, place, maker)
        case ParallelSettings():
            return _parallel(chain, place, maker)


def _link(chain: Sequential, number: int, place: str, maker: Maker) -> Link:
    step = chain.steps[number]
    kept = step.output in chain.kept
    answers = number == len(chain.steps) - 1
    made = maker.step(step, step.name, f"{place}.steps[{number}]", timeout=step.timeout, inherits=answers and kept)
    return Link(made, step.output, step.on_error == "continue", kept)


def _conditional(chain: Conditional, place: str, maker: Maker) -> Flow:
    cases: list[Case] = []
    for number, branch in enumerate(chain.branches):
        at = f"{place}.branches[{number}]"
        step = maker.step(branch, branch.name or f"branch {number + 1}", at, timeout=branch.timeout)
        holds = maker.holds(branch.when, f"{at}.when")
        if holds is None:
            return FirstMatch(cases, step)
        cases.append(Case(step, holds))
    raise AssertionError(f"{place} has no branch for all other cases")


def _parallel(chain: ParallelSettings, place: str, maker: Maker) -> Flow:
    branches = {
        name: maker.step(branch, name, f"{place}.branches.{name}", timeout=branch.timeout)
        for name, branch in chain.branches.items()
    }
    combine = chain.combine
    if combine.first_good is not None:
        accept = maker.holds(combine.first_good.accept, f"{place}.combine.first_good.accept")
        return Racing(branches, accept, chain.max_concurrent)
    needed = needed_of(chain.needed, list(branches))
    return Parallel(branches, _combine(combine, place, maker), needed, chain.max_concurrent)


def _combine(combine: CombineSettings, place: str, maker: Maker) -> Combine:
    if combine.vote is not None:
        return Vote(normalised=combine.vote == "normalised")
    return Combined(maker.step(combine, "combine", f"{place}.combine", timeout=combine.timeout))


def _graph(graph: GraphSettings, place: str, maker: Maker) -> Flow:
    output = _output(graph, place, maker)
    nodes = {name: _node(graph, name, f"{place}.nodes.{name}", maker, output) for name in graph.nodes}
    ways = [
        Way(
            tuple(edge.sources),
            tuple(edge.targets),
            maker.holds(edge.when, f"{place}.edges[{number}].when"),
            edge.when,
        )
        for number, edge in enumerate(graph.edges)
    ]
    return Graph(
        graph.start,
        nodes,
        ways,
        reducers={name: Reducer(state.reduce, state.type, state.last) for name, state in graph.state.items()},
        defaults={name: value for name, state in graph.state.items() if (value := first(state)) is not None},
        output=output.value,
        rescue=None if graph.on_error is None else nodes[graph.on_error].step,
        max_steps=graph.max_steps,
    )


class _Output(NamedTuple):
    """How a graph's answer is made of its state: by what, of which names; `name` where it is the value of one alone."""

    value: Value | None
    reads: frozenset[str] = frozenset()
    name: str | None = None


def _output(graph: GraphSettings, place: str, maker: Maker) -> _Output:
    written = graph.output
    if written is None:
        return _Output(None)
    alone = _ALONE.fullmatch(written)
    name = alone[1] if alone is not None else written
    saved = {*graph.state, *(graph.saved(node) for node in graph.nodes)}
    if name in saved:
        return _Output(lambda names: names.get(name, ""), frozenset((name,)), name)
    template = compile_template(written, f"{place}.output")
    maker.needs |= template.variables
    return _Output(template.render, template.variables)


def _node(graph: GraphSettings, name: str, place: str, maker: Maker, output: _Output) -> Node:
    node, saved, answers = graph.nodes[name], graph.saved(name), _answers(graph, name, output)
    kept = saved in graph.kept  # it must be known when the run is over
    inherits = saved in output.reads or (answers and kept)
    return Node(
        maker.step(node, name, place, timeout=node.timeout, inherits=inherits, node=True),
        saved,
        node.on_error,
        live=answers and not kept,
    )


def _answers(graph: GraphSettings, node: str, output: _Output) -> bool:
    """Whether a node's answer is the graph's, and nothing can follow it."""
    onward = {target for edge in graph.edges if node in edge.sources for target in edge.targets}
    if onward - {END} or graph.nodes[node].on_error == CONTINUE:
        return False
    if output.value is None:
        return True
    saved = graph.saved(node)
    state = graph.state.get(saved)
    return saved == output.name and (state is None or (state.reduce == "replace" and state.type in (None, "string")))
