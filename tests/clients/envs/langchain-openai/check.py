"""LangChain's OpenAI chat model, and LangGraph's prebuilt agent with it."""

import asyncio

import openai
from langchain.agents import create_agent
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel


@tool
def weather(city: str) -> str:
    """How the weather is in a city."""
    return f"12 degrees in {city}"


class Report(BaseModel):
    """A report."""

    title: str
    scores: list[int]


def raised(kind, call):
    """The error that a call must raise."""
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


def check_whole() -> None:
    answer = ChatOpenAI(model="mock/echo").invoke("Hello world")
    assert answer.content == "Hello world"
    assert answer.usage_metadata["total_tokens"] > 0
    assert answer.response_metadata["finish_reason"] == "stop"


def check_stream() -> None:
    chunks = list(ChatOpenAI(model="mock/echo", stream_usage=True).stream("Hello world"))
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    assert whole.content == "Hello world"
    assert whole.usage_metadata["total_tokens"] > 0


def check_tools() -> None:
    model = ChatOpenAI(model="mock/tools").bind_tools([weather])
    ask = HumanMessage("How is the weather?")
    call = model.invoke([ask])
    assert [(one["name"], one["args"]) for one in call.tool_calls] == [("weather", {"city": "Oslo"})]
    results = [weather.invoke(one) for one in call.tool_calls]
    assert isinstance(results[0], ToolMessage)
    assert model.invoke([ask, call, *results]).content == "weather answered: 12 degrees in Oslo"
    streamed = list(model.stream([ask]))
    whole = streamed[0]
    for chunk in streamed[1:]:
        whole += chunk
    assert [(one["name"], one["args"]) for one in whole.tool_calls] == [("weather", {"city": "Oslo"})]


def check_agent() -> None:
    agent = create_agent(ChatOpenAI(model="mock/tools"), [weather])
    asked = {"messages": [HumanMessage("How is the weather?")]}
    assert agent.invoke(asked)["messages"][-1].content == "weather answered: 12 degrees in Oslo"
    spoken = [message.content for message, _ in agent.stream(asked, stream_mode="messages") if message.type != "tool"]
    assert "".join(spoken) == "weather answered: 12 degrees in Oslo"
    assert len([text for text in spoken if text]) > 1


def check_structured() -> None:
    for method in ("json_schema", "function_calling"):
        answer = ChatOpenAI(model="mock/echo").with_structured_output(Report, method=method).invoke("Report")
        assert isinstance(answer, Report), answer


def check_errors() -> None:
    error = raised(openai.NotFoundError, lambda: ChatOpenAI(model="mock/ecko").invoke("Hello"))
    assert error.code == "model_not_found"
    raised(openai.APIError, lambda: list(ChatOpenAI(model="mock/cut").stream("Hello world")))
    assert ChatOpenAI(model="mock/flaky", max_retries=2).invoke("Hello world").content == "Hello world"


async def check_async() -> None:
    model = ChatOpenAI(model="mock/echo")
    assert (await model.ainvoke("Hello world")).content == "Hello world"
    assert "".join([chunk.content async for chunk in model.astream("Hello world")]) == "Hello world"
    answers = await model.abatch([f"caller {number}" for number in range(20)])
    assert [answer.content for answer in answers] == [f"caller {number}" for number in range(20)]


for check in (check_whole, check_stream, check_tools, check_agent, check_structured, check_errors):
    check()
asyncio.run(check_async())
