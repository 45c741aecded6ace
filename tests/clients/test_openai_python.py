"""The official Python client: whole answers, headers, models, and fields on their way through."""

import json

import pytest
from openai import AsyncOpenAI, AuthenticationError, NotFoundError, OpenAI
from openai.types import Model
from openai.types.chat import ChatCompletion

from gateway.testing import Served, completion
from tests.clients.conftest import House
from tests.clients.scripts import saying
from tests.clients.shapes import strict

BOTH = pytest.mark.parametrize("model", ["mock/echo", "up/model", "named", "nick"])
PIXEL = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAACAkQBADs="


def hello(text="Hello world"):
    return [{"role": "user", "content": text}]


def check_whole(answer):
    strict(answer)
    assert type(answer) is ChatCompletion
    assert answer.object == "chat.completion"
    assert isinstance(answer.created, int)
    assert answer.choices[0].index == 0
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].message.content == "Hello world"
    assert answer.choices[0].message.refusal is None
    assert answer.choices[0].message.tool_calls is None
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.prompt_tokens > 0
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer._request_id.startswith("req_")


# ---- as `make run` serves it


def test_readme_first_lines(local: Served):
    with OpenAI(base_url=local.base_url, api_key="sk-local") as client:
        for model in ("echo", "mock/echo"):
            check_whole(client.chat.completions.create(model=model, messages=hello()))
        filler = strict(client.chat.completions.create(model="default", messages=hello()))
        assert len(filler.choices[0].message.content) > 20


def test_environment_suffices(local: Served, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", local.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-local")
    with OpenAI() as client:
        check_whole(client.chat.completions.create(model="echo", messages=hello()))


def test_key_is_asked_for(local: Served):
    with OpenAI(base_url=local.base_url, api_key="sk-wrong") as client:
        with pytest.raises(AuthenticationError):
            client.models.list()
        with pytest.raises(AuthenticationError):
            client.chat.completions.create(model="echo", messages=hello())


# ---- whole answers


@BOTH
def test_whole(client: OpenAI, model):
    check_whole(client.chat.completions.create(model=model, messages=hello()))


@BOTH
async def test_whole_async(aclient: AsyncOpenAI, model):
    check_whole(await aclient.chat.completions.create(model=model, messages=hello()))


def test_details_of_mock(client: OpenAI):
    answer = client.chat.completions.create(model="mock/echo", messages=hello())
    assert answer.id.startswith("chatcmpl-")
    assert answer.usage.prompt_tokens_details.cached_tokens == 0
    assert answer.usage.completion_tokens_details.reasoning_tokens == 0
    assert answer.service_tier == "default"


def test_answer_is_upstreams_own(client: OpenAI, house: House):
    house.script(saying("Hello", " world", system_fingerprint="fp_1", vendor_field={"kept": [1, 2.50]}))
    answer = client.chat.completions.create(model="up/model", messages=hello())
    assert (answer.id, answer.model, answer.created) == ("chatcmpl-1", "upstream-model", 1_700_000_000)
    assert answer.system_fingerprint == "fp_1"
    assert answer.model_extra["vendor_field"] == {"kept": [1, 2.5]}


def test_several_choices(client: OpenAI):
    answer = strict(client.chat.completions.create(model="mock/echo", messages=hello(), n=3))
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert {choice.message.content for choice in answer.choices} == {"Hello world"}
    assert answer.usage.completion_tokens == 6


def test_logprobs(client: OpenAI):
    answer = client.chat.completions.create(model="mock/echo", messages=hello(), logprobs=True, top_logprobs=2)
    tokens = strict(answer).choices[0].logprobs.content
    assert "".join(token.token for token in tokens) == "Hello world"
    assert bytes(byte for token in tokens for byte in token.bytes) == b"Hello world"
    assert all(token.logprob <= 0 and len(token.top_logprobs) == 2 for token in tokens)
    assert client.chat.completions.create(model="mock/echo", messages=hello()).choices[0].logprobs is None


def test_json_object(client: OpenAI):
    answer = client.chat.completions.create(
        model="mock/echo", messages=hello(), response_format={"type": "json_object"}
    )
    assert json.loads(answer.choices[0].message.content) == {"answer": "Hello world"}


def test_length(client: OpenAI):
    answer = strict(client.chat.completions.create(model="mock/lorem", messages=hello(), max_completion_tokens=4))
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 4


def test_images(client: OpenAI, house: House):
    content = [
        {"type": "text", "text": "Hello world"},
        {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}},
    ]
    messages = [{"role": "user", "content": content}]
    check_whole(client.chat.completions.create(model="mock/echo", messages=messages))
    check_whole(client.chat.completions.create(model="up/model", messages=messages))
    assert house.asked[0].json["messages"] == messages


def test_text_of_all_kinds(client: OpenAI, house: House):
    text = 'Grüße, 世界 🌍 \u2028 \x00 \\ " </s> data: [DONE]\n\n'
    assert client.chat.completions.create(model="mock/echo", messages=hello(text)).choices[0].message.content == text
    house.script(saying(text))
    answer = client.chat.completions.create(model="up/model", messages=hello(text))
    assert answer.choices[0].message.content == text
    assert house.asked[0].json["messages"] == hello(text)


def test_long_conversation(client: OpenAI, house: House):
    messages = hello("word " * 400_000)
    assert client.chat.completions.create(model="mock/echo", messages=messages).choices[0].message.content is not None
    check_whole(client.chat.completions.create(model="up/model", messages=messages))
    assert house.asked[0].json["messages"] == messages


# ---- what passes through to the upstream


def test_request_reaches_upstream(client: OpenAI, house: House):
    known = {
        "messages": [{"role": "developer", "content": "Be brief."}, *hello()],
        "temperature": 0.25,
        "seed": 7,
        "stop": ["END"],
        "metadata": {"team": "blue"},
        "reasoning_effort": "low",
        "service_tier": "auto",
        "logit_bias": {"50256": -100},
        "max_completion_tokens": 100,
        "prediction": {"type": "content", "content": "Hello"},
    }
    unknown = {"top_k": 40, "vendor": {"guided": [True, None, 1e-7]}}
    client.chat.completions.create(model="up/model", extra_body=unknown, **known)
    (request,) = house.asked
    assert (request.method, request.path) == ("POST", "/v1/chat/completions")
    assert request.json == {"model": "model", **known, **unknown}


def test_keys_stay_apart(client: OpenAI, house: House):
    client.chat.completions.create(model="up/model", messages=hello())
    assert house.asked[0].headers["authorization"] == "Bearer sk-upstream"
    assert house.key not in repr(house.asked[0])


def test_extra_headers(client: OpenAI, house: House):
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    headers = {"traceparent": parent, "openai-beta": "assistants=v2", "x-private": "mine"}
    client.chat.completions.create(model="up/model", messages=hello(), extra_headers=headers)
    (request,) = house.asked
    assert request.headers["traceparent"] == parent
    assert request.headers["openai-beta"] == "assistants=v2"
    assert "x-private" not in request.headers


def test_extra_query(client: OpenAI, house: House):
    check_whole(client.chat.completions.create(model="up/model", messages=hello(), extra_query={"api-version": "1"}))
    assert house.asked[0].path == "/v1/chat/completions"


# ---- headers of the answer


def check_headers(headers, *, provider, model):
    assert headers["x-request-id"].startswith("req_")
    assert headers["x-gateway-provider"] == provider
    assert headers["x-gateway-model"] == model
    assert headers["x-gateway-attempts"] == "1"


def test_raw_response(client: OpenAI, house: House):
    raw = client.chat.completions.with_raw_response.create(model="named", messages=hello())
    check_headers(raw.headers, provider="up", model="model")
    assert raw.status_code == 200
    assert raw.headers["content-type"].startswith("application/json")
    assert raw.request_id == raw.headers["x-request-id"]
    answer = raw.parse()
    check_whole(answer)
    assert answer._request_id == raw.request_id


async def test_raw_response_async(aclient: AsyncOpenAI):
    raw = await aclient.chat.completions.with_raw_response.create(model="mock/echo", messages=hello())
    check_headers(raw.headers, provider="mock", model="echo")
    check_whole(raw.parse())


def test_streaming_response(client: OpenAI):
    with client.chat.completions.with_streaming_response.create(model="mock/echo", messages=hello()) as response:
        check_headers(response.headers, provider="mock", model="echo")
        check_whole(response.parse())
    with client.chat.completions.with_streaming_response.create(model="up/model", messages=hello()) as response:
        assert json.loads("".join(response.iter_text())) == completion("Hello world")


async def test_streaming_response_async(aclient: AsyncOpenAI):
    create = aclient.chat.completions.with_streaming_response.create
    async with create(model="up/model", messages=hello()) as response:
        check_headers(response.headers, provider="up", model="model")
        assert json.loads(b"".join([piece async for piece in response.iter_bytes()])) == completion("Hello world")


def test_request_ids_differ(client: OpenAI):
    answers = [client.chat.completions.create(model="mock/echo", messages=hello()) for _ in range(3)]
    assert len({answer._request_id for answer in answers}) == 3


# ---- models


def test_models(client: OpenAI):
    page = client.models.list()
    models = {model.id: strict(model) for model in page}
    assert all(type(model) is Model and model.object == "model" for model in models.values())
    assert {"mock/echo", "mock/lorem", "mock/tools", "up/model", "named", "nick"} <= set(models)
    assert models["mock/echo"].owned_by == "mock"
    assert models["named"].owned_by == "up"
    assert page.has_next_page() is False


async def test_models_async(aclient: AsyncOpenAI):
    assert "mock/echo" in [model.id async for model in aclient.models.list()]
    assert (await aclient.models.retrieve("mock/echo")).id == "mock/echo"


@pytest.mark.parametrize("name", ["mock/echo", "up/model", "named", "nick"])
def test_retrieve_model(client: OpenAI, name):
    model = strict(client.models.retrieve(name))
    assert model.id == name
    assert model._request_id.startswith("req_")


def test_unknown_model_is_not_found(client: OpenAI):
    with pytest.raises(NotFoundError) as caught:
        client.models.retrieve("mock/ecko")
    assert caught.value.code == "model_not_found"
    assert "'mock/echo'" in caught.value.message


def test_models_of_a_narrow_key(house: House):
    with OpenAI(base_url=house.base_url, api_key=house.narrow_key) as client:
        assert [model.id for model in client.models.list()] == ["mock/echo"]
        with pytest.raises(NotFoundError):
            client.models.retrieve("mock/lorem")
        check_whole(client.chat.completions.create(model="mock/echo", messages=hello()))
        with pytest.raises(NotFoundError) as caught:
            client.chat.completions.create(model="mock/lorem", messages=hello())
        assert caught.value.code == "model_not_found"
