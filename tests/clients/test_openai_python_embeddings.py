"""The official Python client: embeddings, of which it asks base64 unless it is told otherwise."""

import asyncio
import json
import math

import pytest
from openai import AsyncOpenAI, BadRequestError, InternalServerError, NotFoundError, OpenAI, RateLimitError
from openai.types import CreateEmbeddingResponse

from gateway.testing import Received, Served, Wire
from gateway.wire.embeddings import packed
from tests.clients.conftest import House
from tests.clients.judgements import check_error
from tests.clients.scripts import failing, stalling
from tests.clients.shapes import exact, strict

VECTOR = [0.5, -0.25, 1.0]


def answering(form: str, usage: int = 3):
    """Answer every input by one vector, in this form whatever was asked for."""

    async def script(request: Received, wire: Wire) -> None:
        given = request.json["input"]
        inputs = given if isinstance(given, list) and not isinstance(given[0], int) else [given]
        vector = packed(VECTOR) if form == "base64" else VECTOR
        data = [{"object": "embedding", "index": index, "embedding": vector} for index in range(len(inputs))]
        counts = {"prompt_tokens": usage, "total_tokens": usage}
        await wire.json({"object": "list", "data": data, "model": "m", "usage": counts})

    return script


def check(answer, inputs=1):
    strict(answer)
    assert type(answer) is CreateEmbeddingResponse
    assert [item.index for item in answer.data] == list(range(inputs))
    assert answer.usage.prompt_tokens == answer.usage.total_tokens > 0
    assert answer._request_id.startswith("req_")


def test_as_make_run_serves_it(local: Served):
    with OpenAI(base_url=local.base_url, api_key="sk-local") as client:
        check(client.embeddings.create(model="mock/embed", input="Hello"))


@pytest.mark.parametrize("form", ["float", "base64"])
def test_the_client_asks_base64_and_reads_floats_whatever_the_provider_can(client: OpenAI, house: House, form):
    house.script(answering(form))
    answer = client.embeddings.create(model="up/model", input="Hello")
    check(answer)
    assert house.asked[-1].json["encoding_format"] == "base64"
    assert answer.data[0].embedding == VECTOR


@pytest.mark.parametrize("form", ["float", "base64"])
@pytest.mark.parametrize("wanted", ["float", "base64"])
async def test_what_is_asked_for_is_given(aclient: AsyncOpenAI, house: House, form, wanted):
    house.script(answering(form))
    raw = await aclient.embeddings.with_raw_response.create(model="up/model", input="Hello", encoding_format=wanted)
    assert json.loads(raw.text)["data"][0]["embedding"] == (packed(VECTOR) if wanted == "base64" else VECTOR)


def test_mock_whole_answers(client: OpenAI):
    raw = client.embeddings.with_raw_response.create(model="mock/embed", input="Hello world", encoding_format="float")
    exact(CreateEmbeddingResponse, raw.text)
    one = client.embeddings.create(model="mock/embed", input="Hello world")
    check(one)
    assert one.data[0].embedding == raw.parse().data[0].embedding
    assert math.isclose(math.hypot(*one.data[0].embedding), 1, rel_tol=1e-5)


async def test_mock_async_lists_tokens_dimensions(aclient: AsyncOpenAI):
    check(await aclient.embeddings.create(model="mock/embed", input=["a", "b", "c"]), 3)
    check(await aclient.embeddings.create(model="mock/embed", input=[1, 2, 3]))
    check(await aclient.embeddings.create(model="mock/embed", input=[[1, 2], [3]]), 2)
    short = await aclient.embeddings.create(model="mock/embed", input="a", dimensions=12)
    assert len(short.data[0].embedding) == 12


def test_a_large_batch_goes_up_in_parts(client: OpenAI, house: House):
    house.script(answering("float"))
    answer = client.embeddings.create(model="up/model", input=["x"] * 5000, extra_body={"truncate": "NONE"})
    check(answer, 5000)
    assert sorted(len(request.json["input"]) for request in house.asked) == [904, 2048, 2048]
    assert all(request.json["truncate"] == "NONE" for request in house.asked)
    assert answer.usage.prompt_tokens == 9


def test_errors(client: OpenAI, house: House):
    with pytest.raises(BadRequestError) as caught:
        client.embeddings.create(model="up/model", input="")
    check_error(caught.value, 400, "invalid_value", "input")
    with pytest.raises(BadRequestError) as caught:
        client.embeddings.create(model="up/model", input=[])
    check_error(caught.value, 400, "empty_array", "input")
    with pytest.raises(BadRequestError) as caught:
        client.embeddings.create(model="mock/echo", input="x")
    check_error(caught.value, 400, "unsupported_surface", "model")
    with pytest.raises(NotFoundError) as caught:
        client.embeddings.create(model="nowhere", input="x")
    check_error(caught.value, 404, "model_not_found", "model")
    house.script(failing(429))
    with pytest.raises(RateLimitError) as caught:
        client.embeddings.create(model="up/model", input="x")
    check_error(caught.value, 429, "scripted_code", "scripted_param")
    house.script(lambda request, wire: wire.json({"data": 5}))
    with pytest.raises(InternalServerError) as caught:
        client.embeddings.create(model="up/model", input="x")
    check_error(caught.value, 502, "upstream_error")


async def test_a_client_that_leaves_cancels_the_call(aclient: AsyncOpenAI, house: House):
    house.script(stalling())
    tasks = asyncio.create_task(aclient.embeddings.create(model="up/model", input=["x"] * 5000))  # noqa: TID251
    await asyncio.to_thread(house.upstream.background.until, lambda: house.upstream.open == 3)
    tasks.cancel()
    await asyncio.gather(tasks, return_exceptions=True)
    await asyncio.to_thread(house.cancelled, 3)
