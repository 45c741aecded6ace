import asyncio

import pytest

from gateway.routing.router import Router
from gateway.seam import (
    Batch,
    Call,
    Duration,
    GatewayError,
    Head,
    ModelNotFound,
    Outcome,
    Reply,
    Target,
    Timeouts,
    UpstreamError,
    UpstreamTimeout,
    owned,
)
from gateway.testing import answer, answering, chat_call, events
from gateway.wire.chat import CHAT_EVENT

ROLE, HEL, LO, FINISH, USAGE, DONE = events("Hel", "lo.")
TARGET = Target("p", "m", Timeouts())


class Scripted:
    """A source that gives what it is told, and knows whether it was closed."""

    def __init__(self, *steps: bytes | Exception | None) -> None:
        self.steps = list(steps)
        self.closed = False

    def __aiter__(self) -> "Scripted":
        return self

    async def __anext__(self) -> Batch:
        if not self.steps:
            raise StopAsyncIteration
        step = self.steps.pop(0)
        if step is None:
            await asyncio.get_running_loop().create_future()
        if isinstance(step, Exception):
            raise step
        assert step is not None
        return Batch(step, CHAT_EVENT)

    async def aclose(self) -> None:
        self.closed = True


def giving(source: Scripted) -> Router:
    async def attempt(call: Call) -> Reply:
        return Reply(call, source, Head())

    return Router(TARGET, attempt)


async def read(reply: Reply) -> bytes:
    return b"".join([batch.raw async for batch in reply])


async def test_the_attempt_knows_its_target_and_asks_under_its_name() -> None:
    seen: list[Call] = []

    async def attempt(call: Call) -> Reply:
        seen.append(call)
        return answer(call, "Hello.")

    call = chat_call(model="mine")
    reply = await Router(TARGET, attempt)(call)
    assert (await reply.whole()).parts()[0].text == "Hello."
    assert seen[0].target == TARGET
    assert seen[0].request.model == "m"
    assert b'"model": "m"' in seen[0].request.raw.replace(b'"model":"m"', b'"model": "m"')
    assert call.request.model == "mine"
    assert (reply.head.provider, reply.head.model) == ("p", "m")
    assert reply.head.headers == {
        b"x-gateway-provider": b"p",
        b"x-gateway-model": b"m",
        b"x-gateway-attempts": b"1",
    }


async def test_a_stream_returns_at_its_first_content_with_all_that_came_before() -> None:
    source = Scripted(ROLE, b": ping\n\n", HEL, None)
    reply = await giving(source)(chat_call(stream=True))
    assert (await anext(reply)).raw == ROLE
    assert (await anext(reply)).raw == b": ping\n\n"
    assert (await anext(reply)).raw == HEL
    assert not source.closed
    await reply.aclose()
    assert source.closed


async def test_an_error_before_content_is_the_calls_own() -> None:
    source = Scripted(ROLE, UpstreamError("No."))
    with pytest.raises(UpstreamError, match="No") as caught:
        await giving(source)(chat_call(stream=True))
    assert caught.value.provider == "p"
    assert source.closed


async def test_an_event_that_does_not_decode_closes_the_stream() -> None:
    source = Scripted(ROLE, b"data: {oops\n\n", HEL)
    with pytest.raises(UpstreamError, match="no chat answer"):
        await giving(source)(chat_call(stream=True))
    assert source.closed


async def test_an_error_after_content_is_the_streams() -> None:
    reply = await giving(Scripted(ROLE, HEL, UpstreamError("No.")))(chat_call(stream=True))
    with pytest.raises(UpstreamError, match="No"):
        await read(reply)


async def test_a_stream_without_content_is_an_answer_at_its_end() -> None:
    reply = await giving(Scripted(ROLE, FINISH, DONE))(chat_call(stream=True))
    assert await read(reply) == ROLE + FINISH + DONE


async def test_the_search_for_content_ends_at_64_kib() -> None:
    comment = b": " + b"x" * 10_000 + b"\n\n"
    source = Scripted(*[comment] * 20, None)
    reply = await giving(source)(chat_call(stream=True))
    assert len(source.steps) == 14
    await reply.aclose()


@pytest.mark.parametrize(
    ("stream", "timeouts", "named"),
    [
        (True, Timeouts(first_token=Duration(0.01)), "timeout.first_token"),
        (True, Timeouts(total=Duration(0.01)), "timeout.total, the wait for a stream's first content"),
        (False, Timeouts(total=Duration(0.01)), "timeout.total, the time for a whole answer"),
    ],
)
async def test_time_runs_out(stream: bool, timeouts: Timeouts, named: str) -> None:
    source = Scripted(ROLE, None)

    async def attempt(call: Call) -> Reply:
        return Reply(call, source)

    with pytest.raises(UpstreamTimeout, match=named) as caught:
        await Router(Target("p", "m", timeouts), attempt)(chat_call(stream=stream))
    assert caught.value.provider == "p"
    assert source.closed


@pytest.mark.parametrize("stream", [False, True])
async def test_a_calls_own_deadline_is_kept(stream: bool) -> None:
    call = chat_call(stream=stream)
    call.deadline = asyncio.get_running_loop().time() + 0.01
    source = Scripted(None)
    with pytest.raises(UpstreamTimeout, match="the call's own deadline"):
        await giving(source)(call)
    assert source.closed


async def test_attempt_and_call_end_once_each_with_what_they_used() -> None:
    outcomes: list[tuple[str, Outcome]] = []

    async def attempt(call: Call) -> Reply:
        call.on_end(lambda outcome: outcomes.append(("attempt", outcome)))
        return answer(call, "Hel", "lo.")

    call = chat_call(stream=True)
    call.on_end(lambda outcome: outcomes.append(("call", outcome)))
    await read(await owned(Router(TARGET, attempt), call))
    assert [(who, o.kind, o.usage.input, o.usage.output, o.estimated) for who, o in outcomes] == [
        ("attempt", "ok", 7, 3, False),
        ("call", "ok", 7, 3, False),
    ]


async def test_a_model_that_its_provider_does_not_know_goes_by_the_name_asked_for() -> None:
    async def attempt(call: Call) -> Reply:
        raise ModelNotFound("m")

    for asked, name in (("p/m", "p/m"), ("alias", "m")):
        with pytest.raises(ModelNotFound) as caught:
            await Router(TARGET, attempt)(chat_call(model=asked))
        assert caught.value.name == name


async def test_who_failed_further_in_is_not_overwritten() -> None:
    async def attempt(call: Call) -> Reply:
        error = GatewayError("No.")
        error.provider = "inner"
        raise error

    with pytest.raises(GatewayError) as caught:
        await Router(TARGET, attempt)(chat_call())
    assert caught.value.provider == "inner"


async def test_a_name_with_line_breaks_stays_on_its_line() -> None:
    reply = await Router(Target("p", "m\r\nx: y\x00é", Timeouts()), answering("Hello."))(chat_call())
    assert reply.head.headers[b"x-gateway-model"] == b"m\\r\\nx: y\\x00\\xe9"
    await reply.aclose()
