"""Graphs: which nodes run, in which order, what they leave in the state, and what is answered."""

from typing import Any

import pytest

from gateway.seam import GatewayError, Usage
from tests.orchestration.scripted import World, failing, until, user, world


def asking(name: str, prompt: str = "", **more: Any) -> dict[str, Any]:
    return {"model": "m", "prompt": f"{name} {prompt}".strip(), **more}


def graph(*edges: str, nodes: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A graph of edges such as `a b`, `a b,c`, `b,c d` or `a END if visits.a > 1`; the first source is its start."""
    written = []
    for edge in edges:
        way, _, when = edge.partition(" if ")
        sources, targets = (part.split(",") for part in way.split())
        one: dict[str, Any] = {
            "from": sources if len(sources) > 1 else sources[0],
            "to": targets if len(targets) > 1 else targets[0],
        }
        written.append(one | ({"when": when} if when else {}))
    names = dict.fromkeys(name for edge in edges for part in edge.split(" if ")[0].split() for name in part.split(","))
    names.pop("END", None)
    there = {name: asking(name) for name in names} | (nodes or {})
    return {"g": {"start": next(iter(names)), "nodes": there, "edges": written, **more}}


async def path(w: World, text: str = "x", **more: Any) -> tuple[list[str], str]:
    """The prompts that were asked, and the answer."""
    w.model.asked.clear()
    answer = await w.ask("graph:g", text, **more)
    return w.model.prompts, answer


async def test_nodes_follow_each_other_and_the_last_answers() -> None:
    async with world(graphs=graph("a b", "b END", nodes={"b": asking("b", "{{ a }} {{ input }}")})) as w:
        assert await path(w) == (["a", "b <a> x"], "<b <a> x>")


async def test_the_first_edge_that_fits_is_taken() -> None:
    edges = ("a b if 'b' in input", "a c if 'c' in input", "a d", "b END", "c END", "d END")
    async with world(graphs=graph(*edges)) as w:
        assert await path(w, "bc") == (["a", "b"], "<b>")
        assert await path(w, "c") == (["a", "c"], "<c>")
        assert await path(w, "x") == (["a", "d"], "<d>")


async def test_a_loop_ends_by_its_condition() -> None:
    nodes = {
        "write": asking("write", "{{ visits.write }}", save="text"),
        "judge": asking("judge", "{{ text }}", response_format={"score": "integer"}),
    }
    edges = ("write judge", "judge write if judge.score < 3 and visits.write < 5", "judge END")
    async with world(graphs=graph(*edges, nodes=nodes, output="text")) as w:
        scores = iter([1, 2, 3])
        w.model.says = {"judge": lambda body: f'{{"score": {next(scores)}}}'}
        answer = await w.gateway.run("graph:g", messages=user("x"))
        assert answer.text == "<write 3>"
        assert w.model.prompts == [
            "write 1",
            "judge <write 1>",
            "write 2",
            "judge <write 2>",
            "write 3",
            "judge <write 3>",
        ]
        assert answer.usage == Usage(42, 18)
        assert answer.document["usage"]["total_tokens"] == 60
        w.model.says = {"judge": '{"score": 0}'}
        assert await w.ask("graph:g") == "<write 5>"


async def test_a_run_starts_so_many_nodes_at_most() -> None:
    edges = ("a b", "b a if true", "b END")
    async with world(graphs=graph(*edges, max_steps=5)) as w:
        with pytest.raises(GatewayError, match="graph:g started more than 5 nodes, its max_steps") as caught:
            await w.ask("graph:g")
        assert caught.value.code == "max_steps"
        assert w.model.prompts == ["a", "b", "a", "b", "a"]


async def test_a_fan_out_runs_at_the_same_time_and_a_join_waits_for_all() -> None:
    nodes = {
        "b": asking("b", "{{ input }}"),
        "c": asking("c", "{{ input }}"),
        "d": asking("d", "{{ b }} {{ c }}"),
    }
    async with world(graphs=graph("a b,c", "b,c d", "d END", nodes=nodes)) as w:
        task = w.env.tasks.spawn(w.ask("graph:g", "wait"))
        await until(lambda: w.model.running == 2)
        w.model.go.set()
        assert await task == "<d <b wait> <c wait>>"
        assert w.model.prompts == ["a", "b wait", "c wait", "d <b wait> <c wait>"]


async def test_a_join_waits_for_a_longer_way() -> None:
    async with world(graphs=graph("a b,c", "c c2", "c2 c3", "b,c3 d", "d END")) as w:
        assert (await path(w))[0] == ["a", "b", "c", "c2", "c3", "d"]


async def test_a_join_waits_only_for_what_was_started() -> None:
    edges = ("a b if 'b' in input", "a b,c", "b,c d", "d END")
    async with world(graphs=graph(*edges)) as w:
        assert (await path(w, "b"))[0] == ["a", "b", "d"]
        assert (await path(w, "x"))[0] == ["a", "b", "c", "d"]


async def test_a_branch_may_leave_before_the_join() -> None:
    edges = ("a b,c", "c END if 'out' in input", "c c2", "b,c2 d", "d END")
    async with world(graphs=graph(*edges)) as w:
        assert (await path(w, "out"))[0] == ["a", "b", "c", "d"]
        assert (await path(w, "x"))[0] == ["a", "b", "c", "c2", "d"]


async def test_a_loop_within_a_branch_is_waited_for() -> None:
    edges = ("a b,c", "c c if visits.c < 3", "c c2", "b,c2 d", "d END")
    async with world(graphs=graph(*edges)) as w:
        assert (await path(w))[0] == ["a", "b", "c", "c", "c", "c2", "d"]


async def test_a_fan_out_and_join_within_a_loop() -> None:
    edges = ("a b,c", "b,c d", "d a if visits.d < 2", "d END")
    async with world(graphs=graph(*edges)) as w:
        assert (await path(w))[0] == ["a", "b", "c", "d"] * 2


async def test_joins_of_joins() -> None:
    edges = ("a b,c,e", "b,c d", "e e2", "d,e2 f", "f END")
    async with world(graphs=graph(*edges)) as w:
        assert (await path(w))[0] == ["a", "b", "c", "e", "e2", "d", "f"]


async def test_joins_that_wait_for_each_other_go_on_when_nothing_else_does() -> None:
    """And what runs beside them does not answer before they have."""
    edges = ("a b,c,e", "b,y x", "c,x2 y", "e f", "f END", "x END if visits.x > 1", "x x2")
    async with world(graphs=graph(*edges)) as w:
        assert (await path(w))[0] == ["a", "b", "c", "e", "f", "x", "x2", "y", "x"]


async def test_outputs_go_into_the_state_in_the_order_of_the_nodes() -> None:
    nodes = {name: asking(name, save="notes") for name in "ac"}
    nodes["b"] = asking("b wait", save="notes")
    nodes["d"] = {"template": "{{ notes | join(' ') }}"}
    graphs = graph("a b,c", "b,c d", "d END", nodes=nodes, state={"notes": {"reduce": "append"}})
    async with world(graphs=graphs) as w:
        task = w.env.tasks.spawn(w.ask("graph:g"))
        await until(lambda: len(w.model.ended) == 2)
        w.model.go.set()
        assert await task == "<a> <b wait> <c>"


async def test_reducers() -> None:
    nodes = {
        "a": {"model": "m", "prompt": "n", "response_format": {"n": "integer"}, "save": "r"},
        "b": {"function": f"{__name__}:number", "args": {"n": "{{ r.n }}"}, "save": "sum"},
        "c": {"template": "{{ sum }}", "save": "all"},
        "d": {"template": "{{ all | tojson }} {{ sum }} {{ first }} {{ empty | length }}"},
    }
    state = {
        "sum": {"reduce": "add", "type": "integer", "default": 10},
        "all": {"reduce": "append", "default": ["0"]},
        "first": {"default": "f"},
        "empty": {"reduce": "append", "default": []},
    }
    edges = ("a b", "b c", "c a if visits.a < 3", "c d", "d END")
    async with world(graphs=graph(*edges, nodes=nodes, state=state)) as w:
        w.model.says = {"n": '{"n": 2}'}
        assert await w.ask("graph:g") == '["0","12","14","16"] 16 f 0'
        assert await w.ask("graph:g") == '["0","12","14","16"] 16 f 0', "a run leaves nothing behind"


def number(n: int) -> int:
    return n


def anything() -> Any:
    return {"a": 1}


async def test_what_is_not_of_the_states_type() -> None:
    nodes = {"a": {"function": f"{__name__}:anything", "save": "n"}, "b": {"template": "{{ n }}"}}
    for state, told in (
        ({"type": "string"}, "'n' in the state must be of type string"),
        ({"reduce": "add"}, "cannot be added to 0"),
    ):
        async with world(graphs=graph("a b", "b END", nodes=nodes, state={"n": state})) as w:
            with pytest.raises(GatewayError, match=told) as caught:
                await w.ask("graph:g")
            assert caught.value.code == "state_mistyped"


async def test_a_failure_takes_the_nodes_own_way() -> None:
    nodes = {"a": asking("a", on_error="rescue"), "rescue": asking("rescue")}
    async with world(graphs=graph("a b", "b END", "rescue END", nodes=nodes)) as w:
        assert (await path(w))[0] == ["a", "b"]
        w.model.says = {"^a": failing()}
        assert (await path(w))[0] == ["a", "rescue"]


async def test_a_failure_may_be_passed_over() -> None:
    nodes = {"a": asking("a", on_error="continue"), "b": asking("b", "{{ a | default('?') }}")}
    async with world(graphs=graph("a b", "b END", nodes=nodes)) as w:
        w.model.says = {"^a": failing()}
        assert (await path(w))[0] == ["a", "b ?"]


async def test_a_failure_is_told_with_its_node() -> None:
    async with world(graphs=graph("a b", "b END")) as w:
        w.model.says = {"^b": failing(429)}
        with pytest.raises(GatewayError, match="Step 'b' of graph:g: It is down") as caught:
            await w.ask("graph:g")
        assert caught.value.status == 429


async def test_a_failure_ends_the_nodes_beside_it() -> None:
    nodes = {"b": asking("b wait")}
    async with world(graphs=graph("a b,c", "b,c d", "d END", nodes=nodes)) as w:
        w.model.says = {"^c": failing(429)}
        with pytest.raises(GatewayError, match="Step 'c'"):
            await w.ask("graph:g")
        assert w.model.cancelled == 1


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("failing_node", ["a", "b"])
async def test_where_anything_fails_another_answers(stream: bool, failing_node: str) -> None:
    nodes = {"sorry": {"template": "Sorry."}}
    async with world(graphs=graph("a b", "b END", nodes=nodes, on_error="sorry", output="{{ b }}!")) as w:
        assert await w.ask("graph:g") == "<b>!"
        w.model.says = {f"^{failing_node}": failing()}
        if stream:
            reading = w.gateway.run("graph:g", messages=user("x"), stream=True)
            assert "".join([piece async for piece in reading]) == "Sorry."
        else:
            assert await w.ask("graph:g") == "Sorry."


async def test_a_run_without_end_is_rescued_too() -> None:
    nodes = {"sorry": {"template": "Sorry."}}
    edges = ("a b", "b a if true", "b END")
    async with world(graphs=graph(*edges, nodes=nodes, on_error="sorry", max_steps=3)) as w:
        assert await w.ask("graph:g") == "Sorry."


async def test_graphs_in_graphs() -> None:
    graphs = graph("a b", "b END", nodes={"b": {"graph": "inner", "input": "{{ a }}"}})
    graphs["inner"] = graph("x y", "y END", nodes={"x": asking("x", "{{ input }}")})["g"]
    async with world(graphs=graphs) as w:
        answer = await w.gateway.run("graph:g", messages=user("x"))
        assert w.model.prompts == ["a", "x <a>", "y"]
        assert answer.text == "<y>"
        assert answer.usage == Usage(21, 9)


async def test_cancelling_a_run_cancels_every_node() -> None:
    nodes = {"b": asking("b wait"), "c": asking("c wait")}
    async with world(graphs=graph("a b,c", "b,c d", "d END", nodes=nodes)) as w:
        task = w.env.tasks.spawn(w.ask("graph:g"))
        await until(lambda: w.model.running == 2)
        task.cancel()
        await until(task.done)
        assert w.model.cancelled == 2


# ---- what streams


async def pieces(w: World, **more: Any) -> list[str]:
    reading = w.gateway.run("graph:g", messages=user("x"), stream=True, **more)
    found = [piece async for piece in reading]
    answer = await reading.answer()
    assert answer.document["usage"]["total_tokens"] == 10 * len(w.model.asked)
    return found


LIVE = (["now", " ", "then"], True)
AT_ONCE = (["now then"], None)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        pytest.param({}, LIVE, id="the last node, which makes the answer"),
        pytest.param({"output": "b"}, LIVE, id="a name"),
        pytest.param({"output": "{{ b }}"}, LIVE, id="a template that is a name"),
        pytest.param({"output": "{{ b }}", "state": {"b": {"type": "string"}}}, LIVE, id="a text in the state"),
        pytest.param({"output": "{{ b | trim }}"}, AT_ONCE, id="a template that does more"),
        pytest.param({"output": "{{ b }}", "state": {"b": {"reduce": "add", "type": "string"}}}, AT_ONCE, id="a sum"),
    ],
)
async def test_a_node_that_makes_the_answer_streams(more: dict[str, Any], expected: tuple[list[str], bool]) -> None:
    async with world(graphs=graph("a b", "b END", **more)) as w:
        w.model.says = {"^b": "now then"}
        assert await pieces(w) == expected[0]
        assert [body.get("stream") for body in w.model.asked] == [None, expected[1]]


@pytest.mark.parametrize(
    "edges",
    [
        pytest.param(("a b", "b a if visits.b > 1", "b END"), id="a loop back"),
        pytest.param(("a b,c", "b END", "c END"), id="another runs beside it"),
        pytest.param(("a c,b", "b END", "c c2", "c2 c3", "c3 END"), id="others run on"),
    ],
)
async def test_a_node_that_something_may_follow_does_not_stream(edges: tuple[str, ...]) -> None:
    async with world(graphs=graph(*edges, output="b", state={"b": {"default": ""}})) as w:
        w.model.says = {"^b": "now then"}
        assert await pieces(w) == ["now then"]
        assert not any("stream" in body for body in w.model.asked)


async def test_an_output_that_was_made_before_is_sent_when_it_is_known() -> None:
    async with world(graphs=graph("a b", "b END", output="{{ a }}")) as w:
        assert await pieces(w, temperature=0.5, tools=[{"type": "function", "function": {"name": "f"}}]) == ["<a>"]
        made, other = w.model.asked
        assert made["temperature"] == 0.5, "the node that makes the answer has the caller's parameters"
        assert "tools" not in made, "but for those that bring something other than a text"
        assert "temperature" not in other


async def test_the_caller_s_parameters_reach_the_node_that_answers() -> None:
    tools = [{"type": "function", "function": {"name": "f"}}]
    async with world(graphs=graph("a b", "b END")) as w:
        await w.ask("graph:g", tools=tools)
        assert [body.get("tools") for body in w.model.asked] == [None, tools]
