"""The official Python client: errors as its typed exceptions, retries, timeouts."""

import asyncio
import logging
import time

import openai
import pytest
from openai import APIError, APIStatusError, APITimeoutError, AsyncOpenAI, OpenAI

from gateway.testing import events, serve
from tests.clients.conftest import House
from tests.clients.scripts import error_event, failing, saying, stalling, streaming, turns

HELLO = [{"role": "user", "content": "Hello world"}]
WHOLE_OR_STREAM = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
SOON = {"retry-after-ms": "5"}


def ask(client: OpenAI, model="up/model", **more):
    return client.chat.completions.create(model=model, messages=HELLO, **more)


def text_of(answer):
    if isinstance(answer, openai.Stream):
        return "".join(chunk.choices[0].delta.content or "" for chunk in answer if chunk.choices)
    return answer.choices[0].message.content


def check_error(error, status, code, param=None):
    """A status error as the SDK shows it, with all of OpenAI's four members."""
    assert isinstance(error, APIStatusError)
    assert error.status_code == status
    assert (error.code, error.param) == (code, param)
    assert error.type
    assert error.request_id.startswith("req_")
    assert set(error.body) == {"message", "type", "param", "code"}
    assert error.body["message"]
    assert error.body["message"] in error.message


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


LIMITED = error_event(type="requests", code="rate_limit_exceeded", param="messages")


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


def raised_midway(stream, on_text=lambda: None):
    """What a stream brings, and the error with which it ends."""
    texts = []

    def read():
        for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                texts.append(chunk.choices[0].delta.content)
                on_text()

    with pytest.raises(APIError) as caught:
        read()
    assert not isinstance(caught.value, APIStatusError)
    return "".join(texts), caught.value


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


# ---- retries


@pytest.fixture
def retrying(house: House):
    with OpenAI(**house.settings) as client:  # twice, by default
        yield client


@WHOLE_OR_STREAM
@pytest.mark.parametrize("status", [429, 500, 502, 503, 409, 408])
def test_retried(retrying: OpenAI, house: House, status, stream):
    house.script(turns(failing(status, headers=SOON), failing(status, headers=SOON), saying("Hello", " world")))
    assert text_of(ask(retrying, stream=stream)) == "Hello world"
    assert len(house.asked) == 3


def test_retries_end(retrying: OpenAI, house: House):
    house.script(failing(503, headers=SOON))
    with pytest.raises(openai.InternalServerError):
        ask(retrying)
    assert len(house.asked) == 3


def test_retry_after(retrying: OpenAI, house: House, caplog):
    caplog.set_level(logging.INFO, "openai")
    house.script(turns(failing(429, headers={"retry-after": "1"}), saying("Hello")))
    begun = time.monotonic()
    assert text_of(ask(retrying)) == "Hello"
    assert time.monotonic() - begun >= 1
    assert "in 1.000000 seconds" in caplog.text
    assert len(house.asked) == 2


def test_retry_after_in_milliseconds_goes_first(retrying: OpenAI, house: House, caplog):
    caplog.set_level(logging.INFO, "openai")
    house.script(turns(failing(429, headers={"retry-after": "60", "retry-after-ms": "20"}), saying("Hello")))
    assert text_of(ask(retrying)) == "Hello"
    assert "in 0.020000 seconds" in caplog.text


@pytest.mark.parametrize("headers", [{"x-should-retry": "false"}, {"retry-after": "121"}])
def test_not_retried(retrying: OpenAI, house: House, headers):
    house.script(failing(429, headers=headers))
    with pytest.raises(openai.RateLimitError):
        ask(retrying)
    assert len(house.asked) == 1


def test_retried_as_told(retrying: OpenAI, house: House):
    house.script(turns(failing(400, headers=SOON | {"x-should-retry": "true"}), saying("Hello")))
    assert text_of(ask(retrying)) == "Hello"
    assert len(house.asked) == 2


def test_mistakes_are_not_retried(retrying: OpenAI, house: House):
    house.script(failing(400, headers=SOON))
    with pytest.raises(openai.BadRequestError):
        ask(retrying)
    assert len(house.asked) == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_retried_async(house: House, stream):
    house.script(turns(failing(503, headers=SOON), saying("Hello")))
    async with AsyncOpenAI(**house.settings) as client:
        answer = await client.chat.completions.create(model="up/model", messages=HELLO, stream=stream)
        if stream:
            assert "".join([chunk.choices[0].delta.content or "" async for chunk in answer if chunk.choices]) == "Hello"
    assert len(house.asked) == 2


def test_error_before_content_is_retried(retrying: OpenAI, house: House):
    house.script(turns(streaming([events("x")[0], LIMITED]), saying("Hello")))
    assert text_of(ask(retrying, stream=True)) == "Hello"
    assert len(house.asked) == 2


def test_error_after_content_is_not_retried(retrying: OpenAI, house: House):
    house.script(turns(streaming([*events("Hello")[:2], LIMITED]), saying("again")))
    text, _ = raised_midway(ask(retrying, stream=True))
    assert text == "Hello"
    assert len(house.asked) == 1


def test_mock_that_recovers(retrying: OpenAI):
    assert text_of(ask(retrying, "mock/flaky")) == "Hello world"


def test_mock_that_does_not(client: OpenAI):
    with pytest.raises(openai.RateLimitError) as caught:
        ask(client, "mock/limited")
    check_error(caught.value, 429, "rate_limit_exceeded")


# ---- timeouts


@WHOLE_OR_STREAM
def test_timeout(client: OpenAI, house: House, stream):
    house.script(stalling())
    with pytest.raises(APITimeoutError):
        ask(client, stream=stream, timeout=0.2)
    house.cancelled()


@pytest.mark.parametrize("stream", [False, True])
async def test_timeout_async(aclient: AsyncOpenAI, house: House, stream):
    house.script(stalling())
    with pytest.raises(APITimeoutError):
        await aclient.with_options(timeout=0.2).chat.completions.create(model="up/model", messages=HELLO, stream=stream)
    house.cancelled()


def test_timeout_midway(client: OpenAI, house: House):
    house.script(stalling(*events("Hello")[:2]))
    seen = []
    with pytest.raises(APITimeoutError):
        seen.extend(ask(client, stream=True, timeout=0.3))
    assert seen[-1].choices[0].delta.content == "Hello"
    house.cancelled()


def test_timeout_of_a_stuck_mock(client: OpenAI):
    with pytest.raises(APITimeoutError):
        list(ask(client, "mock/stuck", stream=True, timeout=0.3))


async def test_cancelled_call(aclient: AsyncOpenAI, house: House):
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def script(request, wire):
        loop.call_soon_threadsafe(begun.set)
        await wire.left()

    house.script(script)
    async with asyncio.TaskGroup() as group:
        call = group.create_task(aclient.chat.completions.create(model="up/model", messages=HELLO))
        await begun.wait()
        call.cancel()
    house.cancelled()


def test_each_retry_is_cancelled(house: House):
    house.script(stalling())
    with OpenAI(**house.settings, max_retries=1, timeout=0.2) as client, pytest.raises(APITimeoutError):
        ask(client)
    house.cancelled(2)


def test_timeouts_of_the_gateway(house: House):
    house.script(stalling(events("x")[0]))
    timeout = {"first_token": "50ms", "total": "100ms"}
    settings = {
        "providers": {"up": {"type": "openai", "base_url": house.upstream.url}},
        "models": {"brief": {"targets": [{"to": "up/model"}], "timeout": timeout}},
    }
    with serve(settings, {}) as served, OpenAI(base_url=served.base_url, api_key="any", max_retries=0) as client:
        for stream in (False, True):
            with pytest.raises(openai.InternalServerError) as caught:
                ask(client, "brief", stream=stream)
            check_error(caught.value, 504, "upstream_timeout")
    house.cancelled(2)


def test_silent_model_is_kept_alive():
    settings = {
        "server": {"stream": {"hold": "50ms", "ping": "20ms"}},
        "providers": {
            "mock": {
                "type": "mock",
                "first_token": "400ms",
                "pace": "1ms",
                "models": {"late": {}, "never": {"failures": [{"kind": "error_event", "after": 1, "status": 429}]}},
            }
        },
    }
    with serve(settings, {}) as served, OpenAI(base_url=served.base_url, api_key="any", max_retries=0) as client:
        # The client would give up after 200 ms of silence: pings keep it, and it does not see them.
        assert text_of(ask(client, "mock/late", stream=True, timeout=0.2)) == "Hello world"
        _, error = raised_midway(ask(client, "mock/never", stream=True, timeout=0.2))
        assert error.code == "rate_limit_exceeded"
