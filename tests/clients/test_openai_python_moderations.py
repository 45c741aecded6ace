"""The official Python client: moderations."""

import pytest
from openai import APIError, AsyncOpenAI, BadRequestError, OpenAI
from openai.types import ModerationCreateResponse

from gateway.testing import Served
from tests.clients.conftest import House
from tests.clients.judgements import check_error
from tests.clients.scripts import failing, stalling
from tests.clients.shapes import exact

IMAGE = {"type": "image_url", "image_url": {"url": "https://x.example/murder.png"}}


def check(answer, *flagged):
    assert type(answer) is ModerationCreateResponse
    assert tuple(result.flagged for result in answer.results) == flagged
    assert answer._request_id.startswith("req_")


def test_as_make_run_serves_it(local: Served):
    with OpenAI(base_url=local.base_url, api_key="sk-local") as client:
        check(client.moderations.create(input="I will kill you"), True)
        check(client.moderations.create(model="mock/moderate", input="Good morning"), False)


def test_mock(client: OpenAI):
    raw = client.moderations.with_raw_response.create(model="mock/moderate", input=["kill", "hello"])
    exact(ModerationCreateResponse, raw.text)
    answer = client.moderations.create(model="mock/moderate", input=["kill", "hello"])
    check(answer, True, False)
    assert answer.results[0].categories.violence
    assert answer.results[0].category_scores.violence > 0.9
    assert answer.results[0].category_applied_input_types.violence == ["text"]


async def test_mock_async_with_images(aclient: AsyncOpenAI):
    parts = [{"type": "text", "text": "a nice picture"}, IMAGE]
    answer = await aclient.moderations.create(model="mock/moderate", input=parts)
    check(answer, True)
    assert answer.results[0].category_applied_input_types.violence == ["text", "image"]


def test_passing(client: OpenAI, house: House):
    verdict = client.moderations.with_raw_response.create(model="mock/moderate", input="x").text
    house.script(lambda request, wire: wire.json(verdict.encode()))
    assert client.moderations.with_raw_response.create(model="up/model", input="x").text == verdict
    assert house.asked[-1].path == "/v1/moderations"
    assert house.asked[-1].json == {"model": "model", "input": "x"}


def test_errors(client: OpenAI, house: House):
    with pytest.raises(BadRequestError) as caught:
        client.moderations.create(model="mock/moderate", input=[])
    check_error(caught.value, 400, "empty_array", "input")
    house.script(failing(400))
    with pytest.raises(BadRequestError) as caught:
        client.moderations.create(model="up/model", input="x")
    check_error(caught.value, 400, "scripted_code", "scripted_param")


def test_a_client_that_leaves_cancels_the_call(client: OpenAI, house: House):
    house.script(stalling())
    with pytest.raises(APIError):
        client.with_options(timeout=0.2).moderations.create(model="up/model", input="x")
    house.cancelled()
