"""The official Python client: tools, called and answered."""

import json
from itertools import chain

import pytest
from openai import AsyncOpenAI, BadRequestError, OpenAI, pydantic_function_tool
from openai.types.chat import ChatCompletionMessageFunctionToolCall
from pydantic import BaseModel, Field

from gateway.testing import completion, events
from tests.clients.conftest import House
from tests.clients.scripts import event, streaming, turns
from tests.clients.shapes import strict

ASK = [{"role": "user", "content": "How is the weather?"}]
OTHER = [{"role": "user", "content": "What is it like?"}]  # the mock has no reply of its own for it


def tool(name, **properties):
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    return {"type": "function", "function": {"name": name, "description": f"Get {name}", "parameters": parameters}}


WEATHER = tool("weather", city={"type": "string"})
TIME = tool("time", zone={"type": "string", "enum": ["UTC", "CET"]})
CITY = {"city": "Oslo"}


def called(answer):
    """The tools that an answer calls, with their arguments."""
    choice = answer.choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.role == "assistant"
    calls = choice.message.tool_calls
    assert len({call.id for call in calls}) == len(calls)
    assert all(isinstance(call, ChatCompletionMessageFunctionToolCall) and call.type == "function" for call in calls)
    return [(call.function.name, json.loads(call.function.arguments)) for call in calls]


def upstream_call(*names):
    calls = [
        {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": json.dumps(CITY)}}
        for number, name in enumerate(names)
    ]
    message = {"role": "assistant", "content": None, "refusal": None, "tool_calls": calls}
    return completion(choices=[{"index": 0, "message": message, "logprobs": None, "finish_reason": "tool_calls"}])


def upstream_deltas(*names, in_turns=False):
    """A stream of parallel calls, one after another; or with arguments that come in turns, as some servers do."""
    head, *_, usage, done = events()
    pieces = ('{"ci', 'ty": "Os', 'lo"}')
    calls = [
        [
            {"index": index, "id": f"call_{index}", "type": "function", "function": {"name": name, "arguments": ""}},
            *({"index": index, "function": {"arguments": piece}} for piece in pieces),
        ]
        for index, name in enumerate(names)
    ]
    deltas = chain.from_iterable(zip(*calls, strict=True) if in_turns else calls)
    base = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "up"}
    told = [
        event(base | {"choices": [{"index": 0, "delta": {"tool_calls": [delta]}, "finish_reason": None}]})
        for delta in deltas
    ]
    finish = event(base | {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})
    return [head, *told, finish, usage, done]


def from_upstream(*names):
    async def script(request, wire):
        if request.json.get("stream"):
            await wire.stream(upstream_deltas(*names))
        else:
            await wire.json(upstream_call(*names))

    return script


@pytest.fixture(params=["mock/tools", "up/model"])
def model(request, house: House):
    house.script(from_upstream("weather"))
    return request.param


# ---- calls


def test_call(client: OpenAI, model):
    answer = client.chat.completions.create(model=model, messages=ASK, tools=[WEATHER])
    assert called(strict(answer)) == [("weather", CITY)]
    assert answer.choices[0].message.content is None


def test_streamed_call(client: OpenAI, model):
    chunks = list(client.chat.completions.create(model=model, messages=ASK, tools=[WEATHER], stream=True))
    deltas = [
        delta for chunk in map(strict, chunks) for choice in chunk.choices for delta in choice.delta.tool_calls or ()
    ]
    assert all(delta.index == 0 for delta in deltas)
    assert deltas[0].id
    assert deltas[0].type == "function"
    assert deltas[0].function.name == "weather"
    assert all(delta.id is None and delta.function.name is None for delta in deltas[1:])
    assert json.loads("".join(delta.function.arguments for delta in deltas)) == CITY
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


@pytest.mark.parametrize("at", ["mock", "up"])
def test_parallel_calls(client: OpenAI, house: House, at):
    house.script(from_upstream("weather", "time"))
    model = "mock/tools" if at == "mock" else "up/model"
    ask = {"model": model, "messages": OTHER, "tools": [WEATHER, TIME]}
    whole = called(strict(client.chat.completions.create(**ask)))
    assert [name for name, _ in whole] == ["weather", "time"]
    with client.chat.completions.stream(**ask) as stream:
        fired = list(stream)
        final = stream.get_final_completion()
    assert called(final) == whole
    done = [event for event in fired if event.type == "tool_calls.function.arguments.done"]
    assert [(event.index, event.name, json.loads(event.arguments)) for event in done] == [
        (index, *call) for index, call in enumerate(whole)
    ]


def test_calls_in_turns(client: OpenAI, house: House):
    house.script(streaming(upstream_deltas("weather", "time", in_turns=True)))
    arguments = ["", ""]
    for chunk in client.chat.completions.create(model="up/model", messages=OTHER, tools=[WEATHER, TIME], stream=True):
        for delta in chunk.choices[0].delta.tool_calls or ():
            arguments[delta.index] += delta.function.arguments
    assert [json.loads(text) for text in arguments] == [CITY, CITY]


def test_one_call_at_a_time(client: OpenAI):
    answer = client.chat.completions.create(
        model="mock/tools",
        messages=OTHER,
        tools=[TIME, WEATHER],
        parallel_tool_calls=False,
    )
    assert [name for name, _ in called(strict(answer))] == ["time"]


# ---- which tool


def test_choice_of_a_tool(client: OpenAI):
    choice = {"type": "function", "function": {"name": "time"}}
    answer = client.chat.completions.create(model="mock/echo", messages=ASK, tools=[WEATHER, TIME], tool_choice=choice)
    ((name, arguments),) = called(strict(answer))
    assert name == "time"
    assert arguments["zone"] in ("UTC", "CET")


def test_required(client: OpenAI):
    answer = client.chat.completions.create(model="mock/echo", messages=ASK, tools=[WEATHER], tool_choice="required")
    assert [name for name, _ in called(strict(answer))] == ["weather"]


@pytest.mark.parametrize("choice", ["auto", "none"])
def test_no_call(client: OpenAI, choice):
    answer = client.chat.completions.create(model="mock/echo", messages=ASK, tools=[WEATHER], tool_choice=choice)
    assert strict(answer).choices[0].finish_reason == "stop"
    assert answer.choices[0].message.tool_calls is None
    assert answer.choices[0].message.content == "How is the weather?"


def test_choice_passes_through(client: OpenAI, house: House, model):
    wanted = {
        "tools": [WEATHER, {"type": "custom", "custom": {"name": "shell"}}],
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
        "parallel_tool_calls": False,
    }
    client.chat.completions.create(model="up/model", messages=ASK, **wanted)
    assert house.asked[0].json == {"model": "model", "messages": ASK, **wanted}


def test_unknown_choice_is_refused(client: OpenAI):
    choice = {"type": "function", "function": {"name": "nobody"}}
    with pytest.raises(BadRequestError) as caught:
        client.chat.completions.create(model="mock/echo", messages=ASK, tools=[WEATHER], tool_choice=choice)
    assert caught.value.param == "tool_choice.function.name"


def test_custom_tool(client: OpenAI):
    shell = {"type": "custom", "custom": {"name": "shell", "description": "Run a command"}}
    answer = client.chat.completions.create(model="mock/tools", messages=OTHER, tools=[shell])
    (call,) = strict(answer).choices[0].message.tool_calls
    assert (call.type, call.custom.name) == ("custom", "shell")
    assert isinstance(call.custom.input, str)


# ---- until the final answer


def results(message):
    """The conversation's next messages: the calls themselves, as the SDK gave them, and what came of each."""
    told = [{"role": "tool", "tool_call_id": call.id, "content": "12 degrees"} for call in message.tool_calls]
    return [message, *told]


def test_round_trip(client: OpenAI, house: House, model):
    async def final(request, wire):
        await wire.json(completion("weather answered: 12 degrees"))

    house.script(turns(from_upstream("weather"), final))
    ask = client.chat.completions.create(model=model, messages=ASK, tools=[WEATHER])
    messages = [*ASK, *results(ask.choices[0].message)]
    answer = strict(client.chat.completions.create(model=model, messages=messages, tools=[WEATHER]))
    assert answer.choices[0].finish_reason == "stop"
    assert answer.choices[0].message.content == "weather answered: 12 degrees"
    if model == "up/model":
        _, call, result = house.asked[1].json["messages"]
        assert call["tool_calls"][0]["function"] == {"name": "weather", "arguments": json.dumps(CITY)}
        assert result == {"role": "tool", "tool_call_id": "call_0", "content": "12 degrees"}


async def test_streamed_round_trip(aclient: AsyncOpenAI):
    ask = {"model": "mock/tools", "tools": [WEATHER, TIME]}
    async with aclient.chat.completions.stream(messages=OTHER, **ask) as stream:
        message = (await stream.get_final_completion()).choices[0].message
    async with aclient.chat.completions.stream(messages=[*OTHER, *results(message)], **ask) as stream:
        final = await stream.get_final_completion()
    assert final.choices[0].message.content == "weather answered: 12 degrees\ntime answered: 12 degrees"


class Forecast(BaseModel):
    """Get the forecast."""

    city: str
    days: int = Field(ge=1, le=7)


def test_parsed_arguments(client: OpenAI):
    answer = client.chat.completions.parse(model="mock/tools", messages=OTHER, tools=[pydantic_function_tool(Forecast)])
    (call,) = answer.choices[0].message.tool_calls
    assert isinstance(call.function.parsed_arguments, Forecast)
    assert 1 <= call.function.parsed_arguments.days <= 7


def test_streamed_parsed_arguments(client: OpenAI):
    with client.chat.completions.stream(
        model="mock/tools", messages=OTHER, tools=[pydantic_function_tool(Forecast)]
    ) as stream:
        (call,) = stream.get_final_completion().choices[0].message.tool_calls
    assert isinstance(call.function.parsed_arguments, Forecast)


def test_calls_of_several_choices(client: OpenAI):
    with client.chat.completions.stream(model="mock/tools", messages=ASK, tools=[WEATHER], n=2) as stream:
        final = stream.get_final_completion()
    for choice in final.choices:
        assert [json.loads(call.function.arguments) for call in choice.message.tool_calls] == [CITY]


def test_long_arguments(client: OpenAI, house: House):
    """Arguments that hold what looks like the end of an event, and more than one read brings."""
    arguments = json.dumps({"city": "data: [DONE]\n\n" * 10_000})
    head, *_, usage, done = upstream_deltas("weather")
    base = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    opening = {"index": 0, "id": "call_0", "type": "function", "function": {"name": "weather", "arguments": arguments}}
    pieces = [
        event(base | {"choices": [{"index": 0, "delta": {"tool_calls": [opening]}, "finish_reason": None}]}),
        event(base | {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}),
    ]
    house.script(streaming([head, *pieces, usage, done]))
    with client.chat.completions.stream(model="up/model", messages=ASK, tools=[WEATHER]) as stream:
        final = stream.get_final_completion()
    assert final.choices[0].message.tool_calls[0].function.arguments == arguments
