"""What is wrong with a graph."""

from collections.abc import Iterator
from typing import Any

from gateway.config.problems import Problem
from gateway.config.words import near, shown
from gateway.orchestration.graph_flow import Flow
from gateway.orchestration.graph_paths import Paths
from gateway.orchestration.memory_wiring import keep_problems, memory_problems
from gateway.orchestration.names import Names, own_name, spelling
from gateway.orchestration.settings import END, Edge, Graph, State
from gateway.orchestration.works import Known, condition_problems, text_problems, work_problems

_TYPES: dict[str, Any] = {
    "string": str,
    "integer": int,
    "number": int | float,
    "boolean": bool,
    "array": list,
    "object": dict,
}
_WORDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a block",
}


def graph_problems(graph: Graph, place: str, known: Known) -> Iterator[Problem]:
    """Everything that is wrong with a graph by itself."""
    yield from memory_problems(graph.memory, f"{place}.memory", known)
    yield from _nodes(graph, place)
    yield from _states(graph, place)
    for number, edge in enumerate(graph.edges):
        yield from _edge(graph, edge, f"{place}.edges[{number}]")
    paths = Paths(graph)
    if graph.start not in graph.nodes:
        yield _no_node(graph, graph.start, f"{place}.start")
        yield from _without_start(graph, place, known)
        return
    yield from _order(paths, place)
    yield from _ways(paths, place)
    yield from _joins(paths, place)
    yield from _reads(graph, paths, place, known)


def _nodes(graph: Graph, place: str) -> Iterator[Problem]:
    if not graph.nodes:
        yield Problem(f"{place}.nodes", "", "a node at least", "an empty block", "add one")
    for name, node in graph.nodes.items():
        at = f"{place}.nodes.{name}"
        if name in (END, "continue"):
            yield Problem(at, f"{name!r} has a meaning of its own", "another name", repr(name), "rename it")
        yield from spelling(name, at)
        yield from own_name(graph.saved(name), f"{at}.save" if node.save else at)
        if node.keep:
            yield from keep_problems(graph.saved(name), f"{at}.keep", graph.memory)
        if node.on_error not in (None, "continue", *graph.nodes):
            yield _no_node(graph, str(node.on_error), f"{at}.on_error")
        elif node.on_error == name:
            yield Problem(f"{at}.on_error", "a node cannot catch its own failure", cure="name another, or use `retry`")
        elif node.on_error in graph.nodes and node.default is not None:
            told = "a node with a `default` never fails"
            yield Problem(f"{at}.on_error", told, "`default` or `on_error`", "both", "take one out")
    if graph.on_error is not None and graph.on_error not in graph.nodes:
        yield _no_node(graph, graph.on_error, f"{place}.on_error")


def _no_node(graph: Graph, name: str, place: str) -> Problem:
    known = ", ".join(graph.nodes) or "the names under nodes"
    return Problem(place, "no such node", f"one of {known}", repr(name), near(name, graph.nodes) or "add it to nodes")


def _states(graph: Graph, place: str) -> Iterator[Problem]:
    saved = {graph.saved(name) for name in graph.nodes}
    for name, state in graph.state.items():
        at = f"{place}.state.{name}"
        yield from spelling(name, at)
        yield from own_name(name, at)
        yield from _default(state, at)
        if state.last is not None and state.reduce != "append":
            told, cure = "goes with `reduce: append` only", "take it out, or write `reduce: append`"
            yield Problem(f"{at}.last", told, "`append`", f"`{state.reduce}`", cure)
        if state.keep:
            yield from keep_problems(name, f"{at}.keep", graph.memory)
        if name not in saved and state.default is None:
            cure = near(name, saved) or f"write `save: {name}` in a node, or take it out"
            yield Problem(at, "no node writes it", f"one of {', '.join(sorted(saved))}", repr(name), cure)


def _default(state: State, place: str) -> Iterator[Problem]:
    kinds = {"append": ("array",), "add": ("number", "integer", "string", "array")}.get(state.reduce)
    if kinds and state.type not in (None, *kinds):
        told = f"does not go with `reduce: {state.reduce}`"
        yield Problem(f"{place}.type", told, f"one of {', '.join(kinds)}", str(state.type), "take it out")
    expected = state.type or {"append": "array", "add": "number"}.get(state.reduce)
    if state.default is None or expected is None:
        return
    wanted = _TYPES[expected]
    if not isinstance(state.default, wanted) or (isinstance(state.default, bool) and expected != "boolean"):
        word = _WORDS[expected]
        cure = "write []" if expected == "array" else "write 0" if expected in ("number", "integer") else ""
        yield Problem(f"{place}.default", "", word, shown(state.default), cure)


def _edge(graph: Graph, edge: Edge, place: str) -> Iterator[Problem]:
    for field, names in (("from", edge.sources), ("to", edge.targets)):
        listed = isinstance(edge.from_ if field == "from" else edge.to, list)
        for number, name in enumerate(names):
            at = f"{place}.{field}[{number}]" if listed else f"{place}.{field}"
            if name in names[:number]:
                yield Problem(at, f"{name!r} stands here twice", cure="take one out")
            elif name == END and field == "from":
                yield Problem(at, "no edge leads on from END", "a node", "END", "take the edge out")
            elif name == END and len(names) > 1:
                yield Problem(
                    at, "END ends the run: it cannot be one of several", "END alone, or nodes", "both", "take it out"
                )
            elif name == "end" and name not in graph.nodes:
                yield Problem(at, "no such node", "END", "'end'", "write END")
            elif name != END and name not in graph.nodes:
                yield _no_node(graph, name, at)
    if edge.when is not None and len(edge.sources) > 1:
        cure = "take it out, and put it on the edges of the node that the join leads to"
        yield Problem(f"{place}.when", "a join has no condition", "`from: NODE`, or no `when`", repr(edge.when), cure)


def _order(paths: Paths, place: str) -> Iterator[Problem]:
    """Edges that are never tried, and nodes that may be left without one."""
    told = set()
    for name, edges in paths.out.items():
        always = (index for index, (_, edge) in enumerate(edges) if edge.when is None or len(edge.sources) > 1)
        open_at = next(always, None)
        if open_at is None:
            if edges and name in paths.any:
                number, edge = edges[-1]
                cure = f"add {{from: {name}, to: …}} without `when` after it"
                message = f"{name!r} has no edge for when no condition holds"
                yield Problem(
                    f"{place}.edges[{number}].when", message, "a last edge without `when`", repr(edge.when), cure
                )
            continue
        for number, _ in edges[open_at + 1 :]:
            if number not in told:
                told.add(number)
                before = f"edges[{edges[open_at][0]}]"
                cure = f"put it before {before}, or give that a `when`"
                yield Problem(f"{place}.edges[{number}]", f"is never taken: {before} has no condition", cure=cure)


def _ways(paths: Paths, place: str) -> Iterator[Problem]:
    graph = paths.graph
    for name in graph.nodes:
        at = f"{place}.nodes.{name}"
        if name not in paths.any:
            cure = f"add an edge `to: {name}`, or take it out"
            yield Problem(at, "is never reached", "an edge that leads here", "none", cure)
        elif not paths.out[name] and name in paths.ordinary and name != END:
            cure = f"add {{from: {name}, to: END}}"
            yield Problem(at, "is a dead end", "an edge that leads on", "none", cure)
    for way in paths.cycles():
        shown_way = " → ".join(way)
        cure = "give one of its edges a `when`, and its node an edge that leads out"
        yield Problem(f"{place}.edges", f"{shown_way} never ends", "a way to END", "none", cure)
    least = paths.shortest()
    if least > graph.max_steps:
        yield Problem(
            f"{place}.max_steps", "no run can end", f"at least {least}", str(graph.max_steps), f"write {least} or more"
        )


def _joins(paths: Paths, place: str) -> Iterator[Problem]:
    for number, edge in enumerate(paths.graph.edges):
        if len(edge.sources) < 2 or any(source not in paths.graph.nodes for source in edge.sources):
            continue
        for index, source in enumerate(edge.sources):
            at = f"{place}.edges[{number}].from[{index}]"
            target = next((target for target in edge.targets if target in paths.any), None)
            if source not in paths.any:
                yield Problem(
                    at, "the join waits for what never starts", "a node that is reached", repr(source), "take it out"
                )
            elif target is not None and source != target and paths.after(source, target):
                told = f"the join waits for what starts only after {target!r}, where it leads"
                yield Problem(at, told, "a node before it", repr(source), "take it out")


def _reads(graph: Graph, paths: Paths, place: str, known: Known) -> Iterator[Problem]:
    flow = Flow(graph, paths)
    for name, node in graph.nodes.items():
        names = flow.before(name)
        if name == graph.on_error and name in paths.any:
            names = flow.rescue()
        yield from work_problems(node, f"{place}.nodes.{name}", names, known)
        for number, edge in paths.out[name]:
            if edge.when is not None and len(edge.sources) == 1:
                yield from condition_problems(edge.when, f"{place}.edges[{number}].when", flow.after(name))
    if graph.output is not None:
        ordinary = Flow(graph, paths, failures=False).before(END)
        yield from _output(graph.output, f"{place}.output", ordinary)


def _without_start(graph: Graph, place: str, known: Known) -> Iterator[Problem]:
    """What can be said of nodes where nothing can be said of the ways to them."""
    saved = {graph.saved(name) for name in graph.nodes}
    names = Names({*saved, *graph.state}, nodes=graph.nodes)
    for name, node in graph.nodes.items():
        yield from work_problems(node, f"{place}.nodes.{name}", names, known)


def _output(output: str, place: str, names: Names) -> Iterator[Problem]:
    source = f"{{{{ {output} }}}}" if output.isidentifier() else output
    yield from text_problems(source, place, names)
