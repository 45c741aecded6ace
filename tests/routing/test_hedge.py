"""A second target where the first is slow: upstream calls are counted, losers cancelled, nothing is left behind."""

import asyncio
import logging
from collections import Counter

import pytest

from gateway.config.routing import After, Share
from gateway.config.routing import Hedge as HedgeSettings
from gateway.routing.balance import Priority
from gateway.routing.hedge import Hedge, Tail
from gateway.routing.router import Router
from gateway.seam import Call, GatewayError, Reply, UpstreamError
from gateway.testing import answer, chat_call
from tests.routing.places import DONE, HEL, LO, ROLE, Place, Scripted, failure, router, text


class Silent(Place):
    """Says nothing until it is let go, or for ever."""

    def __init__(self, name: str, *script: Exception | None) -> None:
        super().__init__(name, *script)
        self.go = asyncio.Event()

    async def __call__(self, call: Call) -> Reply:
        self.note(call)
        await self.go.wait()
        if self.script:
            raise self.script[0]  # type: ignore[misc]
        return answer(call, self.name)


def hedged(*places: Place, after: float = 0.01, share: float = 1.0, attempts: int = 3) -> Router:
    hedge = Hedge(HedgeSettings(after=After(after), share=Share(share)))
    return router(*places, strategy=Priority(), hedge=hedge, attempts=attempts)


@pytest.mark.parametrize("stream", [False, True])
async def test_the_second_answers_where_the_first_is_silent(stream: bool) -> None:
    a, b = Silent("a"), Place("b")
    call = chat_call(stream=stream)
    reply = await hedged(a, b)(call)
    assert await text(reply) == "b"
    assert reply.head.headers[b"x-gateway-attempts"] == b"2"
    assert reply.head.provider == "b"
    await call.tasks.drain()
    assert (a.outcomes, b.outcomes) == (["cancelled"], ["ok"])


async def test_a_first_that_is_quick_is_alone() -> None:
    a, b = Place("a"), Place("b")
    call = chat_call()
    reply = await hedged(a, b, after=5)(call)
    assert await text(reply) == "a"
    assert not b.calls
    assert reply.head.headers[b"x-gateway-attempts"] == b"1"
    await call.tasks.drain()


async def test_the_first_may_still_win() -> None:
    a, b = Silent("a"), Silent("b")
    call = chat_call()
    task = call.tasks.spawn(hedged(a, b)(call))
    await b.asked.wait()
    a.go.set()
    assert await text(await task) == "a"
    await call.tasks.drain()
    assert (a.outcomes, b.outcomes) == (["ok"], ["cancelled"])


async def test_where_both_answer_at_once_one_is_closed() -> None:
    a, b = Silent("a"), Silent("b")
    call = chat_call(stream=True)
    task = call.tasks.spawn(hedged(a, b)(call))
    await b.asked.wait()
    a.go.set()
    b.go.set()
    assert await text(await task) in ("a", "b")
    await call.tasks.drain()
    assert Counter(a.outcomes + b.outcomes) == {"ok": 1, "cancelled": 1}


async def test_an_answer_that_streams_on_is_whole_though_the_loser_is_cancelled() -> None:
    a, b = Silent("a"), Place("b", lambda call: Reply(call, Scripted(ROLE, HEL, LO, DONE)))
    call = chat_call(stream=True)
    reply = await hedged(a, b)(call)
    assert b"".join([batch.raw async for batch in reply]) == ROLE + HEL + LO + DONE
    await call.tasks.drain()


async def test_one_that_fails_leaves_the_other_to_answer() -> None:
    a, b = Silent("a"), Place("b", failure(500))
    call = chat_call()
    task = call.tasks.spawn(hedged(a, b)(call))
    await b.over.wait()
    a.go.set()
    assert await text(await task) == "a"
    await call.tasks.drain()


async def test_a_failure_before_its_time_is_tried_again_as_ever(caplog: pytest.LogCaptureFixture) -> None:
    a, b = Place("a", failure(500)), Place("b")
    call = chat_call()
    assert await text(await hedged(a, b, after=5)(call)) == "b"
    await call.tasks.drain()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_where_both_fail_a_third_is_asked() -> None:
    a, b, c = Silent("a", failure(503)), Place("b", failure(500)), Place("c")
    call = chat_call()
    task = call.tasks.spawn(hedged(a, b, c)(call))
    await b.over.wait()
    a.go.set()
    reply = await task
    assert await text(reply) == "c"
    assert reply.head.headers[b"x-gateway-attempts"] == b"3"
    await call.tasks.drain()


async def test_where_all_fail_the_first_ones_error_is_told() -> None:
    a, b = Silent("a", UpstreamError("Mine.")), Place("b", failure(500))
    call = chat_call()
    task = call.tasks.spawn(hedged(a, b, attempts=2)(call))
    await b.over.wait()
    a.go.set()
    with pytest.raises(GatewayError, match=r"Mine\."):
        await task
    await call.tasks.drain()


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_client_that_leaves_takes_both_along(when: str) -> None:
    a, b = Silent("a"), Silent("b")
    call = chat_call(stream=True)
    model = hedged(a, b, after=60 if when == "before" else 0.001)
    task = call.tasks.spawn(model(call))
    await (a if when == "before" else b).asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await call.tasks.drain()
    assert a.outcomes == ["cancelled"]
    assert b.outcomes == (["cancelled"] if when == "after" else [])
    assert all(one.backend.in_flight == 0 for one in model.routes)


async def test_a_client_that_leaves_as_the_winner_finishes_leaves_nothing() -> None:
    """Whatever moment it is: no Reply is orphaned (which would be a warning, and so an error)."""
    for turns in range(12):
        a, b = Silent("a"), Silent("b")
        call = chat_call(stream=True)
        model = hedged(a, b, after=0.001)
        task = call.tasks.spawn(model(call))
        await b.asked.wait()
        b.go.set()
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        try:
            await (await task).aclose()
        except asyncio.CancelledError:
            pass
        await call.tasks.drain()
        assert len(a.outcomes) == len(b.outcomes) == 1


@pytest.mark.parametrize("fields", [{"tools": [{"type": "function"}]}, {"functions": [{"name": "f"}]}])
async def test_never_with_tools(fields: dict[str, object]) -> None:
    a, b = Silent("a"), Place("b")
    call = chat_call(**fields)
    task = call.tasks.spawn(hedged(a, b, after=0.001)(call))
    await a.asked.wait()
    await asyncio.sleep(0.02)
    a.go.set()
    assert await text(await task) == "a"
    assert not b.calls


async def test_an_empty_list_of_tools_is_none() -> None:
    a, b = Silent("a"), Place("b")
    call = chat_call(tools=[])
    assert await text(await hedged(a, b)(call)) == "b"
    await call.tasks.drain()


async def test_the_share_is_kept() -> None:
    a, b = Silent("a"), Place("b")
    a.go.set()
    model = hedged(a, b, share=0.1, after=0.001)
    for number in range(40):
        if number % 10 == 9:
            a.go.clear()  # every tenth is slow, and a second call allowed by then
        call = chat_call()
        assert await text(await model(call)) == ("b" if number % 10 == 9 else "a")
        await call.tasks.drain()
        a.go.set()
    assert len(b.calls) == 4


async def test_beyond_the_share_one_waits() -> None:
    a, b = Silent("a"), Place("b")
    call = chat_call()
    task = call.tasks.spawn(hedged(a, b, share=0.05, after=0.001)(call))
    await a.asked.wait()
    await asyncio.sleep(0.02)
    assert not b.calls
    a.go.set()
    assert await text(await task) == "a"


async def test_a_lost_race_blames_nobody() -> None:
    a, b = Silent("a"), Place("b")
    call = chat_call()
    model = hedged(a, b)
    await text(await model(call))
    await call.tasks.drain()
    assert [one.backend.failures for one in model.routes] == [0, 0]


async def test_the_p95_is_learned() -> None:
    a, b = Place("a"), Place("b")
    model = hedged(a, b, after=0)
    for _ in range(20):
        await text(await model(chat_call()))
    assert not b.calls
    slow = Silent("a")
    model.routes[0].backend.enter = slow
    call = chat_call()
    assert await text(await model(call)) == "b"
    await call.tasks.drain()
    assert slow.outcomes == ["cancelled"]


def test_a_tail_is_that_of_the_last_two_hundred() -> None:
    tail = Tail()
    for number in range(19):
        tail.add(number)
    assert tail.p95 is None
    tail.add(19)
    assert tail.p95 == 19
    for number in range(400):
        tail.add(number % 100)
    assert tail.p95 == 95
