"""The official Python client: legacy text completions, on models that chat."""

import asyncio

import pytest
from openai import APIError, APIStatusError, AsyncOpenAI, BadRequestError, OpenAI, RateLimitError
from openai.types import Completion

from gateway.testing import Served, events
from tests.clients.conftest import House
from tests.clients.judgements import LIMITED, check_error
from tests.clients.scripts import failing, stalling, streaming

BOTH = pytest.mark.parametrize("model", ["mock/echo", "up/model", "named"])
WITH_USAGE = {"include_usage": True}


def shaped(answer):
    """The answer, once its members have proved to be what their types say."""
    assert type(answer) is Completion
    Completion.model_validate(answer.model_dump(exclude_unset=True), strict=True)
    assert answer.object == "text_completion"
    return answer


def check_whole(answer):
    shaped(answer)
    assert [(choice.index, choice.text, choice.finish_reason) for choice in answer.choices] == [
        (0, "Hello world", "stop")
    ]
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0
    assert answer._request_id.startswith("req_")


def check_stream(chunks, *, usage=False):
    for chunk in chunks:
        assert type(chunk) is Completion
        assert chunk.object == "text_completion"
    assert len({(chunk.id, chunk.model, chunk.created) for chunk in chunks}) == 1
    last = chunks.pop() if usage else None
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)
    assert "".join(chunk.choices[0].text for chunk in chunks) == "Hello world"
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    if last is not None:
        assert last.choices == []
        assert last.usage.total_tokens > 0


def test_as_make_run_serves_it(local: Served):
    with OpenAI(base_url=local.base_url, api_key="sk-local") as client:
        check_whole(client.completions.create(model="echo", prompt="Hello world"))


@BOTH
def test_whole(client: OpenAI, model):
    check_whole(client.completions.create(model=model, prompt="Hello world"))


@BOTH
async def test_whole_async(aclient: AsyncOpenAI, model):
    check_whole(await aclient.completions.create(model=model, prompt=["Hello world"]))


@BOTH
def test_stream(client: OpenAI, model):
    check_stream(list(client.completions.create(model=model, prompt="Hello world", stream=True)))


@BOTH
async def test_stream_async(aclient: AsyncOpenAI, model):
    stream = await aclient.completions.create(model=model, prompt="Hello world", stream=True, stream_options=WITH_USAGE)
    check_stream([chunk async for chunk in stream], usage=True)


def test_parameters(client: OpenAI):
    answer = client.completions.create(model="mock/lorem", prompt="x", max_tokens=5, n=2, logprobs=3)
    shaped(answer)
    assert [choice.finish_reason for choice in answer.choices] == ["length", "length"]
    for choice in answer.choices:
        assert "".join(choice.logprobs.tokens) == choice.text
        assert len(choice.logprobs.top_logprobs[0]) == 3
        assert choice.logprobs.text_offset[0] == 0
    stopped = client.completions.create(model="mock/echo", prompt="one two three", stop=" three")
    assert stopped.choices[0].text == "one two"
    echoed = client.completions.create(model="mock/echo", prompt="a", echo=True)
    assert echoed.choices[0].text == "aa"


def test_what_is_dropped_is_named(client: OpenAI):
    raw = client.completions.with_raw_response.create(model="mock/echo", prompt="x", suffix="y", best_of=2)
    assert raw.headers["x-gateway-dropped"] == "suffix,best_of"


def test_errors(client: OpenAI, house: House):
    with pytest.raises(BadRequestError) as caught:
        client.completions.create(model="up/model", prompt=["a", "b"])
    check_error(caught.value, 400, "unsupported_value", "prompt")
    with pytest.raises(BadRequestError) as caught:
        client.completions.create(model="up/model", prompt=[1, 2])
    check_error(caught.value, 400, "unsupported_value", "prompt")
    house.script(failing(429, {"param": "messages"}))
    for stream in (False, True):
        with pytest.raises(RateLimitError) as caught:
            client.completions.create(model="up/model", prompt="x", stream=stream)
        check_error(caught.value, 429, "scripted_code", "prompt")


def test_an_error_in_mid_stream(client: OpenAI, house: House):
    house.script(streaming([*events("Hello", done=False, finish=None, usage=False), LIMITED]))
    texts = []
    stream = client.completions.create(model="up/model", prompt="x", stream=True)

    def read():
        texts.extend(chunk.choices[0].text for chunk in stream)

    with pytest.raises(APIError) as caught:
        read()
    assert not isinstance(caught.value, APIStatusError)
    assert caught.value.code == "rate_limit_exceeded"
    assert texts == ["Hello"]


async def test_a_client_that_leaves_cancels_the_call(aclient: AsyncOpenAI, house: House):
    house.script(stalling(*events("Hello", done=False, finish=None, usage=False)))
    stream = await aclient.completions.create(model="up/model", prompt="x", stream=True)
    assert (await anext(aiter(stream))).choices[0].text == "Hello"
    await stream.close()
    await asyncio.to_thread(house.cancelled)


def test_a_client_that_leaves_before_the_answer(client: OpenAI, house: House):
    house.script(stalling())
    with pytest.raises(APIError):
        client.with_options(timeout=0.2).completions.create(model="up/model", prompt="x")
    house.cancelled()
