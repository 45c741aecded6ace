"""LangGraph's prebuilt agent as `graph:…`, asked through the official SDK: on the mock, and on a scripted upstream."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from openai import OpenAI

from gateway.testing import Received, Served, Upstream, Wire, events, serve
from tests.doors import block

ASK = [{"role": "user", "content": "How is the weather in Oslo?"}]
USAGE = {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25}


def event(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "up", "choices": [choice]}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def calling(said: str = "") -> list[bytes]:
    """The events of an answer that calls the tool, its arguments in two pieces."""
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"ci'}}
    rest = {"index": 0, "function": {"arguments": 'ty": "Oslo"}'}}
    usage = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "up", "choices": [], "usage": USAGE}
    return [
        event({"role": "assistant", "content": said}),
        event({"tool_calls": [call]}),
        event({"tool_calls": [rest]}),
        event({}, "tool_calls"),
        b"data: " + json.dumps(usage).encode() + b"\n\n",
        b"data: [DONE]\n\n",
    ]


async def model(request: Received, wire: Wire) -> None:
    """Calls the tool, then says what it has heard."""
    heard = request.json["messages"][-1]
    if heard["role"] == "tool":
        await wire.stream(events("It is ", heard["content"], "."))
    else:
        await wire.stream(calling())


def config(model: str, **providers: Any) -> dict[str, Any]:
    return {
        "providers": {"mock": {"type": "mock"}, **providers},
        "models": {"assistant": model},
        "graphs": {
            "weather": {
                "start": "agent",
                "nodes": {"agent": {"function": "weather_agent:agent"}},
                "edges": [{"from": "agent", "to": "END"}],
            }
        },
    }


@contextmanager
def scripted() -> Iterator[tuple[Served, OpenAI, Upstream]]:
    with (
        Upstream(model) as upstream,
        serve(config("up/m", up=block(upstream))) as served,
        OpenAI(base_url=served.base_url, api_key="none", max_retries=0) as client,
    ):
        yield served, client, upstream
        served.idle()


def test_whole_on_a_scripted_upstream() -> None:
    with scripted() as (_, client, upstream):
        answer = client.chat.completions.create(model="graph:weather", messages=ASK)
        assert answer.model == "graph:weather"
        assert answer.choices[0].message.content == "It is 12 degrees and rain in Oslo."
        assert answer.choices[0].message.tool_calls is None
        assert answer.choices[0].finish_reason == "stop"
        assert answer.usage.to_dict() == {"prompt_tokens": 27, "completion_tokens": 8, "total_tokens": 35}
        first, second = (request.json for request in upstream.received)
        assert first["messages"] == [{"role": "system", "content": "Be brief."}, *ASK]
        assert first["tools"][0]["function"]["parameters"]["required"] == ["city"]
        call = second["messages"][-2]["tool_calls"][0]
        assert (call["function"]["name"], json.loads(call["function"]["arguments"])) == ("weather", {"city": "Oslo"})
        assert second["messages"][-1]["tool_call_id"] == call["id"] == "call_1"


def test_streamed_on_a_scripted_upstream() -> None:
    with scripted() as (_, client, _upstream):
        options = {"include_usage": True}
        chunks = list(
            client.chat.completions.create(model="graph:weather", messages=ASK, stream=True, stream_options=options)
        )
        texts = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]
        assert [text for text in texts if text] == ["It is ", "12 degrees and rain in Oslo", "."]
        assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
        assert not any(chunk.choices[0].delta.tool_calls for chunk in chunks if chunk.choices)
        assert chunks[-1].usage.to_dict() == {"prompt_tokens": 27, "completion_tokens": 8, "total_tokens": 35}


def test_on_the_mock() -> None:
    replies = [{"when": "weather", "model": "tools", "tool": {"name": "weather", "arguments": {"city": "Oslo"}}}]
    with (
        serve(config("mock/tools", mock={"type": "mock", "replies": replies})) as served,
        OpenAI(base_url=served.base_url, api_key="none", max_retries=0) as client,
    ):
        answer = client.chat.completions.create(model="graph:weather", messages=ASK)
        assert answer.choices[0].message.content == "weather answered: 12 degrees and rain in Oslo"
        stream = client.chat.completions.create(model="graph:weather", messages=ASK, stream=True)
        texts = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]
        assert "".join(texts) == answer.choices[0].message.content
        assert len([text for text in texts if text]) > 3
        served.idle()


def test_each_token_comes_as_the_model_speaks() -> None:
    """The upstream says its next word only when the client has read the last."""
    with scripted() as (_, client, upstream):
        words = [asyncio.Event() for _ in range(3)]

        async def slow(request: Received, wire: Wire) -> None:
            if request.json["messages"][-1]["role"] != "tool":
                await wire.stream(calling("Let me see."))
                return
            await wire.open()
            opening, *pieces = events("one", "two", "three")
            await wire.chunk(opening)
            for word, piece in zip(words, pieces, strict=False):
                await word.wait()
                await wire.chunk(piece)
            for piece in pieces[3:]:
                await wire.chunk(piece)
            await wire.end()

        upstream.script = slow
        stream = client.chat.completions.create(model="graph:weather", messages=ASK, stream=True)
        texts = (chunk.choices[0].delta.content for chunk in stream if chunk.choices and chunk.choices[0].delta.content)
        assert next(texts) == "Let me see."
        for word, expected in zip(words, ("\n\none", "two", "three"), strict=True):
            upstream.background.call(word.set)
            assert next(texts) == expected
        assert list(texts) == []
