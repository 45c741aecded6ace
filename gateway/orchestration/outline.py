"""A chain or graph as text, to be read in a terminal."""

from collections.abc import Iterator, Mapping

from gateway.orchestration.settings import (
    Chain,
    Conditional,
    Conversational,
    Graph,
    Memory,
    Node,
    Parallel,
    Sequential,
    Step,
    Tool,
    Work,
)
from gateway.orchestration.toolbox import tool_name
from gateway.orchestration.works import kind_of

_LONG = 60
_KEPT = "kept for the next turns"


def outline(name: str, workflow: Chain | Graph) -> list[str]:
    """The lines that tell what a workflow does; `name` is such as `chain:polish`."""
    kind = "graph" if isinstance(workflow, Graph) else workflow.type
    head = [f"{name}  ({kind})" + (f"  {workflow.description}" if workflow.description else "")]
    if workflow.timeout is not None:
        head.append(f"  within {workflow.timeout:g}s")
    if workflow.memory is not None:
        head.append(f"  remembers {_remembered(workflow.memory)}")
    return [*head, *_body(workflow)]


def summary(workflow: Chain | Graph) -> tuple[str, str]:
    """The kind of a workflow, and what it consists of or is for."""
    match workflow:
        case Sequential():
            parts = " → ".join(step.name for step in workflow.steps)
        case Parallel():
            parts = " | ".join(workflow.branches)
        case Conditional():
            parts = f"{len(workflow.branches)} branches"
        case Conversational():
            parts = f"model {workflow.model}"
        case Graph():
            parts = ", ".join(workflow.nodes)
        case _:
            parts = told(workflow)
    return "graph" if isinstance(workflow, Graph) else workflow.type, workflow.description or parts


def tool_rows(tools: Mapping[str, Tool]) -> list[tuple[str, ...]]:
    """The tools of a configuration: name, what each does, and what it is for."""
    return [(name, told(tool), shortened(tool.description) if tool.description else "") for name, tool in tools.items()]


def _body(workflow: Chain | Graph) -> list[str]:
    match workflow:
        case Sequential():
            return _sequential(workflow)
        case Parallel():
            return _parallel(workflow)
        case Conditional():
            return _conditional(workflow)
        case Conversational():
            return _conversational(workflow)
        case Graph():
            return _graph(workflow)
    return [f"  {told(workflow)}"]


def told(work: Work) -> str:
    """What a step does, in a line."""
    words = _done(work)
    source = work.prompt if work.prompt is not None else work.input
    if source is not None:
        words.append(shortened(source))
    if work.messages is not None:
        words.append(f"{len(work.messages)} messages")
    if work.args:
        words.append(f"with {', '.join(work.args)}")
    if work.response_format is not None:
        words.append("answers JSON")
    if work.tools:
        words.append(f"calls {', '.join(map(tool_name, work.tools))} in at most {work.max_turns} turns")
        if work.on_max_turns == "answer":
            words.append("the last without tools")
    if work.map is not None:
        words.append(f"for each {work.as_} of {work.map}, {work.max_concurrent} at a time")
    if work.timeout is not None:
        words.append(f"within {work.timeout:g}s")
    if work.retry is not None:
        words.append(f"{work.retry.attempts} tries")
    if work.default is not None:
        words.append("else its default")
    if isinstance(work, Step | Node) and work.keep:
        words.append(_KEPT)
    return ", ".join(words)


def _remembered(memory: Memory) -> str:
    """What is kept of a conversation, in a line."""
    whose = "a user's" if memory.by == "user" else "the"
    words = [
        f"{whose} conversation" if memory.last is None else f"the last {memory.last} turns of {whose} conversation"
    ]
    if memory.tokens is not None:
        words.append(f"at most {memory.tokens} tokens")
    if memory.summary is not None:
        words.append(f"the rest summed up by {memory.summary.model}")
    if memory.ttl is not None:
        words.append(f"for {memory.ttl / 86400:g} days")
    return ", ".join(words)


def _done(work: Work) -> list[str]:
    """The words for what is done, without what it is done with."""
    kind = kind_of(work)
    if work.template is not None:
        return [f"template {shortened(work.template)}"]
    if work.http is None:
        return [f"{kind} {getattr(work, kind)}"]
    http = work.http
    words = [f"http {http.method} {http.url.partition('?')[0]}"]
    for what, names in (("query", http.query), ("headers", http.headers)):
        if names:
            words.append(f"{what} {', '.join(names)}")
    if http.json is not None or http.body is not None:
        words.append("sends JSON" if http.json is not None else "sends text")
    return words


def shortened(text: str) -> str:
    """A text in quotes, in one line."""
    line = " ".join(text.split())
    return f'"{line if len(line) <= _LONG else line[: _LONG - 1] + "…"}"'


def _rows(rows: list[tuple[str, str]]) -> list[str]:
    width = max((len(name) for name, _ in rows), default=0)
    return [f"  {name.ljust(width)}  {text}".rstrip() for name, text in rows]


def _step(step: Step) -> str:
    saved = f" → {step.save}" if step.save else ""
    return told(step) + saved + (", else goes on" if step.on_error == "continue" else "")


def _sequential(chain: Sequential) -> list[str]:
    return _rows([(f"{number}. {step.name}", _step(step)) for number, step in enumerate(chain.steps, 1)])


def _parallel(chain: Parallel) -> list[str]:
    combine = chain.combine
    if combine.vote is not None:
        how = f"the answer that most gave ({combine.vote})"
    elif combine.first_good is not None:
        how = f"the first that is good{f': {combine.first_good.accept}' if combine.first_good.accept else ''}"
    else:
        how = told(combine)
    branches = [(name, told(one)) for name, one in chain.branches.items()]
    return [f"  at the same time, {chain.needed} must succeed:", *_rows(branches), f"  then {how}"]


def _conditional(chain: Conditional) -> list[str]:
    return _rows([(f"if {one.when}" if one.when is not None else "otherwise", told(one)) for one in chain.branches])


def _conversational(chain: Conversational) -> list[str]:
    rows = [("model", chain.model)]
    if chain.system is not None:
        rows.append(("system", shortened(chain.system)))
    if chain.tools:
        rows.append(("tools", ", ".join(map(tool_name, chain.tools))))
    return _rows(rows)


def _graph(graph: Graph) -> list[str]:
    rows = [("start", f"{graph.start}, at most {graph.max_steps} steps{', durable' if graph.durable else ''}")]
    for name, node in graph.nodes.items():
        rows.append((name, told(node) + (f" → {node.save}" if node.save else "")))
        rows += [("", way) for way in _ways(graph, name)]
    for name, state in graph.state.items():
        default = f", at first {state.default!r}" if state.default is not None else ""
        last = f", the last {state.last}" if state.last is not None else ""
        kept = f", {_KEPT}" if state.keep else ""
        rows.append((f"state {name}", f"{state.reduce}{last}{default}{kept}"))
    if graph.output is not None:
        rows.append(("output", graph.output))
    if graph.on_error is not None:
        rows.append(("on error", graph.on_error))
    return _rows(rows)


def _ways(graph: Graph, name: str) -> Iterator[str]:
    for edge in graph.edges:
        if name in edge.sources:
            others = [other for other in edge.sources if other != name]
            joined = f"  with {', '.join(others)}" if others else ""
            yield f"  → {', '.join(edge.targets)}{joined}" + (f"  if {edge.when}" if edge.when is not None else "")
    if graph.nodes[name].on_error is not None:
        yield f"  → {graph.nodes[name].on_error}  if it fails"
