"""Each shape of a plugin passes a call; what it raises is told by its name; what is further in passes."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.pipeline.plugin import Plugin
from gateway.seam import (
    Batch,
    Call,
    GatewayError,
    Handler,
    InvalidRequest,
    Outcome,
    Reply,
    owned,
    ring,
)
from gateway.testing import answer, answering, ask, chat_call
from tests.pipeline.watched import LOG, Function, Watched, failure, looking, passing, plugin, text

# ---- what may be written


class Passing:
    async def __call__(self, call: Call, call_next: Handler) -> Reply:
        return await call_next(call)


@pytest.mark.parametrize("function", [Passing(), passing, looking, lambda call: None])
@pytest.mark.parametrize("stream", [False, True])
async def test_each_shape_passes_a_call(function: Function, stream: bool) -> None:
    watched = Watched()
    assert await text(function, stream=stream, inner=watched) == "Hello."
    assert watched.outcomes == ["ok"]


async def test_a_function_of_the_call_changes_its_texts_and_may_refuse() -> None:
    async def echo(call: Call) -> Reply:
        return answer(call, *[one.text for one in call.request.texts()])

    assert await text(looking, inner=echo) == "HELLO?"

    def refuse(call: Call) -> None:
        raise InvalidRequest("Not today.")

    with pytest.raises(InvalidRequest, match="Not today"):
        await text(refuse)


async def test_a_function_that_blocks_does_not_keep_the_loop() -> None:
    entered, leave = threading.Event(), threading.Event()

    def blocks(call: Call) -> None:
        entered.set()
        assert leave.wait(20)

    call = chat_call()
    task = call.tasks.spawn(ask([plugin(blocks)], call))
    while not entered.is_set():  # noqa: ASYNC110 (a thread sets it)
        await asyncio.sleep(0)  # the loop turns
    assert await text(passing) == "Hello."
    leave.set()
    assert (await task).parts()[0].text == "Hello."


# ---- what fails


async def test_an_exception_is_told_by_name_and_its_text_only_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(call: Call, call_next: Handler) -> Reply:
        raise KeyError("sk-secret")

    error = await failure(broken)
    assert (error.status, error.code, error.retryable) == (500, "plugin_failed", False)
    assert error.message == "The plugin 'tenant' failed: it raised KeyError; the log has more under req_test."
    assert caplog.text.count("KeyError: 'sk-secret'") == 1
    assert caplog.text.count("Traceback") == 1
    assert "'tenant' failed on req_test" in caplog.text


@pytest.mark.parametrize("where", ["thread", "exit", "before", "behind"])
async def test_wherever_it_raises(where: str) -> None:
    watched = Watched()

    def thread(call: Call) -> None:
        raise RuntimeError("x")

    async def exits(call: Call, call_next: Handler) -> Reply:
        raise SystemExit(3)

    async def before(call: Call, call_next: Handler) -> Reply:
        raise StopAsyncIteration

    async def behind(call: Call, call_next: Handler) -> Reply:
        await call_next(call)
        raise RuntimeError("x")

    functions = {"thread": thread, "exit": exits, "before": before, "behind": behind}
    error = await failure(functions[where], watched)
    assert "'tenant' failed: it raised" in error.message
    assert watched.outcomes == (["cancelled"] if where == "behind" else [])


@pytest.mark.parametrize("kind", [InvalidRequest, RuntimeError])
@pytest.mark.parametrize("streamed", [False, True])
async def test_what_is_raised_further_in_is_not_the_plugins(
    kind: type[Exception], streamed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(call: Call) -> Reply:
        if not streamed:
            raise kind("inner")

        async def source() -> AsyncIterator[Batch]:
            raise kind("inner")
            yield

        return Reply(call, source())

    async def reads(call: Call, call_next: Handler) -> Reply:
        reply = await call_next(call)
        return Reply.of(call, await reply.whole())

    for function in (passing, reads):
        with pytest.raises(kind, match="inner"):
            await text(function, inner=broken)
    assert "tenant" not in caplog.text


async def test_a_cancellation_passes() -> None:
    entered = asyncio.Event()

    async def waits(call: Call) -> Reply:
        entered.set()
        await asyncio.Event().wait()
        raise AssertionError

    call = chat_call()
    task = call.tasks.spawn(ask([plugin(passing)], call, waits))
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_plugin_that_blocks_the_loop_is_named_once_in_a_while(caplog: pytest.LogCaptureFixture) -> None:
    async def blocks(call: Call, call_next: Handler) -> Reply:
        time.sleep(0.15)  # noqa: ASYNC251 (what it must not do)
        return await call_next(call)

    blocking = plugin(blocks)
    for _ in range(2):
        await ask([blocking], chat_call())
    assert caplog.text.count("the plugin 'tenant' kept the event loop to itself for 0.1") == 1


async def test_what_blocks_in_a_verb_is_named_and_what_blocks_further_in_is_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def inner(call: Call) -> Reply:
        time.sleep(0.15)  # noqa: ASYNC251
        return answer(call, "Hello.")

    assert await text(passing, inner=inner) == "Hello."
    assert caplog.text == ""

    async def taps(call: Call, call_next: Handler) -> Reply:
        return (await call_next(call)).tap(lambda _: time.sleep(0.15))

    assert await text(taps) == "Hello."
    assert "kept the event loop to itself" in caplog.text


# ---- several


async def test_plugins_nest_and_each_answers_for_itself() -> None:
    order: list[str] = []

    def layer(name: str) -> Function:
        async def function(call: Call, call_next: Handler) -> Reply:
            order.append(f"{name} down")
            reply = await call_next(call)
            order.append(f"{name} up")
            reply.head.headers[f"x-{name}".encode()] = b"1"
            return reply

        return function

    reply = await owned(ring([plugin(layer("a")), plugin(layer("b"))], Watched()), chat_call())
    await reply.whole()
    assert order == ["a down", "b down", "b up", "a up"]
    assert set(reply.head.headers) == {b"x-a", b"x-b"}

    async def broken(call: Call, call_next: Handler) -> Reply:
        raise KeyError

    inner = Plugin("inner", broken, 30, LOG)
    with pytest.raises(GatewayError, match="The plugin 'inner' failed"):
        await ask([plugin(passing), inner], chat_call())


class Same:
    def feed(self, text: str) -> str:
        return text

    def end(self) -> str:
        return ""


async def every_verb(call: Call, call_next: Handler) -> Reply:
    reply = await call_next(call)
    return reply.tap(lambda batch: batch.raw).rewrite(lambda key: Same()).on_end(lambda outcome: None)


async def its_own(call: Call, call_next: Handler) -> Reply:
    reply = await call_next(call)
    return Reply(call, reply, reply.head, inner=reply)


@given(texts=st.lists(st.text(min_size=1), min_size=1, max_size=5), stream=st.booleans(), flows=st.booleans())
@pytest.mark.parametrize("function", [passing, looking, every_verb, its_own])
async def test_what_a_plugin_leaves_alone_leaves_to_the_byte(
    function: Function, texts: list[str], stream: bool, flows: bool
) -> None:
    async def read(middlewares: list[Plugin]) -> list[bytes]:
        reply = await owned(ring(middlewares, answering(*texts)), chat_call(stream=stream))
        batches: list[Batch] = []
        if flows:
            await reply.flow(lambda batch: batches.append(batch) is None)
        else:
            batches = [batch async for batch in reply]
        return [batch.raw for batch in batches]

    assert await read([plugin(function)]) == await read([])


async def test_usage_is_that_of_what_is_further_in() -> None:
    outcomes: list[Outcome] = []
    call = chat_call(stream=True)
    call.on_end(outcomes.append)
    await ask([plugin(passing), plugin(looking)], call)
    assert outcomes[0].kind == "ok"
    assert not outcomes[0].estimated
    assert outcomes[0].usage.output == 3
