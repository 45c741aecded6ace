"""A model whose providers are switched off: who answers for it, and what is told where nobody does."""

import asyncio
from copy import copy

import pytest

from gateway.routing.off import Off, SwitchedOff
from gateway.routing.router import Router
from gateway.seam import Duration, GatewayError, Reply, Timeouts
from gateway.testing import chat_call
from tests.routing.places import Place, Scripted, failure, router, text


def off(reason: str = "set KEY", **fallback: list[Router]) -> Off:
    model = Off(reason, Timeouts())
    model.fallback = dict(fallback)
    return model


@pytest.mark.parametrize("cause", ["any", "unavailable"])
async def test_another_model_answers(cause: str) -> None:
    reply = await off(**{cause: [router(Place("b"))]})(chat_call())
    assert await text(reply) == "b"
    assert reply.head.headers[b"x-gateway-attempts"] == b"1"


async def test_lists_of_other_causes_are_left_alone() -> None:
    b = Place("b")
    with pytest.raises(SwitchedOff):
        await off(rate_limit=[router(b)], context_window=[router(b)])(chat_call())
    assert not b.calls


async def test_one_that_is_off_too_is_passed_over_for_what_it_falls_back_on() -> None:
    assert await text(await off(any=[off(any=[router(Place("c"))])])(chat_call())) == "c"


async def test_the_reason_told_is_that_of_the_model_that_was_asked_for() -> None:
    one, other = off("set ONE"), off("set OTHER")
    one.fallback, other.fallback = {"any": [other]}, {"any": [one]}
    with pytest.raises(SwitchedOff) as caught:
        await one(chat_call())
    error = caught.value
    assert (error.status, error.code, error.param) == (503, "provider_not_configured", "model")
    assert error.message == "The model 'mock/echo' cannot be served: set ONE."
    assert (b"x-should-retry", b"false") in error.headers
    assert vars(copy(error)) == vars(error)  # other dialects tell a copy


async def test_the_failure_of_one_that_was_asked_is_told() -> None:
    with pytest.raises(GatewayError) as caught:
        await off(any=[router(Place("b", failure(529)), attempts=1), off("other")])(chat_call())
    assert caught.value.status == 529
    model = router(Place("a", failure(500)), attempts=1)
    model.fallback = {"any": [off()]}
    with pytest.raises(GatewayError) as caught:
        await model(chat_call())
    assert caught.value.status == 500


async def test_one_that_rests_is_asked_before_nobody_is() -> None:
    b = router(Place("b"))
    b.routes[0].backend.breaker.rest(asyncio.get_running_loop().time() + 30)
    assert await text(await off(any=[b])(chat_call())) == "b"


async def test_its_own_time_bounds_those_it_falls_back_on() -> None:
    model = Off("set KEY", Timeouts(total=Duration(0.05)))
    model.fallback = {"any": [router(Place("b", lambda call: Reply(call, Scripted(None))))]}
    with pytest.raises(GatewayError) as caught:
        await model(chat_call())
    assert caught.value.status == 504
