"""The official Python client: errors as its typed exceptions."""

import asyncio

import openai
import pytest
from openai import APIError, APIStatusError, AsyncOpenAI, OpenAI

from gateway.testing import events, serve
from tests.clients.conftest import House
from tests.clients.judgements import HELLO, LIMITED, WHOLE_OR_STREAM, ask, check_error, raised_midway
from tests.clients.scripts import error_event, failing, streaming

# ---- the gateway's own


@WHOLE_OR_STREAM
@pytest.mark.parametrize("key", ["sk-wrong", "sk-"])
def test_wrong_key(house: House, stream, key):
    with OpenAI(base_url=house.base_url, api_key=key, max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError) as caught:
            ask(client, stream=stream)
        check_error(caught.value, 401, "invalid_api_key")
        with pytest.raises(openai.AuthenticationError):
            client.models.list()
    assert not house.asked


@WHOLE_OR_STREAM
@pytest.mark.parametrize("model", ["nothing", "mock/ecko", "nowhere/model", "up/"])
def test_unknown_model(client: OpenAI, house: House, model, stream):
    with pytest.raises(openai.NotFoundError) as caught:
        ask(client, model, stream=stream)
    check_error(caught.value, 404, "model_not_found", "model")
    assert not house.asked


@pytest.mark.parametrize("wrong", [{"temperature": 9}, {"n": 0}, {"max_tokens": -1}, {"top_logprobs": 3}])
@WHOLE_OR_STREAM
def test_wrong_parameter(client: OpenAI, wrong, stream):
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client, "mock/echo", stream=stream, **wrong)
    assert caught.value.type == "invalid_request_error"
    assert caught.value.param == next(iter(wrong))


def test_no_model(client: OpenAI):
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client, "")
    check_error(caught.value, 400, "missing_required_parameter", "model")


def test_wrong_messages(client: OpenAI):
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="up/model", messages="Hello")
    check_error(caught.value, 400, "invalid_type", "messages")


def test_too_large(client: OpenAI, house: House):
    with pytest.raises(APIStatusError) as caught:
        client.chat.completions.create(model="up/model", messages=[{"role": "user", "content": "x" * 11_000_000}])
    check_error(caught.value, 413, "request_too_large")
    assert not house.asked


def test_what_is_not_served(client: OpenAI):
    with pytest.raises(openai.NotFoundError) as caught:
        client.images.generate(model="up/model", prompt="A cat")
    check_error(caught.value, 404, "unknown_url")


# ---- the upstream's


@WHOLE_OR_STREAM
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, openai.BadRequestError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (409, openai.ConflictError),
        (413, APIStatusError),
        (422, openai.UnprocessableEntityError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
        (529, openai.InternalServerError),
    ],
)
def test_status(client: OpenAI, house: House, status, kind, stream):
    house.script(failing(status))
    with pytest.raises(kind) as caught:
        ask(client, stream=stream)
    check_error(caught.value, status, "scripted_code", "scripted_param")
    assert caught.value.type == "scripted_type"
    assert caught.value.response.headers["x-gateway-provider"] == "up"
    assert len(house.asked) == 1


async def test_status_async(aclient: AsyncOpenAI, house: House):
    house.script(failing(429, {"code": "insufficient_quota"}))
    with pytest.raises(openai.RateLimitError) as caught:
        await aclient.chat.completions.create(model="up/model", messages=HELLO)
    check_error(caught.value, 429, "insufficient_quota", "scripted_param")


@WHOLE_OR_STREAM
def test_refused_key_of_the_gateway_is_not_the_callers(client: OpenAI, house: House, stream):
    house.script(failing(401, {"message": "Incorrect API key: sk-upstream"}))
    with pytest.raises(openai.InternalServerError) as caught:
        ask(client, stream=stream)
    check_error(caught.value, 502, "upstream_auth")
    assert "sk-upstream" not in str(caught.value)


@pytest.mark.parametrize(
    "body", [b"", b"<html>Bad gateway</html>", b"[]", b'{"error": "told in a word"}', b'{"error": 7}']
)
def test_error_that_is_none_of_openais(client: OpenAI, house: House, body):
    async def script(request, wire):
        await wire.json(body, 503, {"content-type": "text/html"})

    house.script(script)
    with pytest.raises(openai.InternalServerError) as caught:
        ask(client)
    assert caught.value.status_code == 503
    assert set(caught.value.body) == {"message", "type", "param", "code"}


@pytest.mark.parametrize("body", [b"", b"Hello", b"<html></html>", b"null", b'{"object": "chat.completion"'])
def test_answer_that_is_none(client: OpenAI, house: House, body):
    async def script(request, wire):
        await wire.json(body)

    house.script(script)
    with pytest.raises(openai.InternalServerError) as caught:
        ask(client)
    assert caught.value.status_code == 502


# ---- an error inside a 200


@pytest.mark.parametrize(
    "before", [[], [b": ping\n\n"], events("x")[:1]], ids=["at once", "behind a comment", "behind the role"]
)
def test_error_before_content(client: OpenAI, house: House, before):
    house.script(streaming([*before, LIMITED]))
    with pytest.raises(openai.RateLimitError) as caught:
        ask(client, stream=True)
    check_error(caught.value, 429, "rate_limit_exceeded", "messages")


@pytest.mark.parametrize("code", ["server_error", 500, None])
def test_nameless_error_before_content(client: OpenAI, house: House, code):
    house.script(streaming([error_event(code=code)]))
    with pytest.raises(openai.InternalServerError):
        ask(client, stream=True)


def test_error_in_a_whole_200(client: OpenAI, house: House):
    async def script(request, wire):
        await wire.json({"error": {"message": "Too many", "type": "requests", "code": "rate_limit_exceeded"}})

    house.script(script)
    with pytest.raises(openai.RateLimitError) as caught:
        ask(client)
    check_error(caught.value, 429, "rate_limit_exceeded")


def test_error_after_content(client: OpenAI, house: House):
    house.script(streaming([*events("Hello", done=False, finish=None, usage=False), LIMITED]))
    text, error = raised_midway(ask(client, stream=True))
    assert text == "Hello"
    assert (error.message, error.type) == ("scripted", "requests")
    assert (error.code, error.param) == ("rate_limit_exceeded", "messages")


async def test_error_after_content_async(aclient: AsyncOpenAI, house: House):
    house.script(streaming([*events("Hello", done=False, finish=None, usage=False), LIMITED]))
    stream = await aclient.chat.completions.create(model="up/model", messages=HELLO, stream=True)
    with pytest.raises(APIError, match="scripted"):
        async for _ in stream:
            pass


def test_error_after_content_in_the_helper(client: OpenAI, house: House):
    house.script(streaming([*events("Hello", done=False, finish=None, usage=False), LIMITED]))
    with client.chat.completions.stream(model="up/model", messages=HELLO) as stream, pytest.raises(APIError):
        stream.get_final_completion()


CUTS = {
    "in the middle": events("Hello", done=False, finish=None, usage=False),
    "behind the finish": events("Hello", done=False, usage=False),
    "behind the usage": events("Hello", done=False),
    "inside an event": [*events("Hello", done=False, finish=None, usage=False), b'data: {"choi'],
}


async def break_off(wire, way):
    if way == "end":
        await wire.end()
    elif way == "close":
        wire.close()
    else:
        wire.reset()


WAYS = pytest.mark.parametrize("way", ["end", "close", "reset"])


@WAYS
@pytest.mark.parametrize("cut", CUTS)
def test_cut_stream(client: OpenAI, house: House, cut, way):
    """A stream without its end mark is never taken for a whole one."""
    seen = house.upstream.background.call(asyncio.Event)

    async def script(request, wire):
        await wire.open()
        for piece in CUTS[cut]:
            await wire.chunk(piece)
        await seen.wait()  # a reset may overtake what was sent before it
        await break_off(wire, way)

    house.script(script)
    text, error = raised_midway(ask(client, stream=True), lambda: house.upstream.background.call(seen.set))
    assert text == "Hello"
    assert error.code == "upstream_error"


@WAYS
def test_cut_before_content(client: OpenAI, house: House, way):
    async def script(request, wire):
        await wire.open()
        await wire.chunk(events("x")[0])
        await break_off(wire, way)

    house.script(script)
    with pytest.raises(openai.InternalServerError) as caught:
        ask(client, stream=True)
    check_error(caught.value, 502, "upstream_error")


@pytest.mark.parametrize("way", ["close", "reset"])
def test_cut_whole_answer(client: OpenAI, house: House, way):
    async def script(request, wire):
        await wire.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{")
        await break_off(wire, way)

    house.script(script)
    with pytest.raises(openai.InternalServerError) as caught:
        ask(client)
    check_error(caught.value, 502, "upstream_error")


@pytest.mark.parametrize("garbage", [b"data: {not json}\n\n", b"data: 7\n\n", b"<html>\n\n"])
def test_garbage_before_content(client: OpenAI, house: House, garbage):
    house.script(streaming([garbage]))
    with pytest.raises(openai.InternalServerError) as caught:
        ask(client, stream=True)
    check_error(caught.value, 502, "upstream_error")


@pytest.mark.parametrize("model", ["mock/cut", "mock/broken"])
def test_mock_that_breaks_off(client: OpenAI, model):
    text, _ = raised_midway(ask(client, model, stream=True))
    assert text == "Hello world"


def test_unreachable_upstream(house: House):
    settings = {"providers": {"gone": {"type": "openai", "base_url": "http://127.0.0.1:9/v1"}}}
    with serve(settings, {}) as served, OpenAI(base_url=served.base_url, api_key="any", max_retries=0) as client:
        with pytest.raises(openai.InternalServerError) as caught:
            ask(client, "gone/model")
        check_error(caught.value, 502, "upstream_error")
