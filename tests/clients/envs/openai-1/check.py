"""The 1.x line of the official client, which very many programs still pin."""

import asyncio
from enum import StrEnum

import openai
from pydantic import BaseModel

HELLO = [{"role": "user", "content": "Hello world"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
USAGE = {"include_usage": True}


class Mood(StrEnum):
    GOOD = "good"
    BAD = "bad"


class Report(BaseModel):
    title: str
    moods: list[Mood]
    note: str | None


def raised(kind, call):
    """The error that a call must raise."""
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


def check_whole(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="mock/echo", messages=HELLO)
    assert answer.choices[0].message.content == "Hello world"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer._request_id.startswith("req_")
    raw = client.chat.completions.with_raw_response.create(model="mock/echo", messages=HELLO)
    assert raw.headers["x-gateway-provider"] == "mock"
    assert raw.parse().choices[0].finish_reason == "stop"


def check_stream(client: openai.OpenAI) -> None:
    chunks = list(client.chat.completions.create(model="mock/echo", messages=HELLO, stream=True, stream_options=USAGE))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1]) == "Hello world"
    assert chunks[-1].usage.total_tokens > 0
    with client.chat.completions.create(model="mock/slow", messages=HELLO, stream=True) as stream:
        next(stream)


def check_tools(client: openai.OpenAI) -> None:
    ask = {"model": "mock/tools", "tools": [WEATHER]}
    messages = [{"role": "user", "content": "How is the weather?"}]
    with client.chat.completions.stream(messages=messages, **ask) as stream:
        message = stream.get_final_completion().choices[0].message
    (call,) = message.tool_calls
    assert (call.function.name, call.function.arguments) == ("weather", '{"city":"Oslo"}')
    messages += [message, {"role": "tool", "tool_call_id": call.id, "content": "12 degrees"}]
    answer = client.chat.completions.create(messages=messages, **ask)
    assert answer.choices[0].message.content == "weather answered: 12 degrees"


def check_parse(client: openai.OpenAI) -> None:
    answer = client.chat.completions.parse(model="mock/echo", messages=HELLO, response_format=Report)
    assert isinstance(answer.choices[0].message.parsed, Report)
    with client.chat.completions.stream(model="mock/echo", messages=HELLO, response_format=Report) as stream:
        assert isinstance(stream.get_final_completion().choices[0].message.parsed, Report)


def check_models(client: openai.OpenAI) -> None:
    assert "mock/echo" in [model.id for model in client.models.list()]
    assert client.models.retrieve("mock/echo").id == "mock/echo"


def check_errors(client: openai.OpenAI) -> None:
    once = client.with_options(max_retries=0, timeout=0.5).chat.completions.create
    error = raised(openai.NotFoundError, lambda: once(model="mock/ecko", messages=HELLO))
    assert (error.code, error.param, error.status_code) == ("model_not_found", "model", 404)
    error = raised(openai.RateLimitError, lambda: once(model="mock/limited", messages=HELLO))
    assert error.code == "rate_limit_exceeded"
    raised(openai.APITimeoutError, lambda: once(model="mock/stuck", messages=HELLO))
    for model in ("mock/cut", "mock/broken"):
        stream = once(model=model, messages=HELLO, stream=True)
        error = raised(openai.APIError, lambda stream=stream: list(stream))
        assert not isinstance(error, openai.APIStatusError)
    with openai.OpenAI(api_key="sk-wrong") as stranger:
        assert raised(openai.AuthenticationError, stranger.models.list).code == "invalid_api_key"


def check_retries(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="mock/flaky", messages=HELLO)
    assert answer.choices[0].message.content == "Hello world"


async def check_async() -> None:
    async def one(client: openai.AsyncOpenAI, number: int) -> None:
        messages = [{"role": "user", "content": f"caller {number}"}]
        stream = await client.chat.completions.create(model="mock/echo", messages=messages, stream=True)
        texts = [chunk.choices[0].delta.content or "" async for chunk in stream]
        assert "".join(texts) == f"caller {number}"

    async with openai.AsyncOpenAI() as client:
        await asyncio.gather(*[one(client, number) for number in range(20)])


assert openai.__version__.startswith("1.")
with openai.OpenAI() as shared:
    for check in (check_whole, check_stream, check_tools, check_parse, check_models, check_errors, check_retries):
        check(shared)
asyncio.run(check_async())
