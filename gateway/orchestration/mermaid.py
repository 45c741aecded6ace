"""A chain or graph as a Mermaid flowchart.

Source: https://mermaid.js.org/syntax/flowchart.html. Labels stand in quotes, in which all that is no letter, digit or
plain punctuation is written as an entity, so that no text of a configuration can be read as part of the drawing.
"""

from typing import Literal

from gateway.orchestration.outline import told
from gateway.orchestration.settings import END, Chain, Conditional, Conversational, Graph, Parallel, Sequential, Work
from gateway.orchestration.works import kind_of

Form = Literal["round", "box", "choice", "sub"]
_FORMS: dict[Form, str] = {"round": "([{}])", "box": "[{}]", "choice": "{{{}}}", "sub": "[[{}]]"}
_PLAIN = frozenset(" .,:-_/()'?!")


class Flowchart:
    """A drawing that grows."""

    def __init__(self) -> None:
        self._lines = ["flowchart TD"]
        self._count = 0

    def node(self, label: str, form: Form = "box") -> str:
        """Add a node; its identifier."""
        identifier = f"n{self._count}"
        self._count += 1
        self._lines.append(f"    {identifier}{_FORMS[form].format(quoted(label))}")
        return identifier

    def edge(self, source: str, target: str, label: str = "", dotted: bool = False) -> None:
        """Add an edge; dotted ones are failures."""
        arrow = "-.->" if dotted else "-->"
        self._lines.append(f"    {source} {arrow}{f'|{quoted(label)}|' if label else ''} {target}")

    def __str__(self) -> str:
        return "\n".join(self._lines)


def quoted(label: str) -> str:
    """A label that is nothing but text."""
    line = " ".join(label.split())
    return '"' + "".join(sign if sign.isalnum() or sign in _PLAIN else f"#{ord(sign)};" for sign in line) + '"'


def mermaid(workflow: Chain | Graph) -> str:
    """The flowchart of a workflow."""
    chart = Flowchart()
    if isinstance(workflow, Graph):
        _graph(workflow, chart)
        return str(chart)
    start, end = chart.node("input", "round"), chart.node("answer", "round")
    match workflow:
        case Sequential():
            before = start
            for step in workflow.steps:
                chart.edge(before, before := _work(step, step.name, chart))
            chart.edge(before, end)
        case Parallel():
            combine = workflow.combine
            how = "first that is good" if combine.first_good else f"vote {combine.vote}" if combine.vote else ""
            joined = chart.node(how) if how else _work(combine, "combine", chart)
            for name, branch in workflow.branches.items():
                chart.edge(start, at := _work(branch, name, chart))
                chart.edge(at, joined)
            chart.edge(joined, end)
        case Conditional():
            choice = chart.node("which?", "choice")
            chart.edge(start, choice)
            for branch in workflow.branches:
                chart.edge(choice, at := _work(branch, branch.name or "", chart), branch.when or "otherwise")
                chart.edge(at, end)
        case Conversational():
            chart.edge(start, at := _work(workflow.work(), "", chart))
            chart.edge(at, end)
        case _:
            chart.edge(start, at := _work(workflow, "", chart))
            chart.edge(at, end)
    return str(chart)


def _work(work: Work, name: str, chart: Flowchart) -> str:
    form: Form = "sub" if kind_of(work) in ("chain", "graph") else "box"
    return chart.node(f"{name}: {told(work)}" if name else told(work), form)


def _graph(graph: Graph, chart: Flowchart) -> None:
    start = chart.node("input", "round")
    at = {name: _work(node, name, chart) for name, node in graph.nodes.items()}
    at[END] = chart.node(END, "round")
    chart.edge(start, at[graph.start])
    for edge in graph.edges:
        for source in edge.sources:
            for target in edge.targets:
                chart.edge(at[source], at[target], edge.when or ("join" if len(edge.sources) > 1 else ""))
    for name, node in graph.nodes.items():
        if node.on_error in graph.nodes:
            chart.edge(at[name], at[str(node.on_error)], "fails", dotted=True)
    if graph.on_error is not None:
        chart.edge(chart.node("any failure", "round"), at[graph.on_error], dotted=True)
