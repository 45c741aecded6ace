"""The ways that a run may take through a graph."""

from collections.abc import Iterable, Iterator, Mapping

from gateway.orchestration.settings import END, Edge, Graph


class Paths:
    """The edges of a graph by node. Edges from or to nodes that are not there are left out: they are told elsewhere."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        there = {*graph.nodes, END}
        self.out: dict[str, list[tuple[int, Edge]]] = {name: [] for name in graph.nodes}
        """Each node's edges in their order, with their numbers in the file."""
        for number, edge in enumerate(graph.edges):
            for source in edge.sources:
                if source in graph.nodes:
                    self.out[source].append((number, edge))
        self.next: dict[str, set[str]] = {
            name: {target for _, edge in edges for target in edge.targets if target in there}
            for name, edges in self.out.items()
        }
        """Where each node may lead on ordinary ways."""
        self.failing: dict[str, str] = {
            name: node.on_error
            for name, node in graph.nodes.items()
            if node.on_error in graph.nodes and node.default is None
        }
        """Where the failure of a node leads."""
        self.all_next = {
            name: targets | ({self.failing[name]} if name in self.failing else set())
            for name, targets in self.next.items()
        }
        """Where each node may lead, failures included."""
        self.ordinary = self.reached([graph.start], self.next)
        """The nodes that a run without failures may come to."""
        starts = [graph.start, *([graph.on_error] if graph.on_error in graph.nodes else [])]
        self.any = self.reached(starts, self.all_next)
        """The nodes that any run may come to."""

    def reached(self, starts: Iterable[str], ways: Mapping[str, set[str]], without: str = "") -> set[str]:
        """The nodes that can be come to from some, on ways that avoid one."""
        found: set[str] = set()
        pile = [name for name in starts if name in self.graph.nodes and name != without]
        while pile:
            name = pile.pop()
            if name not in found:
                found.add(name)
                pile.extend(target for target in ways[name] if target in self.graph.nodes and target != without)
        return found

    def ends(self, name: str, without: str = "") -> bool:
        """Whether a run can end from a node, on ways that avoid another."""
        return any(
            END in self.next[other] or not self.next[other] for other in self.reached([name], self.next, without)
        )

    def after(self, name: str, other: str) -> bool:
        """Whether every run that comes to a node has been to the other before."""
        return name not in self.reached([self.graph.start], self.all_next, without=other)

    def together(self, join: Edge) -> bool:
        """Whether all that a join waits for were started by one fan-out, so that all of them were there."""
        for edge in self.graph.edges:
            if len(edge.targets) < len(join.sources) or not set(edge.targets) <= set(self.graph.nodes):
                continue
            if not all(self._behind(source, edge) for source in join.sources):
                continue
            starts = [self._start_of(source, edge.targets) for source in join.sources]
            if None not in starts and len(set(starts)) == len(starts):
                return True
        return False

    def _start_of(self, source: str, targets: list[str]) -> str | None:
        """The one of the targets that must lead to a node."""
        for target in targets:
            if target == source or (
                source in self.reached([target], self.next) and not self.ends(target, without=source)
            ):
                return target
        return None

    def _behind(self, source: str, fan: Edge) -> bool:
        """Whether a node is come to by way of a fan-out only."""
        ways = {
            name: {target for _, edge in edges if edge is not fan for target in edge.targets}
            for name, edges in self.out.items()
        }
        return source not in self.reached([self.graph.start], ways)

    def cycles(self) -> Iterator[list[str]]:
        """Groups of nodes that lead to each other and to nothing else: a run that enters one never leaves it."""
        told: set[str] = set()
        for name in self.graph.nodes:
            if name in told or name not in self.any or self.ends(name):
                continue
            group = self.reached([name], self.next)
            if all(name in self.reached([other], self.next) for other in group):
                told |= group
                yield self._round(name)

    def _round(self, start: str) -> list[str]:
        """The shortest way from a node back to it."""
        before: dict[str, str] = {}
        queue = [start]
        for name in queue:
            for target in sorted(self.next[name]):
                if target == start:
                    way = [start]
                    while name != start:
                        way.append(name)
                        name = before[name]
                    return [start, *reversed(way[1:]), start]
                if target not in before and target in self.graph.nodes:
                    before[target] = name
                    queue.append(target)
        return [start]

    def shortest(self) -> int:
        """How many nodes a run starts at least; 0 where it cannot end."""
        depth = {self.graph.start: 1}
        queue = [self.graph.start]
        for name in queue:
            if END in self.next[name]:
                return depth[name]
            for target in sorted(self.next[name] - {END}):
                if target not in depth:
                    depth[target] = depth[name] + 1
                    queue.append(target)
        return 0
