import asyncio

import pytest
from prometheus_client import CollectorRegistry

from gateway.seam import Call, GatewayError, Handler, Reply, owned, ring
from gateway.telemetry.metrics import Metrics, exposition
from gateway.testing import answer, answering, chat_call


class Counted:
    """A ring of the metrics alone, and what they tell."""

    def __init__(self, inner: Handler) -> None:
        self.registry = CollectorRegistry()
        self._handler = ring([Metrics(self.registry, frozenset({"mock/echo"}))], inner)

    async def ask(self, call: Call) -> None:
        reply = await owned(self._handler, call)
        async for _ in reply:
            pass

    def told(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, {"model": "mock/echo", "provider": "", "outcome": "ok"} | labels)


async def test_each_request_is_counted_once() -> None:
    counted = Counted(answering("Hello."))
    await counted.ask(chat_call())
    await counted.ask(chat_call(stream=True))
    assert counted.told("gateway_requests_total") == 2
    assert counted.told("gateway_request_duration_seconds_count") == 2
    assert counted.told("gateway_time_to_first_token_seconds_count") == 1


async def test_names_that_callers_make_up_share_one_label() -> None:
    counted = Counted(answering("Hello."))
    for n in range(5):
        await counted.ask(chat_call(model=f"made-up-{n}"))
    assert counted.told("gateway_requests_total", model="other") == 5
    assert b"made-up" not in exposition(counted.registry)


async def test_the_provider_is_that_of_the_answer_or_of_the_error() -> None:
    async def inner(call: Call) -> Reply:
        if call.request.stream:
            error = GatewayError("No.", status=503)
            error.provider = "down"
            raise error
        reply = answer(call, "Hello.")
        reply.head.provider = "up"
        return reply

    counted = Counted(inner)
    await counted.ask(chat_call())
    with pytest.raises(GatewayError):
        await counted.ask(chat_call(stream=True))
    assert counted.told("gateway_requests_total", provider="up") == 1
    assert counted.told("gateway_requests_total", provider="down", outcome="failed") == 1


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (GatewayError("No.", status=404), "refused"),
        (GatewayError("No.", status=502), "failed"),
        (RuntimeError("No."), "failed"),
        (asyncio.CancelledError(), "cancelled"),
    ],
)
async def test_how_it_ended_is_told(error: BaseException, outcome: str) -> None:
    async def inner(call: Call) -> Reply:
        raise error

    counted = Counted(inner)
    with pytest.raises(type(error)):
        await counted.ask(chat_call())
    assert counted.told("gateway_requests_total", outcome=outcome) == 1


async def test_a_stream_that_is_left_is_cancelled() -> None:
    counted = Counted(answering("Hel", "lo."))
    reply = await owned(counted._handler, chat_call(stream=True))
    await anext(reply)
    await reply.aclose()
    assert counted.told("gateway_requests_total", outcome="cancelled") == 1
