"""The official Python client: retries and timeouts."""

import asyncio
import logging
import time

import openai
import pytest
from openai import APITimeoutError, AsyncOpenAI, OpenAI

from gateway.testing import events, serve
from tests.clients.conftest import House
from tests.clients.judgements import HELLO, LIMITED, WHOLE_OR_STREAM, ask, check_error, raised_midway, text_of
from tests.clients.scripts import failing, saying, stalling, streaming, turns

SOON = {"retry-after-ms": "5"}


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
