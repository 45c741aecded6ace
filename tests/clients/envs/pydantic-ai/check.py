"""Pydantic AI's agents."""

import asyncio

from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.models.openai import OpenAIChatModel


class Report(BaseModel):
    title: str
    scores: list[int]


def raised(kind, call):
    """The error that a call must raise."""
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


async def check_text() -> None:
    agent = Agent(OpenAIChatModel("mock/echo"))
    result = await agent.run("Hello world")
    assert result.output == "Hello world"
    async with agent.run_stream("Hello world") as stream:
        assert "".join([text async for text in stream.stream_text(delta=True, debounce_by=None)]) == "Hello world"


async def check_tools() -> None:
    agent = Agent(OpenAIChatModel("mock/tools"))
    asked = []

    @agent.tool_plain
    def weather(city: str) -> str:
        """How the weather is in a city."""
        asked.append(city)
        return "12 degrees"

    result = await agent.run("How is the weather?")
    assert result.output == "weather answered: 12 degrees"
    async with agent.run_stream("How is the weather?") as stream:
        assert await stream.get_output() == "weather answered: 12 degrees"
    assert asked == ["Oslo", "Oslo"]


async def check_structured() -> None:
    result = await Agent(OpenAIChatModel("mock/echo"), output_type=Report).run("Report")
    assert isinstance(result.output, Report)


def check_errors() -> None:
    error = raised(ModelHTTPError, lambda: Agent(OpenAIChatModel("mock/ecko")).run_sync("Hello"))
    assert error.status_code == 404
    assert Agent(OpenAIChatModel("mock/flaky")).run_sync("Hello world").output == "Hello world"


asyncio.run(check_text())
asyncio.run(check_tools())
asyncio.run(check_structured())
check_errors()
