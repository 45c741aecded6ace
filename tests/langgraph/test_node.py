"""The node itself: what it takes, what it costs, who leaves, and how failures are told at the doors."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from langgraph.graph import START, MessagesState, StateGraph

from gateway.langgraph import LangGraphNode
from gateway.seam import GatewayError
from gateway.testing import Received, Upstream, Wire, completion, events, serve
from tests.doors import USER, Raw, block, error_of, opened, text_of
from tests.langgraph import graphs
from tests.langgraph.world import graph, node
from tests.orchestration.scripted import failing, quiet, until, user


def served_graph(name: str, upstream: Upstream, **more: Any) -> dict[str, Any]:
    models = {"m": {"targets": [{"to": "up/m"}], "retry": {"attempts": 1}}}
    return {"providers": {"up": block(upstream)}, "models": models, "graphs": {"g": graph(name)}, **more}


@pytest.mark.parametrize("name", ["agent", "threaded", "copied", "teams"])
async def test_who_leaves_before_the_answer_cancels_the_model(name: str) -> None:
    async with node(name) as world:
        gone = asyncio.get_running_loop().create_task(world.ask("graph:g", "wait"))
        await until(lambda: world.model.running == 1)
        gone.cancel()
        await asyncio.wait((gone,))
        assert gone.cancelled()
        await quiet(world)
        assert (world.model.running, world.model.cancelled) == (0, 1)


@pytest.mark.parametrize("name", ["agent", "threaded"])
def test_a_client_that_leaves_a_stream_closes_the_upstreams_connection(name: str) -> None:
    async def stuck(request: Received, wire: Wire) -> None:
        await wire.open()
        for piece in events("one", "two")[:3]:
            await wire.chunk(piece)
        await wire.left()

    with Upstream(stuck) as upstream, serve(served_graph(name, upstream)) as served:
        with Raw(served.url) as raw:
            raw.post(json.dumps({"model": "graph:g", "messages": USER, "stream": True}).encode())
            raw.until(b'"two"')
        upstream.background.until(lambda: upstream.left == 1)
        served.idle()


async def test_a_stream_that_is_closed_ends_the_graph() -> None:
    async with node("threaded") as world:
        async with world.gateway.run("graph:g", messages=user("a slow c"), stream=True) as pieces:
            async for _ in pieces:
                break
        await quiet(world)
        assert world.model.ended[-1].kind == "cancelled"


async def test_a_node_in_a_thread_holds_nobody_up_who_leaves() -> None:
    graphs.HELD.clear()
    async with node("held") as world:
        gone = asyncio.get_running_loop().create_task(world.ask("graph:g"))
        await until(lambda: len(world.env.tasks) == 1)
        gone.cancel()
        await asyncio.wait((gone,))
        await quiet(world)
        graphs.HELD.set()


async def test_many_at_once() -> None:
    async with node("agent") as world:
        texts = [f"caller {number}" for number in range(50)]
        assert await asyncio.gather(*(world.ask("graph:g", text) for text in texts)) == [f"<{one}>" for one in texts]


async def test_a_timeout_bounds_it() -> None:
    async with node("threaded", orchestrator={"default_timeout": "50ms"}) as world:
        with pytest.raises(GatewayError) as caught:
            await world.ask("graph:g", "wait")
        assert (caught.value.status, caught.value.code) == (504, "run_timeout")
        await quiet(world)
        assert world.model.cancelled == 1


async def test_what_a_model_raises_is_the_callers_error() -> None:
    async with node("agent") as world:
        world.model.says["busy"] = failing(429, "Slow down.")
        with pytest.raises(GatewayError, match=r"Step 'n' of graph:g: Slow down\.") as caught:
            await world.ask("graph:g", "busy")
        assert caught.value.status == 429


async def test_a_model_that_is_not_there() -> None:
    async with node("agent", models={"m": "s/m"}) as world:
        graphs.MODEL.model = "nobody"
        try:
            with pytest.raises(GatewayError) as caught:
                await world.ask("graph:g")
        finally:
            graphs.MODEL.model = "m"
        assert (caught.value.status, caught.value.code) == (502, "step_model_not_found")


def test_errors_have_the_doors_shapes() -> None:
    blocks = {"models": {"m": "mock/echo"}, "graphs": {"g": graph("broken")}}
    with opened(blocks) as doors:
        answer = doors.chat("graph:g")
        assert (answer.status_code, error_of(answer.content)["code"]) == (500, "graph_failed")
        answer = doors.chat("graph:g", stream=True)
        assert (answer.status_code, error_of(answer.content)["code"]) == (500, "graph_failed")
        assert doors.messages("graph:g").json()["error"]["type"] == "api_error"
        doors.quiet()


def test_it_speaks_anthropics_dialect_too() -> None:
    blocks = {"models": {"m": "mock/echo"}, "graphs": {"g": graph("agent")}}
    with opened(blocks) as doors:
        assert doors.messages("graph:g").json()["content"][0]["text"] == "Hello?"
        streamed = doors.messages("graph:g", stream=True)
        assert b"content_block_delta" in streamed.content
        assert b"message_stop" in streamed.content
        doors.quiet()


def test_what_cannot_be_run_is_told() -> None:
    builder = StateGraph(MessagesState).add_node("say", graphs.fixed).add_edge(START, "say")
    with pytest.raises(ValueError, match=r"write graph\.compile\(\)"):
        LangGraphNode(builder)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="breakpoints"):
        LangGraphNode(builder.compile(interrupt_before=["say"]))
    with pytest.raises(ValueError, match="for input"):
        LangGraphNode(builder.compile(), input="message")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="list of nodes"):
        LangGraphNode(builder.compile(), nodes="say")


def test_half_a_character_and_calls_without_number_are_read() -> None:
    async def script(request: Received, wire: Wire) -> None:
        pieces = events("a")
        if request.json["messages"][-1]["role"] == "tool":
            pieces.insert(2, pieces[1].replace(b'"a"', rb'"\ud83d"'))
        else:
            call = (
                b'{"tool_calls": [{"id": "c", "function": {"name": "weather", "arguments": "{\\"city\\": \\"X\\"}"}}]}'
            )
            pieces[1] = pieces[1].replace(b'{"content": "a"}', call)
        await wire.stream(pieces)

    with Upstream(script) as upstream, serve(served_graph("agent", upstream)) as served:
        body = {"model": "graph:g", "messages": USER}
        answer = httpx.post(f"{served.base_url}/chat/completions", json=body, trust_env=False, timeout=30)
        assert answer.json()["choices"][0]["message"]["content"] == "a\ufffd"
        served.idle()


def calling(name: str, arguments: str, said: str = "") -> dict[str, Any]:
    """A whole answer that calls a tool."""
    call = {"id": "call_1", "type": "function", "function": {"name": name, "arguments": arguments}}
    message = {"role": "assistant", "content": said or None, "refusal": None, "tool_calls": [call]}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "tool_calls"}
    return completion() | {"choices": [choice]}


@pytest.mark.parametrize(
    ("name", "answers", "text"),
    [
        ("direct_agent", [calling("direct", '{"city": "Oslo"}')], "12 degrees in Oslo, at once"),
        ("direct_agent", [calling("direct", '{"city": "Oslo"}', "See:")], "See:\n\n12 degrees in Oslo, at once"),
        ("structured", [calling("Report", '{"title": "T", "scores": [1]}')], '{"title":"T","scores":[1]}'),
        ("agent", [calling("weather", '{"city": "Oslo"}', "Let me see."), completion()], "Let me see.\n\nHello."),
        ("agent", [calling("weather", '{"city'), completion()], "Hello."),
    ],
)
def test_agents_with_tools(name: str, answers: list[Any], text: str) -> None:
    """The upstream answers whole where a stream was asked for: that is its affair."""
    left: list[Any] = []

    async def script(request: Received, wire: Wire) -> None:
        await wire.json(left.pop(0))

    with Upstream(script) as upstream, serve(served_graph(name, upstream)) as served:
        for stream in (False, True):
            left[:] = answers
            body = {"model": "graph:g", "messages": USER, "stream": stream}
            answer = httpx.post(f"{served.base_url}/chat/completions", json=body, trust_env=False, timeout=30)
            assert answer.status_code == 200, answer.text
            said = text_of(answer.content) if stream else answer.json()["choices"][0]["message"]["content"]
            assert said == text
            assert not left
        served.idle()
