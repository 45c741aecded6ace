"""Random graphs against a tiny interpreter of them: the same path, the same state, the same answer."""

import asyncio
import json
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config.runs import NOT_KEPT
from gateway.config.schema import Orchestrator
from gateway.orchestration.assembly import Assembly
from gateway.orchestration.records import Records
from gateway.orchestration.settings import Graph
from gateway.seam import Call, GatewayError, Request, owned
from gateway.stores.run_row import Wanted
from tests.orchestration.scripted import failing, world

NAMES = ["a", "b", "c", "d", "e", "f"]
STATE = {"log": {"reduce": "append"}, "trace": {"reduce": "add", "type": "string"}}
CONDITIONS = ("visits.{n} < {k}", "visits.{n} % 2 == 0", "(trace | length) % 3 == {k}", "(log | length) > {k}")


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, Any]:
    """Any graph: loops, fan-outs, joins, failures; not only those that the configuration would take."""
    names = NAMES[: draw(st.integers(2, 6))]
    one = st.sampled_from(names)
    target = st.one_of(one, st.just("END"), st.lists(one, min_size=2, max_size=3, unique=True))
    nodes = {}
    for name in names:
        node: dict[str, Any] = {"model": "m", "prompt": f"{name}{{{{ visits.{name} }}}}"}
        save = draw(st.sampled_from([None, "log", "trace"]))
        if save:
            node["save"] = save
        node["on_error"] = draw(st.sampled_from([None, "continue", *names]))
        nodes[name] = {key: value for key, value in node.items() if value is not None}
    edges: list[dict[str, Any]] = []
    for _ in range(draw(st.integers(0, 3))):
        sources = draw(st.lists(one, min_size=2, max_size=3, unique=True))
        edges.append({"from": sources, "to": draw(target)})
    for name in names:
        for _ in range(draw(st.integers(0, 2))):
            when = draw(st.sampled_from(CONDITIONS)).format(n=draw(one), k=draw(st.integers(0, 3)))
            edges.append({"from": name, "to": draw(target), "when": when})
    edges = draw(st.permutations(edges))
    edges += [{"from": name, "to": draw(target)} for name in names]
    output = draw(st.sampled_from([None, "{{ log | join(',') }}|{{ trace }}", "trace"]))
    fails = draw(st.lists(st.sampled_from([f"{name}{n}" for name in names for n in (1, 2)]), max_size=3))
    written = {"start": names[0], "nodes": nodes, "edges": edges, "state": STATE, "max_steps": 12}
    return {"graph": written | ({"output": output} if output else {}), "fails": fails}


class Interpreter:
    """What a graph means, in the plainest words."""

    def __init__(self, graph: dict[str, Any], fails: list[str]) -> None:
        self.nodes, self.edges, self.fails = graph["nodes"], graph["edges"], fails
        self.output = graph.get("output")
        self.start = graph["start"]
        self.left = graph["max_steps"]
        self.path: list[str] = []
        self.state: dict[str, Any] = {"log": [], "trace": ""}
        self.visits = dict.fromkeys(self.nodes, 0)
        self.waiting: list[int] = []
        self.last = ""

    def run(self) -> str:
        active = [self.start]
        while active:
            if len(active) > self.left:
                return "max_steps"
            self.left -= len(active)
            for name in active:
                self.visits[name] += 1
            prompts = [f"{name}{self.visits[name]}" for name in active]
            self.path += prompts
            failed = {name for name, prompt in zip(active, prompts, strict=True) if prompt in self.fails}
            if any(name in failed and "on_error" not in self.nodes[name] for name in active):
                return "failed"
            for name, prompt in zip(active, prompts, strict=True):
                if name not in failed:
                    self.write(self.nodes[name].get("save", name), f"<{prompt}>")
            following: list[str] = []
            for name in active:
                on_error = self.nodes[name].get("on_error")
                if name in failed and on_error != "continue":
                    following.append(on_error)
                else:
                    following += self.follow(name)
            active = list(dict.fromkeys(following))
            active = self.joined(active)
        if self.output is None:
            return self.last
        return self.state["trace"] if self.output == "trace" else f"{','.join(self.state['log'])}|{self.state['trace']}"

    def write(self, name: str, value: str) -> None:
        if name == "log":
            self.state["log"] = [*self.state["log"], value]
        elif name == "trace":
            self.state["trace"] += value
        else:
            self.state[name] = value
        self.last = value

    def follow(self, name: str) -> list[str]:
        for number, edge in enumerate(self.edges):
            if name not in self.froms(number):
                continue
            if "when" in edge and not self.holds(edge["when"]):
                continue
            if len(self.froms(number)) > 1:
                if number not in self.waiting:
                    self.waiting.append(number)
                return []
            return self.tos(number)
        return []

    def holds(self, when: str) -> bool:
        if when.startswith("visits"):
            name = when[7]
            return eval(f"{self.visits[name]}{when[8:]}")  # the conditions are those above
        size = len(self.state["trace" if "trace" in when else "log"])
        return eval(f"{size}{when.partition(')')[2]}")

    def joined(self, active: list[str]) -> list[str]:
        """Joins go on that nobody can come to any more."""
        while self.waiting:
            ready = []
            for number in self.waiting:
                others = [name for other in self.waiting if other != number for name in self.tos(other)]
                if not any(self.comes_to(name, number) for name in [*active, *others]):
                    ready.append(number)
            if not ready and not active:
                ready = self.waiting[:1]
            self.waiting = [number for number in self.waiting if number not in ready]
            active = list(dict.fromkeys([*active, *(name for number in ready for name in self.tos(number))]))
            if active or not ready:
                break
        return active

    def comes_to(self, start: str, join: int) -> bool:
        seen, pile = {start}, [start]
        while pile:
            name = pile.pop()
            if name in self.froms(join):
                return True
            ways = [self.tos(n) for n in range(len(self.edges)) if n != join and name in self.froms(n)]
            ways.append([self.nodes[name]["on_error"]] if self.nodes[name].get("on_error") in self.nodes else [])
            for target in (target for way in ways for target in way):
                if target not in seen:
                    seen.add(target)
                    pile.append(target)
        return False

    def froms(self, number: int) -> list[str]:
        found = self.edges[number]["from"]
        return found if isinstance(found, list) else [found]

    def tos(self, number: int) -> list[str]:
        found = self.edges[number]["to"]
        return [name for name in (found if isinstance(found, list) else [found]) if name != "END"]


async def run(written: dict[str, Any], fails: list[str], stream: bool) -> tuple[list[str], str]:
    """The prompts that the real thing asks, and its answer."""
    async with world() as w:
        w.model.says = {f"^{prompt}$": failing() for prompt in fails}
        graph = msgspec.convert(written, Graph)
        records = Records(NOT_KEPT, w.gateway.database)
        assembly = Assembly(
            {},
            {"g": graph},
            env=w.env,
            find=lambda *_: None,
            bounds=Orchestrator(),
            conversations=w.gateway.conversations,
            tools={},
            records=records,
        )
        body = json.dumps({"model": "graph:g", "messages": [], "stream": stream}).encode()
        call = Call(Request("chat", body, model="graph:g", stream=stream), w.env.tasks, id="x")
        try:
            reply = await owned(assembly.models["graph:g"], call)
            chunk = await reply.whole()
        except GatewayError as error:
            return w.model.prompts, "max_steps" if error.code == "max_steps" else "failed"
        finally:
            (row,) = await records.rows(Wanted(2))
            assert row.steps == len(w.model.prompts)
            assert row.status != "running"
        return w.model.prompts, "".join(part.text for part in chunk.parts())


@given(graphs(), st.booleans())
@settings(max_examples=300, deadline=None)
def test_any_graph_runs_as_the_interpreter_says(drawn: dict[str, Any], stream: bool) -> None:
    interpreter = Interpreter(drawn["graph"], drawn["fails"])
    answer = interpreter.run()
    asked, answered = asyncio.run(run(drawn["graph"], drawn["fails"], stream))
    assert asked == interpreter.path
    assert answered == answer
