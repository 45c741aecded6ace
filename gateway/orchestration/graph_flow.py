"""Which names a graph's state holds at each node: those that every way there defines, and those that some do."""

from gateway.orchestration.graph_paths import Paths
from gateway.orchestration.names import ANYTHING, Names, Shape
from gateway.orchestration.settings import END, Edge, Graph
from gateway.orchestration.works import shape_of


class Flow:
    """The names before and after each node, found by going round until nothing changes any more."""

    def __init__(self, graph: Graph, paths: Paths, failures: bool = True) -> None:
        """`failures` says whether the ways that failures take count."""
        self._graph = graph
        self._paths = paths
        self._failures = failures
        self._whole = {id(edge) for edge in graph.edges if len(edge.sources) > 1 and paths.together(edge)}
        """The joins that all their sources come to."""
        self._given = {name for name, one in graph.state.items() if one.default is not None or one.reduce != "replace"}
        self._kept = graph.kept
        everything = self._given | {graph.saved(name) for name in graph.nodes}
        names = [*graph.nodes, END]
        self._sure: dict[str, set[str]] = {name: set(everything) for name in names}
        self._maybe: dict[str, set[str]] = dict.fromkeys(names, self._given | self._kept)
        self._settle()
        self._shapes = _shapes(graph)

    def before(self, name: str) -> Names:
        """The names that a node reads; END: those that `output` reads."""
        return self._names(self._sure[name], self._maybe[name])

    def after(self, name: str) -> Names:
        """The names that the conditions of a node's edges read."""
        return self._names(self._after(name), self._maybe[name] | {self._graph.saved(name)})

    def rescue(self) -> Names:
        """The names of the graph's `on_error` node: whatever failed, they are there."""
        sure = set.intersection(*(self._sure[name] for name in self._paths.any), self._sure[self._graph.start])
        return self._names(sure, self._given | {self._graph.saved(name) for name in self._graph.nodes})

    def _names(self, sure: set[str], maybe: set[str]) -> Names:
        return Names(sure, maybe, self._shapes, self._graph.nodes, self._shapes, self._kept)

    def _after(self, name: str) -> set[str]:
        node = self._graph.nodes[name]
        certain = node.on_error != "continue" or node.default is not None
        return self._sure[name] | ({self._graph.saved(name)} if certain else set())

    def _settle(self) -> None:
        self._sure[self._graph.start] = set(self._given)
        changed = True
        while changed:
            changed = False
            for name in self._sure:
                sure, maybe = self._arriving(name)
                changed = changed or (sure, maybe) != (self._sure[name], self._maybe[name])
                self._sure[name], self._maybe[name] = sure, maybe

    def _arriving(self, name: str) -> tuple[set[str], set[str]]:
        """What the ways to a node bring: sure is what all bring."""
        brought = [set(self._given)] if name == self._graph.start else []
        maybe = self._given | self._kept
        reached = self._paths.any if self._failures else self._paths.ordinary
        for edge in self._graph.edges:
            sources = [source for source in edge.sources if source in reached]
            if name not in edge.targets or not sources:
                continue
            brought.append(self._joined(edge, sources))
            for source in sources:
                maybe |= self._maybe[source] | {self._graph.saved(source)}
        for source, target in self._paths.failing.items() if self._failures else ():
            if target == name and source in reached:
                brought.append(self._sure[source])
                maybe |= self._maybe[source]
        return (set.intersection(*brought) if brought else self._sure[name]), maybe

    def _joined(self, edge: Edge, sources: list[str]) -> set[str]:
        outputs = [self._after(source) for source in sources]
        if id(edge) in self._whole:
            return set().union(*outputs)
        return set.intersection(*outputs)


def _shapes(graph: Graph) -> dict[str, Shape]:
    """What is known of each name: where several nodes write it, only what holds for all."""
    shapes: dict[str, Shape] = {}
    for name, node in graph.nodes.items():
        saved = graph.saved(name)
        shape = shape_of(node) if saved not in graph.state and node.on_error != "continue" else ANYTHING
        shapes[saved] = shape if shapes.get(saved, shape) == shape else ANYTHING
    return {**shapes, **dict.fromkeys(graph.state, ANYTHING)}
