"""The official Python client: streamed answers."""

import asyncio
from collections import Counter

import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletionChunk

from gateway.testing import completion, events
from tests.clients.conftest import House
from tests.clients.scripts import event, stalling, streaming
from tests.clients.shapes import strict

BOTH = pytest.mark.parametrize("model", ["mock/echo", "up/model"])
HELLO = [{"role": "user", "content": "Hello world"}]
WITH_USAGE = {"include_usage": True}


def text_of(chunks):
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def check_stream(chunks, *, usage=False):
    for chunk in chunks:
        strict(chunk)
        assert type(chunk) is ChatCompletionChunk
        assert chunk.object == "chat.completion.chunk"
    assert len({(chunk.id, chunk.model, chunk.created) for chunk in chunks}) == 1
    assert chunks[0].choices[0].delta.role == "assistant"
    assert text_of(chunks) == "Hello world"
    last = chunks.pop() if usage else None
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    if last is not None:
        assert last.choices == []
        assert last.usage.total_tokens == last.usage.prompt_tokens + last.usage.completion_tokens


@BOTH
def test_stream(client: OpenAI, model):
    check_stream(list(client.chat.completions.create(model=model, messages=HELLO, stream=True)))


@BOTH
async def test_stream_async(aclient: AsyncOpenAI, model):
    stream = await aclient.chat.completions.create(model=model, messages=HELLO, stream=True)
    check_stream([chunk async for chunk in stream])


@BOTH
def test_usage(client: OpenAI, model):
    stream = client.chat.completions.create(model=model, messages=HELLO, stream=True, stream_options=WITH_USAGE)
    check_stream(list(stream), usage=True)


def test_usage_is_always_asked_of_the_upstream(client: OpenAI, house: House):
    options = {"include_obfuscation": False}
    list(client.chat.completions.create(model="up/model", messages=HELLO, stream=True))
    list(client.chat.completions.create(model="up/model", messages=HELLO, stream=True, stream_options=options))
    asked = [request.json["stream_options"] for request in house.asked]
    assert asked == [WITH_USAGE, options | WITH_USAGE]


def test_headers(client: OpenAI):
    with client.chat.completions.create(model="up/model", messages=HELLO, stream=True) as stream:
        headers = stream.response.headers
        assert headers["content-type"].startswith("text/event-stream")
        assert headers["x-request-id"].startswith("req_")
        assert headers["x-gateway-provider"] == "up"
        assert headers["x-gateway-model"] == "model"
        check_stream(list(stream))


def test_raw_and_streaming_responses(client: OpenAI):
    raw = client.chat.completions.with_raw_response.create(model="up/model", messages=HELLO, stream=True)
    assert raw.headers["x-gateway-provider"] == "up"
    check_stream(list(raw.parse()))
    create = client.chat.completions.with_streaming_response.create
    with create(model="mock/echo", messages=HELLO, stream=True) as response:
        lines = [line for line in response.iter_lines() if line]
    assert all(line.startswith("data: {") for line in lines[:-1])
    assert lines[-1] == "data: [DONE]"


# ---- the helper


def check_helper(fired, final):
    kinds = Counter(event.type for event in fired)
    assert kinds["chunk"] > kinds["content.delta"]
    assert kinds["content.done"] == 1
    deltas = [(event.delta, event.snapshot) for event in fired if event.type == "content.delta"]
    assert deltas == [("", ""), ("Hello", "Hello"), (" world", "Hello world")]  # the role's event has an empty text
    assert final.choices[0].message.content == "Hello world"
    assert final.choices[0].finish_reason == "stop"
    assert final.usage.total_tokens > 0


@BOTH
def test_helper(client: OpenAI, model):
    with client.chat.completions.stream(model=model, messages=HELLO, stream_options=WITH_USAGE) as stream:
        check_helper(list(stream), stream.get_final_completion())


@BOTH
async def test_helper_async(aclient: AsyncOpenAI, model):
    async with aclient.chat.completions.stream(model=model, messages=HELLO, stream_options=WITH_USAGE) as stream:
        check_helper([event async for event in stream], await stream.get_final_completion())


# ---- choices and log probabilities


def test_several_choices(client: OpenAI):
    chunks = list(client.chat.completions.create(model="mock/echo", messages=HELLO, stream=True, n=3))
    texts = dict.fromkeys(range(3), "")
    for chunk in map(strict, chunks):
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
    assert texts == dict.fromkeys(range(3), "Hello world")
    with client.chat.completions.stream(model="mock/echo", messages=HELLO, n=3) as stream:
        final = stream.get_final_completion()
    assert [choice.message.content for choice in final.choices] == ["Hello world"] * 3


def test_logprobs(client: OpenAI):
    with client.chat.completions.stream(model="mock/echo", messages=HELLO, logprobs=True, top_logprobs=1) as stream:
        kinds = Counter(event.type for event in stream)
        final = stream.get_final_completion()
    assert kinds["logprobs.content.delta"] == 2
    assert "".join(token.token for token in final.choices[0].logprobs.content) == "Hello world"


# ---- streams that are not as tidy


def test_text_of_all_kinds(client: OpenAI, house: House):
    text = 'Grüße, 世界 🌍 \u2028 \x85 \x00 \\ " data: [DONE]\n\ndata: {\r\n'
    messages = [{"role": "user", "content": text}]
    assert text_of(client.chat.completions.create(model="mock/echo", messages=messages, stream=True)) == text
    house.script(streaming(events(*text)))
    assert text_of(client.chat.completions.create(model="up/model", messages=messages, stream=True)) == text


@pytest.mark.parametrize("width", [1, 7, 1000])
def test_cut_anywhere(client: OpenAI, house: House, width):
    whole = b"".join(events("Grüße", " 🌍"))
    house.script(streaming(whole[start : start + width] for start in range(0, len(whole), width)))
    assert text_of(client.chat.completions.create(model="up/model", messages=HELLO, stream=True)) == "Grüße 🌍"


def test_what_would_break_the_decoder_is_kept_away(client: OpenAI, house: House):
    role, *rest = events("Hello", " world")
    oddities = [b": ping\n\n", b"id: 7\n" + role, b": ping\n\n", b"retry: 100\n\n", b"event: nothing\n\n"]
    house.script(streaming([*oddities, *rest]))
    assert text_of(client.chat.completions.create(model="up/model", messages=HELLO, stream=True)) == "Hello world"


def test_other_line_ends(client: OpenAI, house: House):
    house.script(streaming(piece.replace(b"\n", b"\r\n") for piece in events("Hello", " world")))
    check_stream(list(client.chat.completions.create(model="up/model", messages=HELLO, stream=True)))


def test_upstream_without_streams(client: OpenAI, house: House):
    async def script(request, wire):
        await wire.json(completion("Hello world"))

    house.script(script)
    stream = client.chat.completions.create(model="up/model", messages=HELLO, stream=True, stream_options=WITH_USAGE)
    check_stream(list(stream), usage=True)


def test_unknown_fields_of_events(client: OpenAI, house: House):
    base = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    delta = {"role": "assistant", "content": "", "reasoning_content": "Thinking"}
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    house.script(streaming([event(base | {"choices": [choice], "vendor": 1}), *events("Hello")[1:]]))
    first, *_ = client.chat.completions.create(model="up/model", messages=HELLO, stream=True)
    assert first.model_extra == {"vendor": 1}
    assert first.choices[0].delta.model_extra == {"reasoning_content": "Thinking"}


# ---- leaving early


def test_break_cancels_upstream(client: OpenAI, house: House):
    house.script(stalling(*events("Hello", done=False, finish=None, usage=False)))
    with client.chat.completions.create(model="up/model", messages=HELLO, stream=True) as stream:
        for chunk in stream:
            if chunk.choices[0].delta.content:
                break
    house.cancelled()


def test_break_of_helper_cancels_upstream(client: OpenAI, house: House):
    house.script(stalling(*events("Hello", done=False, finish=None, usage=False)))
    with client.chat.completions.stream(model="up/model", messages=HELLO) as stream:
        for fired in stream:
            if fired.type == "content.delta":
                break
    house.cancelled()


async def test_cancelled_task_cancels_upstream(aclient: AsyncOpenAI, house: House):
    house.script(stalling(*events("Hello", done=False, finish=None, usage=False)))
    begun = asyncio.Event()

    async def read():
        async for chunk in await aclient.chat.completions.create(model="up/model", messages=HELLO, stream=True):
            if chunk.choices[0].delta.content:
                begun.set()

    async with asyncio.TaskGroup() as group:
        task = group.create_task(read())
        await begun.wait()
        task.cancel()
    house.cancelled()


def test_break_then_next_call(client: OpenAI):
    for _ in range(5):
        with client.chat.completions.create(model="mock/slow", messages=HELLO, stream=True) as stream:
            assert next(stream).choices
    check_stream(list(client.chat.completions.create(model="mock/echo", messages=HELLO, stream=True)))


# ---- many at once


@pytest.mark.parametrize("model", ["mock/slow", "up/model"])
async def test_hundred_streams(house: House, model):
    async with AsyncOpenAI(**house.settings) as client:

        async def one(number):
            messages = [{"role": "user", "content": f"caller {number}"}]
            stream = await client.chat.completions.create(
                model=model, messages=messages, stream=True, stream_options=WITH_USAGE
            )
            chunks = [chunk async for chunk in stream]
            assert chunks[-1].usage.total_tokens > 0
            return text_of(chunks), chunks[0].id

        answers = await asyncio.gather(*[one(number) for number in range(100)])
    if model == "up/model":
        assert {text for text, _ in answers} == {"Hello world"}
        assert {request.json["messages"][0]["content"] for request in house.asked} == {
            f"caller {number}" for number in range(100)
        }
    else:
        assert len({text for text, _ in answers}) == 1
        assert len({answer_id for _, answer_id in answers}) == 100


async def test_hundred_streams_keep_apart(house: House):
    async with AsyncOpenAI(**house.settings) as client:

        async def one(number):
            text = f"caller {number} " * 50
            messages = [{"role": "user", "content": text}]
            stream = await client.chat.completions.create(model="mock/echo", messages=messages, stream=True)
            assert text_of([chunk async for chunk in stream]) == text

        await asyncio.gather(*[one(number) for number in range(100)])
