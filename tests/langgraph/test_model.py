"""The gateway's models as LangChain's: what is asked, what is answered, and where they can be asked."""

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.runnables import RunnableLambda

from gateway.langgraph import GatewayChatModel, LangGraphNode
from gateway.langgraph.running import Running
from gateway.seam import GatewayError
from tests.langgraph.graphs import Report, weather
from tests.langgraph.world import node
from tests.orchestration.scripted import World, quiet

MODEL = GatewayChatModel(model="m")
SEEN: dict[str, Any] = {}


async def _work(_: Any) -> str:
    return await SEEN["work"]()  # type: ignore[no-any-return]


within = LangGraphNode(RunnableLambda(_work))


def _sync_work(_: Any) -> str:
    return SEEN["work"]()  # type: ignore[no-any-return]


within_thread = LangGraphNode(RunnableLambda(_sync_work))


@asynccontextmanager
async def doing(name: str, work: Callable[[], Any], **body: Any) -> AsyncIterator[World]:
    """A gateway whose `chain:c` does `work`; asked once."""
    SEEN["work"] = work
    async with node("agent", chains={"c": {"type": "simple", "function": f"{__name__}:{name}"}}) as world:
        world.model.says["report"] = '{"title": "T", "scores": [1]}'
        SEEN["answer"] = await world.gateway.run("chain:c", messages=[{"role": "user", "content": "Hi"}], **body)
        yield world


async def test_whole_and_streamed() -> None:
    async def work() -> str:
        SEEN["whole"] = await MODEL.ainvoke("one two")
        SEEN["chunks"] = [chunk async for chunk in MODEL.astream("one two")]
        return "done"

    async with doing("within", work):
        whole, chunks = SEEN["whole"], SEEN["chunks"]
        assert (whole.content, whole.response_metadata["finish_reason"]) == ("<one two>", "stop")
        assert [chunk.content for chunk in chunks if chunk.content] == ["<one", " ", "two>"]
        joined = chunks[0]
        for chunk in chunks[1:]:
            joined += chunk
        assert joined.content == whole.content
        assert joined.usage_metadata == whole.usage_metadata
        assert joined.response_metadata["finish_reason"] == "stop"
        assert (SEEN["answer"].usage.input, SEEN["answer"].usage.output) == (14, 6)


async def test_in_a_thread() -> None:
    def work() -> str:
        whole = MODEL.invoke("one two")
        chunks = [str(chunk.text) for chunk in MODEL.stream("one two") if chunk.text]
        return f"{whole.text} {chunks}"

    async with doing("within_thread", work):
        assert SEEN["answer"].text == "<one two> ['<one', ' ', 'two>']"
        assert SEEN["answer"].usage.input == 14


async def test_a_stream_that_a_thread_gives_up_is_closed() -> None:
    def work() -> str:
        stream: Iterator[Any] = MODEL.stream("one two")
        first = "".join([str(next(stream).text) for _ in range(2)])
        stream.close()  # type: ignore[attr-defined]
        return first

    async with doing("within_thread", work) as world:
        assert SEEN["answer"].text == "<one"
        assert [outcome.kind for outcome in world.model.ended] == ["cancelled"]


async def test_a_stream_that_a_node_leaves_is_closed_with_the_run() -> None:
    async def work() -> str:
        SEEN["stream"] = MODEL.astream("one two")
        return "".join([str((await anext(SEEN["stream"])).text) for _ in range(2)])

    async with doing("within", work) as world:
        assert SEEN["answer"].text == "<one"
        await quiet(world)
        assert [outcome.kind for outcome in world.model.ended] == ["cancelled"]
    await SEEN["stream"].aclose()


async def test_parameters_tools_and_structure_are_sent() -> None:
    async def work() -> str:
        model = GatewayChatModel(model="m", params={"temperature": 0, "max_tokens": 5})
        await model.ainvoke("a", stop=["x"], temperature=0.5)
        for choice in (None, "any", "weather", "auto", True):
            await MODEL.bind_tools([weather], tool_choice=choice).ainvoke("b")
        report = await MODEL.with_structured_output(Report).ainvoke("report")
        raw = await MODEL.with_structured_output(Report, include_raw=True).ainvoke("nonsense")
        plain = await MODEL.with_structured_output(Report.model_json_schema()).ainvoke("report")
        assert report == Report(title="T", scores=[1])
        assert (raw["parsed"], type(raw["parsing_error"]).__name__) == (None, "OutputParserException")
        assert plain == {"title": "T", "scores": [1]}
        return "done"

    async with doing("within", work, temperature=1, max_completion_tokens=9, top_p=0.5) as world:
        first, *bound = world.model.asked[:6]
        assert (first["temperature"], first["max_tokens"], first["stop"], first["top_p"]) == (0.5, 5, ["x"], 0.5)
        assert "max_completion_tokens" not in first
        named = {"type": "function", "function": {"name": "weather"}}
        assert [one.get("tool_choice") for one in bound] == [None, "required", named, "auto", "required"]
        assert all(one["tools"][0]["function"]["name"] == "weather" for one in bound)
        assert bound[0]["max_completion_tokens"] == 9
        asked = world.model.asked[6]["response_format"]
        assert asked["json_schema"]["name"] == "Report"
        assert set(asked["json_schema"]["schema"]["properties"]) == {"title", "scores"}


async def test_calls_are_steps_of_the_run() -> None:
    async with node("essay", {"topic": "{{ input }}"}, chains={"c": {"type": "simple", "graph": "g"}}) as world:
        await world.ask("chain:c")
        first, second = world.model.calls
        assert first.id == second.id
        assert {one.origin for one in world.model.calls} == {"graph:g/n"}
        assert all(one.target.provider == "s" for one in world.model.calls)


async def test_the_callers_parameters_reach_only_the_nodes_that_answer() -> None:
    async with node("essay", {"topic": "{{ input }}"}) as world:
        await world.ask("graph:g", temperature=0.3, tools=[], user="u")
        plan, write = world.model.asked
        assert ("temperature" in plan, write["temperature"]) == (False, 0.3)
        assert "tools" not in write


async def test_messages_of_langchains() -> None:
    async def work() -> str:
        answer = await MODEL.ainvoke([SystemMessage("S"), HumanMessage("H"), AIMessage("A"), HumanMessage("again")])
        return str(answer.text)

    async with doing("within", work) as world:
        assert [one["role"] for one in world.model.asked[0]["messages"]] == ["system", "user", "assistant", "user"]


async def test_models_may_be_chains() -> None:
    async def work() -> str:
        return str((await GatewayChatModel(model="graph:g").ainvoke("one two")).text)

    async with doing("within", work):
        assert SEEN["answer"].text == "<one two>"


async def test_a_graph_that_asks_itself_ends() -> None:
    async def work() -> str:
        return str((await GatewayChatModel(model="chain:c").ainvoke("again")).text)

    with pytest.raises(GatewayError) as caught:
        async with doing("within", work):
            pass
    assert caught.value.code == "too_deep"


async def test_a_thread_that_waits_for_what_never_began_is_told() -> None:
    """Who leaves at the very moment at which a thread asks."""

    def work() -> str:
        SEEN["running"] = running = Running.current()
        begin = running._begin

        def begin_and_close(*arguments: Any) -> None:
            begin(*arguments)
            running.close()

        running._begin = begin_and_close  # type: ignore[method-assign]
        try:
            MODEL.invoke("Hi")
        except asyncio.CancelledError:
            return "told"
        return "not told"

    async with doing("within_thread", work) as world:
        assert SEEN["answer"].text == "told"
        assert not world.model.asked


async def test_outside_of_the_gateway_it_says_where_it_belongs() -> None:
    with pytest.raises(RuntimeError, match="ChatOpenAI"):
        await MODEL.ainvoke("Hi")
    with pytest.raises(RuntimeError, match="ChatOpenAI"):
        MODEL.invoke("Hi")


async def test_who_asks_after_the_run_is_told_so() -> None:
    async def work() -> str:
        SEEN["context"] = contextvars.copy_context()
        return "done"

    async with doing("within", work):
        pass
    task = asyncio.get_running_loop().create_task(MODEL.ainvoke("late"), context=SEEN["context"])
    with pytest.raises(RuntimeError, match="over"):
        await task
