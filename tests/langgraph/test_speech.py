"""What graphs and runnables say: which texts, in which order, and when."""

import asyncio
from functools import partial
from typing import Any

import pytest

from gateway.seam import GatewayError
from tests.langgraph.world import node
from tests.orchestration.scripted import World, until

TOPIC = {"topic": "{{ input }}"}


async def both(world: World, text: str = "Hi", **more: Any) -> str:
    """The text, whole and streamed: the same, and at the same cost."""
    messages = [{"role": "user", "content": text}]
    whole = await world.gateway.run("graph:g", messages=messages, **more)
    async with world.gateway.run("graph:g", messages=messages, stream=True, **more) as pieces:
        streamed = [piece async for piece in pieces]
    assert "".join(streamed) == whole.text
    assert pieces.usage == whole.usage
    return whole.text


async def stream_of(world: World, name: str, heard: list[str] | None = None, **more: Any) -> list[str]:
    """The pieces of a streamed answer, also in `heard` as they come."""
    heard = [] if heard is None else heard
    async with world.gateway.run(name, stream=True, **more) as pieces:
        async for piece in pieces:
            heard.append(piece)
    return heard


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("essay", "<write <plan Hi>>"),
        ("planned", "<plan Hi>"),
        ("both", "<plan Hi>\n\n<write <plan Hi>>"),
        ("named", "<plan Hi>"),
        ("made", '["Hi","<write <plan Hi>>"]'),
    ],
)
async def test_the_last_nodes_speak_unless_others_are_named(name: str, said: str) -> None:
    async with node(name, TOPIC) as world:
        assert await both(world) == said
        assert world.model.prompts == ["plan Hi", "write <plan Hi>"] * 2


async def test_a_node_in_a_thread_streams() -> None:
    async with node("threaded") as world:
        assert await both(world, "Hi there") == "<Hi there>"
        async with world.gateway.run("graph:g", messages=[{"role": "user", "content": "a b"}], stream=True) as pieces:
            assert [piece async for piece in pieces] == ["<a", " ", "b>"]


async def test_a_message_that_repeats_what_the_model_said_is_not_said_twice() -> None:
    async with node("copied") as world:
        assert await both(world, "Hi there") == "<Hi there>"


async def test_a_message_that_no_model_said_is_said() -> None:
    async with node("unsaid") as world:
        assert await both(world) == "No model was asked."
        assert not world.model.asked


async def test_models_that_speak_at_once_do_not_interrupt_each_other() -> None:
    async with node("beside", TOPIC) as world:
        heard: list[str] = []
        stream = stream_of(world, "graph:g", heard, messages=[{"role": "user", "content": "one"}])
        task = asyncio.get_running_loop().create_task(stream)
        await until(lambda: len(world.model.ended) == 1)  # `other` has ended, `a slow` has not
        world.model.go.set()
        await task
        assert "".join(heard) in ("<a slow one>\n\n<other one>", "<other one>\n\n<a slow one>")


async def test_within_a_subgraph() -> None:
    async with node("teams") as world:
        assert await both(world, "Hi") == "<Hi>\n\n<Hi>"
    async with node("finals") as world:
        assert await both(world, "Hi") == "<Hi>"


@pytest.mark.parametrize(
    ("name", "args", "said", "asked"),
    [
        ("chain", {"tone": "Kindly."}, "<Hi>", [("system", "Kindly."), ("user", "Hi")]),
        ("alone", {}, "<Hi>", [("user", "Hi")]),
        ("listed", {"asked": "{{ input }} again"}, "<Hi again>", [("user", "Hi again")]),
        ("tools", {}, "<Hi>", [("user", "Hi")]),
    ],
)
async def test_runnables(name: str, args: dict[str, Any], said: str, asked: list[tuple[str, str]]) -> None:
    async with node(name, args) as world:
        assert await both(world) == said
        assert [(one["role"], one["content"]) for one in world.model.asked[0]["messages"]] == asked


async def test_a_runnable_of_neither_text_nor_messages_is_json() -> None:
    async with node("doubled") as world:
        assert await both(world) == '{"doubled":"HiHi"}'


async def test_what_elsewhere_models_cost_is_counted_too() -> None:
    async with node("mixed") as world:
        answer = await world.gateway.run("graph:g", messages=[{"role": "user", "content": "Hi"}])
        assert (answer.usage.input, answer.usage.output) == (7 + 3, 3 + 4)
        assert answer.text.endswith("<Hi>")


async def test_tools_that_the_caller_is_to_run() -> None:
    async with node("client_tools") as world:
        for stream in (False, True):
            messages = [{"role": "user", "content": "Hi"}]
            if stream:
                async with world.gateway.run("graph:g", messages=messages, stream=True) as pieces:
                    answer = await pieces.answer()
            else:
                answer = await world.gateway.run("graph:g", messages=messages)
            assert answer.finish == "tool_calls"
            (call,) = answer.document["choices"][0]["message"]["tool_calls"]
            assert call["id"] == "call_7"
            assert call["function"] == {"name": "weather", "arguments": '{"city": "Oslo"}'}


async def test_a_function_of_langgraphs_is_a_graph_too() -> None:
    async with node("function") as world:
        assert await both(world) == "It says <Hi>"


async def test_the_node_answers_within_a_workflow_too() -> None:
    steps = [
        {"name": "said", "function": "tests.langgraph.graphs:essay", "args": TOPIC},
        {"name": "end", "template": "Said: {{ said }}"},
    ]
    async with node("essay", TOPIC, chains={"c": {"type": "sequential", "steps": steps}}) as world:
        answer = await world.gateway.run("chain:c", messages=[{"role": "user", "content": "Hi"}])
        assert answer.text == "Said: <write <plan Hi>>"
        assert (answer.usage.input, answer.usage.output) == (14, 6)


@pytest.mark.parametrize(
    ("name", "status", "code", "text"),
    [
        ("broken", 500, "graph_failed", "The graph behind graph:g failed"),
        ("lacking", 500, "graph_failed", "The graph behind graph:g failed"),
        ("silent", 500, "graph_failed", "The graph behind graph:g failed"),
        ("blocking_the_loop", 500, "graph_failed", "The graph behind graph:g failed"),
        ("rounds", 500, "graph_max_steps", "max_steps"),
    ],
)
async def test_a_graph_that_fails(
    name: str, status: int, code: str, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with node(name, TOPIC) as world:
        for ask in (world.gateway.run, partial(stream_of, world)):
            with pytest.raises(GatewayError, match=text) as caught:
                await ask("graph:g", messages=[])
            assert (caught.value.status, caught.value.code) == (status, code)
            assert "secret" not in caught.value.message
    if name == "broken":
        assert "a secret" in caplog.text


async def test_a_graph_that_fails_after_it_has_spoken_breaks_the_stream() -> None:
    async with node("breaks_late") as world:
        with pytest.raises(GatewayError) as caught:
            await world.ask("graph:g", "Hi there")
        assert caught.value.code == "graph_failed"
        heard: list[str] = []
        with pytest.raises(GatewayError):
            await stream_of(world, "graph:g", heard, messages=[{"role": "user", "content": "a b"}])
        assert heard == ["<a", " ", "b>"]


@pytest.mark.parametrize(
    "messages",
    [5, [5], [{"role": "remove", "id": "x", "content": ""}], [{"role": "user", "content": 7}], [{"role": "tool"}]],
)
async def test_messages_that_are_none_are_the_callers_mistake(messages: Any) -> None:
    async with node("threaded") as world:
        with pytest.raises(GatewayError) as caught:
            await world.gateway.run("graph:g", messages=messages)
        assert caught.value.status == 400
        assert not world.model.asked
