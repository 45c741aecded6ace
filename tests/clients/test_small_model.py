"""A real model behind the gateway, in both dialects: what a script cannot show, such as words that a model splits.

It is llama.cpp's server with SmolLM2-135M-Instruct, which speaks chat completions and Anthropic's messages. What it
says means little; how it says it is a server's real way.
"""

import json
import subprocess
import time
from collections.abc import Iterator

import httpx
import pytest
from anthropic import Anthropic
from openai import OpenAI

from gateway.testing import Served, serve
from tests.clients.environments import FOLDER, environment

pytestmark = pytest.mark.clients

ASK = [{"role": "user", "content": "Say in one short sentence, with an emoji, what the sea is."}]
STORY = [{"role": "user", "content": "Write a very long story about the sea, of a hundred chapters."}]
SCHEMA = {
    "type": "object",
    "properties": {"colour": {"enum": ["red", "blue"]}, "count": {"type": "integer"}},
    "required": ["colour", "count"],
    "additionalProperties": False,
}
MODELS = pytest.mark.parametrize("model", ["chat/smollm2", "claude/smollm2"])


@pytest.fixture(scope="module")
def small() -> Iterator[str]:
    """The model's address."""
    command = [environment("small-model"), FOLDER / "small-model" / "serve.py"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:")
        yield address
        process.communicate(timeout=30)
    assert process.returncode == 0


@pytest.fixture(scope="module")
def served(small: str) -> Iterator[Served]:
    providers = {
        "chat": {"type": "openai", "base_url": f"{small}/v1"},
        "claude": {"type": "anthropic", "base_url": small},
    }
    with serve({"providers": providers}) as served:
        yield served
        served.idle()


@pytest.fixture(scope="module")
def client(served: Served) -> Iterator[OpenAI]:
    with OpenAI(base_url=served.base_url, api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def anthropic(served: Served) -> Iterator[Anthropic]:
    with Anthropic(base_url=served.url, api_key="none", max_retries=0) as client:
        yield client


# ---- OpenAI's client


@MODELS
def test_chat(client: OpenAI, model: str) -> None:
    answer = client.chat.completions.create(model=model, messages=ASK, max_tokens=40)
    [choice] = answer.choices
    assert choice.message.content
    assert choice.finish_reason in ("stop", "length")
    assert answer.usage.prompt_tokens > 10
    assert 1 < answer.usage.completion_tokens <= 40
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


@MODELS
def test_chat_streamed(client: OpenAI, model: str) -> None:
    asked = {"model": model, "messages": ASK, "max_tokens": 40, "stream_options": {"include_usage": True}}
    with client.chat.completions.stream(**asked) as stream:
        pieces = [event.delta for event in stream if event.type == "content.delta"]
        final = stream.get_final_completion()
    assert len(pieces) > 3
    assert final.choices[0].message.content == "".join(pieces)
    assert final.choices[0].finish_reason in ("stop", "length")
    assert final.usage.prompt_tokens > 10
    assert 1 < final.usage.completion_tokens <= 40


@MODELS
def test_a_limit_that_is_met(client: OpenAI, model: str) -> None:
    answer = client.chat.completions.create(model=model, messages=STORY, max_tokens=5)
    assert (answer.choices[0].finish_reason, answer.usage.completion_tokens) == ("length", 5)


def test_chat_with_a_schema(client: OpenAI) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "thing", "schema": SCHEMA, "strict": True}}
    asked = {"model": "chat/smollm2", "messages": ASK, "max_tokens": 60, "response_format": form}
    check_document(client.chat.completions.create(**asked).choices[0].message.content)
    with client.chat.completions.create(**asked, stream=True) as stream:
        check_document("".join(chunk.choices[0].delta.content or "" for chunk in stream))


# ---- Anthropic's client


@MODELS
def test_messages(anthropic: Anthropic, model: str) -> None:
    answer = anthropic.messages.create(model=model, messages=ASK, max_tokens=40)
    assert "".join(block.text for block in answer.content)
    assert answer.stop_reason in ("end_turn", "max_tokens")
    assert answer.usage.input_tokens + (answer.usage.cache_read_input_tokens or 0) > 10
    assert 1 < answer.usage.output_tokens <= 40


@MODELS
def test_messages_streamed(anthropic: Anthropic, model: str) -> None:
    with anthropic.messages.stream(model=model, messages=ASK, max_tokens=40) as stream:
        pieces = list(stream.text_stream)
        final = stream.get_final_message()
    assert len(pieces) > 3
    assert "".join(block.text for block in final.content) == "".join(pieces)
    assert final.stop_reason in ("end_turn", "max_tokens")
    assert 1 < final.usage.output_tokens <= 40


@MODELS
def test_a_limit_of_messages_that_is_met(anthropic: Anthropic, model: str) -> None:
    answer = anthropic.messages.create(model=model, messages=STORY, max_tokens=5)
    assert (answer.stop_reason, answer.usage.output_tokens) == ("max_tokens", 5)


def test_messages_with_a_schema(anthropic: Anthropic) -> None:
    form = {"format": {"type": "json_schema", "schema": SCHEMA}}
    answer = anthropic.messages.create(model="chat/smollm2", messages=ASK, max_tokens=60, output_config=form)
    check_document("".join(block.text for block in answer.content))


def check_document(text: str) -> None:
    document = json.loads(text)
    assert set(document) == {"colour", "count"}
    assert document["colour"] in ("red", "blue")
    assert isinstance(document["count"], int)


# ---- who leaves


@MODELS
@pytest.mark.parametrize("dialect", ["chat", "messages"])
def test_a_client_that_leaves_stops_the_generation(
    client: OpenAI, anthropic: Anthropic, small: str, model: str, dialect: str
) -> None:
    asked = {"model": model, "messages": STORY, "max_tokens": 1500, "stream": True}
    create = client.chat.completions.create if dialect == "chat" else anthropic.messages.create
    with create(**asked) as stream:
        for _ in range(5):
            next(stream)
        assert busy(small)
    until = time.monotonic() + 5
    while busy(small):
        assert time.monotonic() < until, "the model goes on"


def busy(address: str) -> bool:
    """Whether the model generates."""
    slots = httpx.get(f"{address}/slots", trust_env=False).json()
    return any(slot["is_processing"] for slot in slots)
