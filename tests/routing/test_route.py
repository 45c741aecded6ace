"""One try at one target: what counts as an answer, who is blamed, what is learned."""

import asyncio
from collections.abc import Callable

import pytest

from gateway.routing.breaker import State
from gateway.routing.direct import Direct
from gateway.routing.patience import Patience
from gateway.routing.route import Route
from gateway.seam import (
    Call,
    Duration,
    GatewayError,
    Head,
    InvalidRequest,
    ModelNotFound,
    Outcome,
    Reply,
    Target,
    Timeouts,
    UpstreamError,
    UpstreamTimeout,
    Usage,
    owned,
)
from gateway.testing import answer, answering, chat_call
from tests.routing.places import DONE, FINISH, HEL, LO, ROLE, Place, Scripted, failure, route

FOR_EVER = Patience(600)


def giving(source: Scripted, timeouts: Timeouts | None = None) -> Direct:
    async def attempt(call: Call) -> Reply:
        return Reply(call, source, Head())

    return Direct(route("p", attempt, timeouts=timeouts))


async def read(reply: Reply) -> bytes:
    return b"".join([batch.raw async for batch in reply])


async def test_the_attempt_knows_its_target_and_asks_under_its_name() -> None:
    place = Place("p")
    call = chat_call(model="mine")
    reply = await Direct(place.route())(call)
    assert (await reply.whole()).parts()[0].text == "p"
    assert place.calls[0].target == Target("p", "m", Timeouts())
    assert place.calls[0].request.model == "m"
    assert b'"model":"m"' in place.calls[0].request.raw.replace(b" ", b"")
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
    with pytest.raises(UpstreamTimeout, match=named) as caught:
        await giving(source, timeouts)(chat_call(stream=stream))
    assert caught.value.provider == "p"
    assert source.closed


@pytest.mark.parametrize("stream", [False, True])
async def test_a_calls_own_deadline_is_kept_and_blames_nobody(stream: bool) -> None:
    call = chat_call(stream=stream)
    call.deadline = asyncio.get_running_loop().time() + 0.01
    source = Scripted(None)

    async def attempt(call: Call) -> Reply:
        return Reply(call, source)

    one = route("p", attempt)
    with pytest.raises(UpstreamTimeout, match="the call's own deadline"):
        await Direct(one)(call)
    assert source.closed
    assert one.backend.failures == 0


async def test_attempt_and_call_end_once_each_with_what_they_used() -> None:
    outcomes: list[tuple[str, Outcome]] = []

    async def attempt(call: Call) -> Reply:
        call.on_end(lambda outcome: outcomes.append(("attempt", outcome)))
        return answer(call, "Hel", "lo.")

    call = chat_call(stream=True)
    call.on_end(lambda outcome: outcomes.append(("call", outcome)))
    await read(await owned(Direct(route("p", attempt)), call))
    assert [(who, o.kind, o.usage.input, o.usage.output, o.estimated) for who, o in outcomes] == [
        ("attempt", "ok", 7, 3, False),
        ("call", "ok", 7, 3, False),
    ]


async def test_a_model_that_its_provider_does_not_know_goes_by_the_name_asked_for() -> None:
    for name, told in (("m", True), ("another", False)):
        for asked in ("p/m", "alias"):
            with pytest.raises(ModelNotFound) as caught:
                await Direct(Place("p", ModelNotFound(name)).route())(chat_call(model=asked))
            assert caught.value.name == (asked if told else name)
            assert caught.value.provider == "p"


async def test_what_the_gateway_says_of_a_model_is_said_under_the_name_asked_for() -> None:
    ours = InvalidRequest("The model 'm' does not serve x.", param="model", code="unsupported_surface")
    with pytest.raises(InvalidRequest) as caught:
        await Direct(Place("p", ours).route())(chat_call(model="alias"))
    error = caught.value
    assert error.message == "The model 'alias' does not serve x."
    assert (error.status, error.code, error.param, error.provider) == (400, "unsupported_surface", "model", "p")
    assert ours.message == "The model 'm' does not serve x."


@pytest.mark.parametrize(
    "error", [GatewayError("The model 'm' is gone.", status=404), InvalidRequest("The model 'mm' is odd.")]
)
async def test_a_providers_own_words_are_left_as_they_are(error: GatewayError) -> None:
    with pytest.raises(GatewayError) as caught:
        await Direct(Place("p", error).route())(chat_call(model="alias"))
    assert caught.value is error


async def test_who_failed_further_in_is_not_overwritten() -> None:
    error = GatewayError("No.")
    error.provider = "inner"
    with pytest.raises(GatewayError) as caught:
        await Direct(Place("p", error).route())(chat_call())
    assert caught.value.provider == "inner"


async def test_a_name_with_line_breaks_stays_on_its_line() -> None:
    odd = route("p", answering("Hello."))
    odd = Route(odd.backend, Target("p", "m\r\nx: y\x00é", Timeouts()))
    reply = await Direct(odd)(chat_call())
    assert reply.head.headers[b"x-gateway-model"] == b"m\\r\\nx: y\\x00\\xe9"
    await reply.aclose()


async def test_a_virtual_model_says_itself_who_serves() -> None:
    seen: list[Call] = []

    async def chain(call: Call) -> Reply:
        seen.append(call)
        reply = answer(call, "Hello.")
        reply.head.provider, reply.head.headers[b"x-gateway-provider"] = "inner", b"inner"
        return reply

    virtual = route("p", chain)
    virtual = Route(virtual.backend, Target("", "chain:polish", Timeouts()))
    reply = await Direct(virtual)(chat_call(model="mine"))
    assert (seen[0].request.model, seen[0].target) == ("chain:polish", None)
    assert reply.head.provider == "inner"
    assert reply.head.headers == {b"x-gateway-provider": b"inner", b"x-gateway-attempts": b"1"}
    await reply.aclose()


@pytest.mark.parametrize(
    ("error", "provider", "blamed"),
    [
        (failure(500), "p", 1),
        (failure(429), "p", 1),
        (failure(404), "p", 1),
        (failure(400), "p", 0),
        (failure(422), "p", 0),
    ],
)
async def test_what_a_provider_raises_is_its_own(error: GatewayError, provider: str, blamed: int) -> None:
    one = Place("p", error).route()
    with pytest.raises(GatewayError) as caught:
        await one.ask(chat_call(), FOR_EVER)
    assert caught.value.provider == provider
    assert one.backend.failures == blamed
    assert one.backend.in_flight == 0


async def test_what_a_layer_of_the_ring_raises_is_nobodys() -> None:
    async def layer(call: Call) -> Reply:
        raise failure(429)

    one = route("p", answering("Hello."))
    one.backend.enter = layer
    with pytest.raises(GatewayError) as caught:
        await one.ask(chat_call(), FOR_EVER)
    assert caught.value.provider is None
    assert one.backend.failures == 0


async def test_a_rest_that_is_asked_for_is_kept() -> None:
    one = Place("p", failure(429, headers=[(b"retry-after", b"20")])).route()
    with pytest.raises(GatewayError):
        await one.ask(chat_call(), FOR_EVER)
    now = asyncio.get_running_loop().time()
    assert one.backend.breaker.state is State.OPEN
    assert 19 < one.backend.breaker.until - now <= 20


async def test_an_answer_that_breaks_off_is_its_targets_failure() -> None:
    one = Place("p", lambda call: Reply(call, Scripted(ROLE, HEL, UpstreamError("No.", code="odd")))).route()
    reply = await one.ask(chat_call(stream=True), FOR_EVER)
    assert one.backend.in_flight == 1
    assert one.backend.failures == 0
    with pytest.raises(UpstreamError):
        await read(reply)
    assert (one.backend.in_flight, one.backend.failures) == (0, 1)
    assert one.backend.failure is not None
    assert one.backend.failure[:2] == (502, "odd")


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_blames_nobody(stream: bool) -> None:
    one = Place("p", lambda call: Reply(call, Scripted(None))).route()
    call = chat_call(stream=stream)
    task = call.tasks.spawn(one.ask(call, FOR_EVER))
    await asyncio.sleep(0)
    assert one.backend.in_flight == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (one.backend.in_flight, one.backend.failures) == (0, 0)


async def test_a_trial_whose_caller_leaves_is_given_back() -> None:
    one = Place("p", lambda call: Reply(call, Scripted(None))).route()
    one.backend.breaker.rest(0)
    call = chat_call()
    task = call.tasks.spawn(one.ask(call, FOR_EVER))
    await asyncio.sleep(0)
    assert one.backend.breaker.state is State.HALF_OPEN
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert one.backend.breaker.state is State.OPEN


async def test_a_plugins_bug_gives_a_trial_back() -> None:
    async def bug(call: Call) -> Reply:
        raise ZeroDivisionError

    one = route("p", bug)
    one.backend.breaker.rest(0)
    with pytest.raises(ZeroDivisionError):
        await one.ask(chat_call(), FOR_EVER)
    assert one.backend.breaker.state is State.OPEN
    assert one.backend.in_flight == 0


async def test_times_are_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(Scripted):
        def __init__(self, clock: Callable[[float], None], *steps: bytes) -> None:
            super().__init__(*steps)
            self._pass = clock

        async def __anext__(self) -> object:  # type: ignore[override]
            self._pass(1.0)
            return await super().__anext__()

    loop = asyncio.get_running_loop()
    now = [loop.time()]
    monkeypatch.setattr(loop, "time", lambda: now[0])

    def passes(seconds: float) -> None:
        now[0] += seconds

    one = Place("p", lambda call: Reply(call, Slow(passes, ROLE, HEL, LO, FINISH, DONE))).route()
    call = chat_call(stream=True)
    reply = await one.ask(call, FOR_EVER)
    assert one.backend.first_content == 2.0
    await read(reply)
    usage, _ = reply.usage()
    assert isinstance(usage, Usage)
    assert one.backend.per_token == pytest.approx(4.0 / usage.output)
