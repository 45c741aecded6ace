"""Tries one after another, at one model's targets and at others': who is asked, how often, and what comes of it."""

import asyncio
import logging
from collections import Counter

import pytest

from gateway.config.routing import Breaker as BreakerSettings
from gateway.config.routing import Retry
from gateway.routing.balance import Priority, RoundRobin
from gateway.routing.blame import Cause
from gateway.routing.breaker import State
from gateway.routing.router import Router
from gateway.seam import Call, Duration, GatewayError, Inbound, Reply, Timeouts, UpstreamError, UpstreamTimeout, owned
from gateway.testing import chat_call
from tests.routing.places import DONE, HEL, LO, ROLE, Place, Scripted, failure, router, text


def tries(error: GatewayError) -> bytes:
    return dict(error.headers)[b"x-gateway-attempts"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", [401, 403, 404, 408, 409, 429, 500, 503, 529])
async def test_another_target_is_asked(stream: bool, status: int) -> None:
    a, b = Place("a", failure(status)), Place("b")
    reply = await router(a, b, strategy=Priority())(chat_call(stream=stream))
    assert await text(reply) == "b"
    assert (reply.head.provider, reply.head.headers[b"x-gateway-attempts"]) == ("b", b"2")
    assert reply.head.headers[b"x-gateway-provider"] == b"b"
    assert (a.outcomes, b.outcomes) == (["failed" if status >= 500 else "refused"], ["ok"])


@pytest.mark.parametrize("status", [400, 402, 413, 415, 422])
async def test_a_callers_own_fault_is_not_tried_again(status: int) -> None:
    a, b = Place("a", failure(status)), Place("b")
    with pytest.raises(GatewayError) as caught:
        await router(a, b, strategy=Priority())(chat_call())
    assert caught.value.status == status
    assert not b.calls
    assert tries(caught.value) == b"1"


async def test_a_stream_that_breaks_before_its_content_is_tried_elsewhere() -> None:
    broken = Scripted(ROLE, b": ping\n\n", UpstreamError("No."))
    a, b = Place("a", lambda call: Reply(call, broken)), Place("b")
    reply = await router(a, b, strategy=Priority())(chat_call(stream=True))
    assert await text(reply) == "b"
    assert broken.closed


async def test_a_stream_that_breaks_after_its_content_is_not() -> None:
    a, b = Place("a", lambda call: Reply(call, Scripted(ROLE, HEL, UpstreamError("No.")))), Place("b")
    reply = await router(a, b, strategy=Priority())(chat_call(stream=True))
    with pytest.raises(UpstreamError):
        await reply.whole()
    assert not b.calls


async def test_a_target_that_stays_silent_is_left_for_another() -> None:
    a, b = Place("a", lambda call: Reply(call, Scripted(ROLE, None))), Place("b")
    silent = router(a, b, strategy=Priority(), timeouts=Timeouts(first_token=Duration(0.02)))
    assert await text(await silent(chat_call(stream=True))) == "b"
    assert a.outcomes == ["failed"]


async def test_the_last_error_has_its_true_status_and_says_how_many_tries() -> None:
    a, b, c = Place("a", failure(500)), Place("b", failure(503, code="odd")), Place("c")
    with pytest.raises(GatewayError) as caught:
        await router(a, b, c, strategy=Priority(), attempts=2)(chat_call())
    error = caught.value
    assert (error.status, error.code, error.provider, tries(error)) == (503, "odd", "b", b"2")
    assert not c.calls


async def test_what_was_tried_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    a, b = Place("a", failure(500)), Place("b", failure(503, code="odd"))
    with caplog.at_level(logging.INFO, "gateway"), pytest.raises(GatewayError):
        await router(a, b, strategy=Priority(), attempts=2)(chat_call())
    assert "a/m: 500 server_error, b/m: 503 odd" in caplog.text


async def test_one_target_is_asked_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("gateway.routing.router.asyncio.sleep", sleep)
    a = Place("a", failure(500), failure(500), failure(500), None)
    reply = await router(a, retry=Retry(attempts=4, backoff=Duration(1)))(chat_call())
    assert await text(reply) == "a"
    assert len(slept) == 3
    assert all(0 <= seconds <= longest for seconds, longest in zip(slept, (1, 2, 2), strict=True))


@pytest.mark.parametrize("error", [failure(404), failure(403), failure(503, headers=[(b"x-should-retry", b"false")])])
async def test_one_target_that_will_not_think_better_is_not_asked_again(error: GatewayError) -> None:
    a = Place("a", error)
    with pytest.raises(GatewayError):
        await router(a)(chat_call())
    assert len(a.calls) == 1


async def test_one_target_that_stays_silent_is_asked_once() -> None:
    a = Place("a", lambda call: Reply(call, Scripted(None)))
    with pytest.raises(UpstreamTimeout):
        await router(a, timeouts=Timeouts(first_token=Duration(0.01)))(chat_call(stream=True))
    assert len(a.calls) == 1


async def test_a_target_that_asked_for_rest_is_left_alone_and_the_client_told() -> None:
    a = Place("a", failure(429, headers=[(b"retry-after", b"7")]))
    with pytest.raises(GatewayError) as caught:
        await router(a)(chat_call())
    assert len(a.calls) == 1
    assert (b"retry-after", b"7") in caught.value.headers


async def test_all_are_asked_before_one_is_asked_again() -> None:
    places = [Place(name, failure(500)) for name in "abc"]
    with pytest.raises(GatewayError):
        await router(*places, attempts=5)(chat_call())
    assert sorted(len(place.calls) for place in places) == [1, 1, 3] or sorted(
        len(place.calls) for place in places
    ) == [1, 2, 2]


async def test_an_open_breaker_is_passed_by() -> None:
    a, b = Place("a", failure(500)), Place("b")
    model = router(a, b, strategy=RoundRobin())
    for _ in range(40):
        assert await text(await model(chat_call())) == "b"
    assert len(a.calls) == 5
    assert model.routes[0].backend.breaker.state is State.OPEN


async def test_a_target_comes_back_by_one_call_and_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    now = [loop.time()]
    monkeypatch.setattr(loop, "time", lambda: now[0])
    a, b = Place("a", *[failure(500)] * 5, None), Place("b")
    model = router(a, b, strategy=RoundRobin())
    for _ in range(20):
        await text(await model(chat_call()))
    a.calls.clear()
    now[0] += 5
    for _ in range(4):
        await text(await model(chat_call()))
    assert model.routes[0].backend.breaker.state is State.CLOSED
    shares = []
    for _ in range(3):
        a.calls.clear()
        for _ in range(400):
            await text(await model(chat_call()))
        shares.append(len(a.calls) / 400)
        now[0] += 15
    assert shares[0] < 0.15 < shares[1] < 0.45 < shares[2] <= 0.55


async def test_when_all_rest_the_one_that_is_nearest_to_its_end_is_asked_once() -> None:
    a, b = Place("a", failure(500)), Place("b", failure(503))
    model = router(a, b)
    now = asyncio.get_running_loop().time()
    model.routes[0].backend.breaker.rest(now + 30)
    model.routes[1].backend.breaker.rest(now + 20)
    with pytest.raises(GatewayError) as caught:
        await model(chat_call())
    assert caught.value.status == 503
    assert (len(a.calls), len(b.calls)) == (0, 1)


async def test_a_last_resort_that_answers_is_back() -> None:
    a = Place("a")
    model = router(a)
    model.routes[0].backend.breaker.rest(asyncio.get_running_loop().time() + 30)
    assert await text(await model(chat_call())) == "a"
    assert model.routes[0].backend.breaker.state is State.CLOSED


async def test_an_outage_is_not_multiplied() -> None:
    """Every call fails; the budget lets a hundred and a fifth of them be tried again."""
    never_open = BreakerSettings(consecutive=10**9, min_calls=10**9)
    a, b = Place("a", failure(500)), Place("b", failure(500))
    model = Router(
        [a.route(breaker=never_open), b.route(breaker=never_open)], retry=Retry(attempts=4, backoff=Duration(0))
    )
    for _ in range(500):
        with pytest.raises(GatewayError):
            await model(chat_call())
    assert len(a.calls) + len(b.calls) <= 500 + 100 + 100


async def test_one_deadline_bounds_all_tries() -> None:
    stalls = Place("a", lambda call: Reply(call, Scripted(None)))
    model = router(
        stalls,
        Place("b", lambda call: Reply(call, Scripted(None))),
        timeouts=Timeouts(first_token=Duration(0.06), total=Duration(0.1)),
    )
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(UpstreamTimeout, match=r"timeout\.total, which bounds all tries") as caught:
        await model(chat_call(stream=True))
    assert loop.time() - began < 0.5
    assert tries(caught.value) == b"2"
    assert sum(one.backend.failures for one in model.routes) == 1  # the second had less time than is its due


async def test_backoff_does_not_outlast_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.routing.router.random.uniform", lambda low, high: high)
    a = Place("a", failure(500))
    model = router(a, retry=Retry(attempts=3, backoff=Duration(5)), timeouts=Timeouts(total=Duration(1)))
    with pytest.raises(GatewayError) as caught:
        await model(chat_call())
    assert caught.value.status == 500
    assert len(a.calls) == 1


async def test_sessions_keep_their_target_and_move_when_it_is_lost() -> None:
    places = [Place(name) for name in "abc"]
    model = router(*places)

    async def serves(session: str) -> str:
        return await text(await model(chat_call(prompt_cache_key=session)))

    sessions = [f"s{number}" for number in range(60)]
    first = {session: await serves(session) for session in sessions}
    assert set(first.values()) == {"a", "b", "c"}
    assert {session: await serves(session) for session in sessions} == first
    model.routes[0].backend.breaker.rest(asyncio.get_running_loop().time() + 30)
    moved = {session: await serves(session) for session in sessions}
    assert all(moved[session] == first[session] for session in sessions if first[session] != "a")
    assert {moved[session] for session in sessions if first[session] == "a"} == {"b", "c"}


async def test_the_sessions_header_counts() -> None:
    model = router(*[Place(name) for name in "abcd"])
    found = Counter()
    for _ in range(12):
        call = chat_call()
        call.put(Inbound([(b"x-gateway-session", b"one")]))
        found[await text(await model(call))] += 1
    assert len(found) == 1


@pytest.mark.parametrize(("strategy", "sticky"), [(Priority(), None), (RoundRobin(), False)])
async def test_sessions_do_not_count_where_they_are_not_to(strategy: object, sticky: bool | None) -> None:
    model = router(*[Place(name) for name in "ab"], strategy=strategy, sticky=sticky)
    found = [await text(await model(chat_call(prompt_cache_key="one"))) for _ in range(4)]
    assert found in (["a"] * 4, ["a", "b"] * 2, ["b", "a"] * 2)
    assert (found == ["a"] * 4) == isinstance(strategy, Priority)


# ---- other models


def chained(*models: Router, cause: str = "any") -> Router:
    """Each model falls back on the next, the last on the first."""
    for number, model in enumerate(models):
        model.fallback = {cause: [models[(number + 1) % len(models)]]}
    return models[0]


async def test_another_model_answers_after_its_own_tries() -> None:
    a, b = Place("a", failure(500)), Place("b", failure(500), None)
    reply = await chained(router(a, attempts=2), router(b, attempts=2))(chat_call())
    assert await text(reply) == "b"
    assert (len(a.calls), len(b.calls)) == (2, 2)
    assert reply.head.headers[b"x-gateway-attempts"] == b"4"
    assert reply.head.provider == "b"


async def test_models_that_name_each_other_are_tried_once_each() -> None:
    places = [Place(name, failure(503)) for name in "abc"]
    with pytest.raises(GatewayError) as caught:
        await chained(*[router(place, attempts=1) for place in places])(chat_call())
    assert [len(place.calls) for place in places] == [1, 1, 1]
    assert tries(caught.value) == b"3"


@pytest.mark.parametrize(
    ("error", "cause", "answers"),
    [
        (failure(400, code="context_length_exceeded"), Cause.CONTEXT_WINDOW, True),
        (failure(400, code="context_length_exceeded"), "any", True),
        (failure(400, code="context_length_exceeded"), Cause.RATE_LIMIT, False),
        (failure(400, code="content_filter"), Cause.CONTENT_FILTER, True),
        (failure(429), Cause.RATE_LIMIT, True),
        (failure(429), Cause.UNAVAILABLE, False),
        (failure(503), Cause.UNAVAILABLE, True),
        (failure(504), Cause.TIMEOUT, True),
        (failure(400), "any", False),
        (failure(422), "any", False),
        (failure(429, retryable=False), "any", False),
    ],
)
async def test_causes_lead_to_their_own_models(error: GatewayError, cause: str, answers: bool) -> None:
    model = chained(router(Place("a", error), attempts=1), router(Place("b")), cause=cause)
    if answers:
        assert await text(await model(chat_call())) == "b"
    else:
        with pytest.raises(GatewayError) as caught:
            await model(chat_call())
        assert caught.value.status == error.status


async def test_the_causes_own_list_comes_before_any() -> None:
    model, b, c = router(Place("a", failure(429))), Place("b", failure(500)), Place("c")
    model.fallback = {"any": [router(c)], "rate_limit": [router(b)]}
    assert await text(await model(chat_call())) == "c"
    assert b.calls


async def test_a_request_that_is_too_long_is_not_tried_at_a_like_target() -> None:
    a, b = Place("a", failure(400, code="context_length_exceeded")), Place("b")
    model = router(a, b, strategy=Priority())
    model.fallback = {"context_window": [router(Place("long"))]}
    assert await text(await model(chat_call())) == "long"
    assert not b.calls


@pytest.mark.parametrize(("status", "cause"), [(429, "rate_limit"), (500, "unavailable")])
async def test_a_model_whose_targets_all_rest_is_passed_by_for_their_reason(status: int, cause: str) -> None:
    a, b = Place("a", failure(status)), Place("b")
    model = router(a, attempts=1)
    for _ in range(5):
        with pytest.raises(GatewayError):
            await model(chat_call())
    model.fallback = {cause: [router(b)]}
    reply = await model(chat_call())
    assert await text(reply) == "b"
    assert reply.head.headers[b"x-gateway-attempts"] == b"1"
    assert len(a.calls) == 5


async def test_where_every_model_rests_the_one_asked_for_is_tried() -> None:
    a, b = Place("a"), Place("b")
    model = chained(router(a), router(b))
    for one in (model, *model.fallback["any"]):
        one.routes[0].backend.breaker.rest(asyncio.get_running_loop().time() + 30)
    assert await text(await model(chat_call())) == "a"
    assert not b.calls


async def test_the_asked_models_deadline_covers_those_that_it_falls_back_on() -> None:
    slow = router(Place("b", lambda call: Reply(call, Scripted(None))))
    model = router(Place("a", failure(500)), attempts=1, timeouts=Timeouts(total=Duration(0.05)))
    model.fallback = {"any": [slow]}
    with pytest.raises(UpstreamTimeout, match="bounds all tries"):
        await model(chat_call())


async def test_every_call_ends_once() -> None:
    endings: list[str] = []
    a, b = Place("a", failure(500)), Place("b", lambda call: Reply(call, Scripted(ROLE, HEL, LO, DONE)))
    call: Call = chat_call(stream=True)
    call.on_end(lambda outcome: endings.append(outcome.kind))
    reply = await owned(router(a, b, strategy=Priority()), call)
    assert endings == []
    await reply.whole()
    assert endings == ["ok"]
    assert (a.outcomes, b.outcomes) == (["failed"], ["ok"])
