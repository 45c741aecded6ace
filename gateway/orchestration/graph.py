"""Graphs: nodes that write a state, and edges that say what follows.

A run goes in rounds. All nodes of a round run at the same time; when the last is done, their outputs go into the state
in the order in which the nodes were started, and only then edges are looked at. So the same answers always take the
same path to the same state, however long each took.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from gateway.orchestration.group import Done, Group
from gateway.orchestration.run import Run
from gateway.orchestration.settings import END
from gateway.orchestration.state import Reducer
from gateway.orchestration.step import Step
from gateway.orchestration.way import Reached, Way, ways_by_source
from gateway.seam import GatewayError, Reply

CONTINUE = "continue"
"""In the place of a node's name: after a failure, its edges are followed."""
ON_ERROR = "on_error"
"""In the place of a condition: the way that a failure takes."""


class Node(NamedTuple):
    """A node: its work, the name in the state that it writes, and where a failure leads (None: the run fails)."""

    step: Step
    save: str
    on_error: str | None = None
    live: bool = False
    """Whether its answer is the run's, and nothing can follow."""


class Graph:
    """Nodes by name, ways in the order in which they are tried, and the reducers of the state's names.

    `output` makes the answer of the state (None: it is the last node's output); `rescue` is the node that answers
    where anything fails.
    """

    def __init__(
        self,
        start: str,
        nodes: Mapping[str, Node],
        ways: Sequence[Way],
        *,
        reducers: Mapping[str, Reducer],
        defaults: Mapping[str, Any],
        output: Callable[[Mapping[str, Any]], Any] | None,
        rescue: Step | None,
        max_steps: int,
    ) -> None:
        self._start = start
        self._nodes = nodes
        failing = [
            Way((name,), (node.on_error,)) for name, node in nodes.items() if node.on_error not in (None, CONTINUE)
        ]
        self._ways = ways_by_source(ways, failing)
        self._reducers = reducers
        self._defaults = dict(defaults)
        self._output = output
        self._rescue = rescue
        self._most = max_steps

    async def __call__(self, run: Run) -> Reply:
        """The graph's answer. Raises `GatewayError`."""
        walk = Walk(run, self._nodes, self._reducers, self._ways, self._most)
        run.names = self._defaults | run.names  # what was kept goes first
        run.names["visits"] = walk.visits
        try:
            reply = await walk.go(self._start)
            if reply is None:
                reply = run.say(walk.last if self._output is None else self._output(run.names))
        except GatewayError:
            if self._rescue is None:
                raise
            run.edge(walk.at, (self._rescue.name,), ON_ERROR)
            reply = await self._rescue.answer(run, run.names)
        return reply


class Walk:
    """One run on its way through a graph."""

    def __init__(
        self,
        run: Run,
        nodes: Mapping[str, Node],
        reducers: Mapping[str, Reducer],
        ways: Mapping[str, Sequence[Reached]],
        most: int,
    ) -> None:
        self._run = run
        self._nodes = nodes
        self._reducers = reducers
        self._ways = ways
        self._left = most
        self._most = most
        self._joins: dict[Way, Reached] = {}
        self._arrived: dict[Way, list[str]] = {}
        self.at: Sequence[str] = ()
        """The nodes that run; where one of them fails the run, that one."""
        self.visits = dict.fromkeys(nodes, 0)
        self.last: Any = ""
        """What the last node brought."""

    async def go(self, start: str) -> Reply | None:
        """Run from `start` on, to the end; the Reply of the node that answers live, where one does."""
        active = [start]
        while active:
            self._count(active)
            node = self._nodes[active[0]]
            if node.live and len(active) == 1 and not self._joins:
                try:
                    return self._ending(active[0], await node.step.answer(self._run, self._run.names))
                except GatewayError as error:
                    done = [Done(active[0], None, error)]
            else:
                done = await self._round(active)
            active = self._next(done)
        return None

    def _ending(self, name: str, reply: Reply) -> Reply:
        """The answer of the last node, unread: it goes to the end when it has been read."""
        if name in self._ways:
            run = self._run
            reply.on_end(lambda outcome: run.edge((name,), (END,)) if outcome.kind == "ok" else None)
        return reply

    def _count(self, active: Sequence[str]) -> None:
        self._left -= len(active)
        if self._left < 0:
            raise GatewayError(
                f"{self._run.origin} started more than {self._most} nodes, its max_steps, without coming to an end.",
                code="max_steps",
                retryable=False,
            )
        self.at = active
        for name in active:
            self.visits[name] += 1

    async def _round(self, active: Sequence[str]) -> list[Done]:
        """Run these nodes; how each ended, in their order. Raises where one fails that may not."""
        run = self._run
        if len(active) == 1:
            name = active[0]
            try:
                return [Done(name, await self._nodes[name].step.output(run, run.names), None)]
            except GatewayError as error:
                return [Done(name, None, error)]
        found: dict[str, Done] = {}
        async with Group(run.call.tasks) as group:
            for name in active:
                group.add(name, partial(self._nodes[name].step.output, run, run.names))
            async for done in group:
                if self._nodes[done.key].on_error is None or not isinstance(done.error, GatewayError):
                    if done.error is not None:
                        self.at = (done.key,)
                    done.value()
                found[done.key] = done
        return [found[name] for name in active]

    def _next(self, ended: Sequence[Done]) -> list[str]:
        """The nodes of the next round."""
        for done in ended:
            if done.error is None:
                self._write(self._nodes[done.key].save, done.result)
        active: dict[str, None] = {}
        for done in ended:
            on_error = self._nodes[done.key].on_error
            if done.error is None or on_error == CONTINUE:
                self._follow(done.key, active)
            elif on_error is not None:
                self._run.edge((done.key,), (on_error,), ON_ERROR)
                active[on_error] = None
            else:
                raise done.error
        self._release(active)
        return list(active)

    def _write(self, name: str, output: Any) -> None:
        run = self._run
        run.write(name, self._reducers.get(name, _PLAIN).reduced(name, run.names.get(name), output), output)
        self.last = output

    def _follow(self, name: str, active: dict[str, None]) -> None:
        """Take the first way that fits; a join is only reached by it."""
        for reached in self._ways.get(name, ()):
            way = reached.way
            if way.holds is None or way.holds(self._run.names):
                if len(way.sources) > 1:
                    self._joins[way] = reached
                    self._arrived.setdefault(way, []).append(name)
                else:
                    self._go_on(way, (name,), active)
                return

    def _release(self, active: dict[str, None]) -> None:
        """Go on from joins that nobody can reach any more who has not."""
        while self._joins:
            ready = [way for way in self._joins if not self._awaits(way, active)]
            if not ready and not active:
                ready = [next(iter(self._joins))]  # they wait for each other
            for way in ready:
                del self._joins[way]
                self._go_on(way, self._arrived.pop(way), active)
            if active or not ready:
                return

    def _go_on(self, way: Way, sources: Sequence[str], active: dict[str, None]) -> None:
        self._run.edge(sources, way.targets, way.when)
        active.update(dict.fromkeys(way.onward))

    def _awaits(self, way: Way, active: Mapping[str, None]) -> bool:
        """Whether some node that runs, or will once another join goes on, may still come to this join."""
        feeders = self._joins[way].feeders
        others = (target for other in self._joins if other is not way for target in other.targets)
        return not feeders.isdisjoint(active) or not feeders.isdisjoint(others)


_PLAIN = Reducer()
