"""Anthropic's official Python client: errors as its typed exceptions, retries, timeouts, and a model that is silent."""

import asyncio

import anthropic as sdk
import pytest
from anthropic import Anthropic

from gateway.testing import Received, Upstream, Wire, messages_events, serve
from gateway.testing.upstream import Script
from tests.clients.conftest import House
from tests.clients.scripts import stalling, turns
from tests.clients.test_anthropic_python import HELLO, USAGE, WHOLE_OR_STREAM, ask, saying

SOON = {"retry-after-ms": "5"}


def failing(status: int, kind: str, headers=None) -> Script:
    async def script(request: Received, wire: Wire) -> None:
        error = {"type": "error", "error": {"type": kind, "message": "scripted"}, "request_id": "req_upstream"}
        await wire.json(error, status, headers)

    return script


def raised(kind: type[sdk.APIStatusError], client: Anthropic, **more) -> sdk.APIStatusError:
    with pytest.raises(kind) as caught:
        ask(client, **more)
    error = caught.value
    assert error.request_id == error.body["request_id"] == error.response.headers["x-request-id"]
    assert error.body["type"] == "error"
    return error


@WHOLE_OR_STREAM
@pytest.mark.parametrize(
    ("status", "type_", "kind"),
    [
        (400, "invalid_request_error", sdk.BadRequestError),
        (403, "permission_error", sdk.PermissionDeniedError),
        (404, "not_found_error", sdk.NotFoundError),
        (413, "request_too_large", sdk.RequestTooLargeError),
        (429, "rate_limit_error", sdk.RateLimitError),
        (500, "api_error", sdk.InternalServerError),
        (503, "overloaded_error", sdk.OverloadedError),
        (529, "overloaded_error", sdk.OverloadedError),
    ],
)
def test_the_providers_errors(anthropic: Anthropic, house: House, status, type_, kind, stream):
    house.script(failing(status, type_))
    error = raised(kind, anthropic, stream=stream)
    assert (error.type, error.api_message) == (type_, "scripted")


@WHOLE_OR_STREAM
def test_the_gateways_own_errors(anthropic: Anthropic, house: House, stream):
    house.script(failing(401, "authentication_error"))
    error = raised(sdk.InternalServerError, anthropic, stream=stream)  # the key is not the client's
    assert (error.status_code, error.type) == (502, "api_error")
    house.asked.clear()
    assert raised(sdk.NotFoundError, anthropic, model="nothing", stream=stream).type == "not_found_error"
    assert raised(sdk.BadRequestError, anthropic, messages="Hello", stream=stream).type == "invalid_request_error"
    with Anthropic(base_url=house.served.url, api_key="sk-wrong") as wrong:
        assert raised(sdk.AuthenticationError, wrong, stream=stream).type == "authentication_error"
    assert not house.asked


@WHOLE_OR_STREAM
@pytest.mark.parametrize("status", [408, 409, 429, 500, 503, 529])
def test_retried(house: House, status, stream):
    house.script(turns(failing(status, "x", SOON), failing(status, "x", SOON), saying("Hello")))
    with Anthropic(base_url=house.served.url, api_key=house.key) as client:  # twice, by default
        assert ask(client, stream=stream).content[0].text == "Hello"
    assert len(house.asked) == 3


def test_told_not_to_retry(house: House):
    house.script(failing(429, "rate_limit_error", {"x-should-retry": "false"}))
    with Anthropic(base_url=house.served.url, api_key=house.key) as client:
        raised(sdk.RateLimitError, client)
    assert len(house.asked) == 1


def test_a_client_that_loses_patience_cancels_the_call(anthropic: Anthropic, house: House):
    house.script(stalling())
    with pytest.raises(sdk.APITimeoutError):
        ask(anthropic, timeout=0.2)
    house.cancelled()


def test_a_slow_thinker_shows_a_start_and_pings_at_once():
    """The SDK sees the message begin while the upstream has said nothing, and the right totals in the end."""
    go = asyncio.Event()

    async def script(request: Received, wire: Wire) -> None:
        await wire.open()
        await go.wait()
        for piece in messages_events({"type": "thinking", "thinking": "Hm.", "signature": "s"}, "Yes.", usage=USAGE):
            await wire.chunk(piece)
        await wire.end()

    with Upstream(script) as upstream:
        config = {
            "server": {"stream": {"hold_messages": "100ms", "ping": "20ms"}},
            "providers": {"anthropic": {"api_key": "sk-upstream", "base_url": upstream.url}},
        }
        with (
            serve(config, {}) as served,
            Anthropic(base_url=served.url, api_key="none", timeout=20) as client,
            client.messages.stream(model="anthropic/opus", max_tokens=9, messages=HELLO) as stream,
        ):
            events = iter(stream)
            start = next(events)
            assert (start.type, start.message.content) == ("message_start", [])
            assert start.message.model == "anthropic/opus"
            upstream.background.call(go.set)
            kinds = [event.type for event in events]
            assert kinds[0] == "content_block_start"
            assert kinds[-1] == "message_stop"
            assert "message_start" not in kinds
            final = stream.get_final_message()
            assert [block.type for block in final.content] == ["thinking", "text"]
            assert {name: getattr(final.usage, name) for name in USAGE} == USAGE
            assert final.id == start.message.id
