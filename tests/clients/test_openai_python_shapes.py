"""The mock's answers, to the letter of the official client's types: what it would coerce counts as wrong."""

import json
from typing import Any

import pytest
from openai import BaseModel, NotFoundError, OpenAI
from openai.types import Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from tests.clients.conftest import House
from tests.clients.scripts import error_event, streaming
from tests.clients.shapes import exact

HELLO = [{"role": "user", "content": "Hello world"}]
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
SHELL = {"type": "custom", "custom": {"name": "shell"}}
ASKS: dict[str, dict[str, Any]] = {
    "plain": {},
    "choices": {"n": 2},
    "logprobs": {"logprobs": True, "top_logprobs": 2},
    "length": {"model": "mock/lorem", "max_tokens": 3},
    "json": {"response_format": {"type": "json_object"}},
    "tools": {"model": "mock/tools", "tools": [WEATHER, WEATHER]},
}
WHOLE = ASKS | {"custom tools": {"model": "mock/tools", "tools": [WEATHER, SHELL]}}
"""The client's types know no custom tools in streams."""
STREAMED = ASKS | {"usage": {"stream_options": {"include_usage": True}}}


class Page(BaseModel):
    object: str
    data: list[Model]


def events_of(client: OpenAI, **ask: Any) -> list[str]:
    """A stream's lines, but for empty ones."""
    create = client.chat.completions.with_streaming_response.create
    with create(**{"model": "mock/echo", "messages": HELLO, **ask, "stream": True}) as response:
        return [line for line in response.iter_lines() if line]


@pytest.mark.parametrize("name", WHOLE)
def test_whole(client: OpenAI, name):
    ask = {"model": "mock/echo", "messages": HELLO, **WHOLE[name]}
    answer = exact(ChatCompletion, client.chat.completions.with_raw_response.create(**ask).content)
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


@pytest.mark.parametrize("name", STREAMED)
def test_stream(client: OpenAI, name):
    *lines, end = events_of(client, **STREAMED[name])
    assert end == "data: [DONE]"
    assert all(line.startswith("data: ") for line in lines)
    chunks = [exact(ChatCompletionChunk, line.removeprefix("data: ")) for line in lines]
    with_usage = [chunk for chunk in chunks if chunk.usage is not None]
    assert with_usage == (chunks[-1:] if name == "usage" else [])


def test_models(client: OpenAI):
    page = exact(Page, client.models.with_raw_response.list().content)
    assert page.object == "list"
    exact(Model, client.models.with_raw_response.retrieve(page.data[0].id).content)


def test_error(client: OpenAI):
    with pytest.raises(NotFoundError) as caught:
        client.chat.completions.create(model="nothing", messages=HELLO)
    document = json.loads(caught.value.response.content)
    assert list(document) == ["error"]
    kinds = {name: type(value) for name, value in document["error"].items()}
    assert kinds == {"message": str, "type": str, "param": str, "code": str}


def test_no_end_mark_behind_an_error(client: OpenAI, house: House):
    """A client that looks for the end mark alone must not take a broken stream for a whole one."""
    assert "[DONE]" not in events_of(client, model="mock/cut")[-1]
    chunk = {"choices": [{"index": 0, "delta": {"content": "Hello"}, "finish_reason": None}]}
    house.script(streaming([b"data: " + json.dumps(chunk).encode() + b"\n\n", error_event(), b"data: [DONE]\n\n"]))
    lines = events_of(client, model="up/model")
    assert json.loads(lines[-1].removeprefix("data: ")) == {
        "error": {"message": "scripted", "type": "server_error", "param": None, "code": None}
    }
