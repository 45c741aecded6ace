"""What plugins do wrong is told by their name; what is further in passes; nothing hangs and nothing leaks."""

import asyncio
import gc
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.pipeline.plugin import Plugin
from gateway.pipeline.shapes import as_middleware
from gateway.seam import (
    Batch,
    Call,
    Chunk,
    GatewayError,
    Handler,
    InvalidRequest,
    Outcome,
    Reply,
    Threads,
    owned,
    ring,
)
from gateway.testing import answer, answering, ask, chat_call

LOG = logging.getLogger("gateway")
THREADS = Threads(4, LOG)
Function = Callable[..., Any]


def plugin(function: Function, seconds: float = 30) -> Plugin:
    return Plugin("tenant", as_middleware(function, "tenant", THREADS), seconds, LOG)


async def text(*functions: Function, stream: bool = False, inner: Handler | None = None) -> str:
    chunk = await ask([plugin(function) for function in functions], chat_call(stream=stream), inner)
    return "".join(part.text for part in chunk.parts())


async def failure(function: Function, inner: Handler | None = None, *, stream: bool = False) -> GatewayError:
    """The error that a client sees; the call has ended once, and failed."""
    call = chat_call(stream=stream)
    outcomes: list[Outcome] = []
    call.on_end(outcomes.append)
    with pytest.raises(GatewayError) as caught:
        await ask([plugin(function)], call, inner)
    await call.tasks.drain()
    assert [outcome.kind for outcome in outcomes] == ["failed"]
    return caught.value


class Watched:
    """An inner handler whose replies are counted: none may stay open."""

    def __init__(self) -> None:
        self.outcomes: list[str] = []
        self.calls = 0

    async def __call__(self, call: Call) -> Reply:
        self.calls += 1
        return answer(call, "Hel", "lo.").on_end(lambda outcome: self.outcomes.append(outcome.kind))


# ---- what may be written


class Passing:
    async def __call__(self, call: Call, call_next: Handler) -> Reply:
        return await call_next(call)


async def passing(call: Call, call_next: Handler) -> Reply:
    return await call_next(call)


def looking(call: Call) -> None:
    assert threading.current_thread() is not threading.main_thread()
    for one in call.request.texts():
        one.text = one.text.upper()


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


# ---- what the contract does not allow


def nothing_at_all(call: Call) -> int:
    return 3


async def no_return(call: Call, call_next: Handler) -> None:
    await call_next(call)


async def text_for_a_reply(call: Call, call_next: Handler) -> Any:
    return "Hello."


async def read_already(call: Call, call_next: Handler) -> Reply:
    reply = await call_next(call)
    await reply.whole()
    return reply


async def no_call(call: Call, call_next: Handler) -> Reply:
    return await call_next(call.request)  # type: ignore[arg-type]


async def twice_at_once(call: Call, call_next: Handler) -> Reply:
    replies = await asyncio.gather(call_next(call), call_next(call))
    return replies[0]


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (nothing_at_all, "it returned int, and a `def` of the call alone returns nothing"),
        (no_return, "it returned nothing where a Reply is due; does it lack a return?"),
        (text_for_a_reply, "it returned a str where a Reply is due"),
        (read_already, "it returned a Reply that it had read or closed; return Reply.of(call, chunk)"),
        (no_call, "it called call_next with a Request where the call is due"),
        (twice_at_once, "it called call_next while an earlier call_next was still under way"),
    ],
)
async def test_misuse_is_told(function: Function, told: str) -> None:
    async def slow(call: Call) -> Reply:
        await asyncio.sleep(0)
        return answer(call, "Hello.")

    error = await failure(function, slow)
    assert f"The plugin 'tenant' failed: {told}" in error.message
    for _ in range(3):
        await asyncio.sleep(0)  # what was begun at once comes to its end, and is closed
    gc.collect()


async def test_call_next_behind_the_end_is_told() -> None:
    kept: list[Handler] = []

    async def keeps(call: Call, call_next: Handler) -> Reply:
        kept.append(call_next)
        return await call_next(call)

    assert await text(keeps) == "Hello."
    with pytest.raises(Exception, match="after it had returned"):
        await kept[0](chat_call())


async def test_one_after_the_other_is_a_retry() -> None:
    watched = Watched()

    async def again(call: Call, call_next: Handler) -> Reply:
        await (await call_next(call)).aclose()
        return await call_next(call)

    assert await text(again, inner=watched) == "Hello."
    assert watched.outcomes == ["cancelled", "ok"]


async def test_a_reply_that_is_dropped_is_told_and_closed(caplog: pytest.LogCaptureFixture) -> None:
    watched = Watched()

    async def drops(call: Call, call_next: Handler) -> Reply:
        await call_next(call)
        return answer(call, "Mine.")

    call = chat_call()
    with pytest.warns(ResourceWarning, match="dropped unread"):
        chunk = await ask([plugin(drops)], call, watched)
    await call.tasks.drain()
    assert chunk.parts()[0].text == "Mine."
    assert watched.outcomes == ["cancelled"]
    assert "the plugin 'tenant' dropped the Reply of call_next on req_test" in caplog.text


# ---- verbs


def raising(*args: Any) -> Any:
    raise RuntimeError("in a verb")


class BadFilter:
    def feed(self, chunk: Chunk) -> Any:
        return None

    def end(self) -> list[Chunk]:
        return []


class BadText:
    def feed(self, text: str) -> Any:
        return None

    def end(self) -> str:
        return ""


@pytest.mark.parametrize(
    "verb",
    [
        lambda reply: reply.tap(raising),
        lambda reply: reply.rewrite(raising),
        lambda reply: reply.rewrite(lambda key: BadText()),
        lambda reply: reply.rewrite(lambda key: object()),
        lambda reply: reply.pipe(BadFilter()),
        lambda reply: reply.pipe(object()),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_what_a_verb_raises_bears_the_plugins_name(verb: Function, stream: bool) -> None:
    async def verbs(call: Call, call_next: Handler) -> Reply:
        reply: Reply = verb(await call_next(call))
        return reply

    watched = Watched()
    error = await failure(verbs, watched, stream=stream)
    assert "'tenant' failed: it raised" in error.message
    assert len(watched.outcomes) == 1


async def test_verbs_of_outer_layers_are_theirs() -> None:
    class Outer:
        async def __call__(self, call: Call, call_next: Handler) -> Reply:
            return (await call_next(call)).tap(raising)

    with pytest.raises(RuntimeError, match="in a verb"):
        await ask([Outer(), plugin(passing)], chat_call())


async def test_a_text_filter_works_through_the_watch() -> None:
    class Upper:
        def feed(self, text: str) -> str:
            return text.upper()

        def end(self) -> str:
            return "!"

    async def shouts(call: Call, call_next: Handler) -> Reply:
        return (await call_next(call)).rewrite(lambda key: Upper())

    for stream in (False, True):
        assert await text(shouts, stream=stream, inner=answering("Hel", "lo.")) == "HELLO.!"


@pytest.mark.parametrize("of", ["reply", "call before", "call behind"])
@pytest.mark.parametrize("kind", ["raises", "awaits", "no awaitable", "hangs"])
async def test_an_ending_that_fails_is_logged_once_by_name(
    kind: str, of: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def later() -> None:
        raise RuntimeError("later")

    endings: dict[str, Function] = {"raises": raising, "awaits": lambda _: later(), "no awaitable": lambda _: 3}
    endings["hangs"] = lambda _: asyncio.Event().wait()

    async def ends(call: Call, call_next: Handler) -> Reply:
        if of == "call before":
            call.on_end(endings[kind])
        reply = await call_next(call)
        if of == "call behind":
            call.on_end(endings[kind])
        return reply.on_end(endings[kind]) if of == "reply" else reply

    call = chat_call()
    assert (await ask([plugin(ends, 0.02)], call)).parts()
    await call.tasks.drain()
    told = "took longer than 0.02 s" if kind == "hangs" else "failed"
    assert caplog.text.count(f"the plugin 'tenant' {told} on req_test") == 1
    assert len(caplog.records) == 1


async def test_the_endings_of_others_are_theirs(caplog: pytest.LogCaptureFixture) -> None:
    order: list[str] = []

    class Stock:
        def __init__(self, name: str) -> None:
            self.name = name

        async def __call__(self, call: Call, call_next: Handler) -> Reply:
            call.on_end(lambda _: order.append(self.name))
            call.on_end(raising)
            return await call_next(call)

    async def ends(call: Call, call_next: Handler) -> Reply:
        call.on_end(lambda _: order.append("plugin"))
        return await call_next(call)

    await ask([Stock("outer"), plugin(ends), Stock("inner")], chat_call())
    assert order == ["inner", "plugin", "outer"]
    assert caplog.text.count("an on_end of") == 2
    assert "tenant" not in caplog.text


# ---- Replies of its own


async def test_a_source_of_its_own_is_read_under_its_name() -> None:
    def source(fails: bool) -> Function:
        async def makes(call: Call, call_next: Handler) -> Reply:
            reply = await call_next(call)

            async def batches() -> AsyncIterator[Batch]:
                async for batch in reply:
                    yield batch
                if fails:
                    raise RuntimeError("cut")

            return Reply(call, batches(), reply.head, inner=reply)

        return makes

    watched = Watched()
    assert await text(source(fails=False), inner=watched, stream=True) == "Hello."
    assert watched.outcomes == ["ok"]
    error = await failure(source(fails=True), watched, stream=True)
    assert "it raised RuntimeError" in error.message
    assert watched.outcomes == ["ok", "ok"]


async def test_what_it_was_reading_is_closed_with_it() -> None:
    async def makes(call: Call, call_next: Handler) -> Reply:
        reply = await call_next(call)

        async def batches() -> AsyncIterator[Batch]:
            async for batch in reply:
                yield batch

        return Reply(call, batches(), reply.head, inner=reply)

    watched = Watched()
    reply = await owned(ring([plugin(makes)], watched), chat_call(stream=True))
    await reply.__anext__()
    assert watched.outcomes == []
    await reply.aclose()
    assert watched.outcomes == ["cancelled"]


async def test_a_short_circuit() -> None:
    async def mine(call: Call, call_next: Handler) -> Reply:
        return answer(call, "Mine.")

    watched = Watched()
    for stream in (False, True):
        assert await text(mine, inner=watched, stream=stream) == "Mine."
    assert watched.calls == 0


# ---- time


async def forever(call: Call, call_next: Handler) -> Reply:
    await asyncio.Event().wait()
    raise AssertionError


async def forever_behind(call: Call, call_next: Handler) -> Reply:
    await call_next(call)
    await asyncio.Event().wait()
    raise AssertionError


async def forever_in_its_source(call: Call, call_next: Handler) -> Reply:
    reply = await call_next(call)

    async def batches() -> AsyncIterator[Batch]:
        async for batch in reply:
            yield batch
        await asyncio.Event().wait()

    return Reply(call, batches(), reply.head, inner=reply)


@pytest.mark.parametrize("function", [forever, forever_behind, forever_in_its_source])
async def test_a_plugin_that_hangs_is_ended_by_its_timeout(
    function: Function, caplog: pytest.LogCaptureFixture
) -> None:
    watched = Watched()
    call = chat_call(stream=True)
    with pytest.raises(GatewayError) as caught:
        await ask([plugin(function, 0.02)], call, watched)
    assert (caught.value.status, caught.value.code) == (504, "plugin_timeout")
    assert caught.value.message == "The plugin 'tenant' took longer than 0.02 s of its own (its `timeout`)."
    assert "the plugin 'tenant' took longer than 0.02 s on req_test" in caplog.text
    assert len(watched.outcomes) == (0 if function is forever else 1)


@pytest.mark.parametrize("way", ["ending", "generator"])
async def test_a_plugin_that_hangs_behind_the_answer_keeps_nobody(way: str, caplog: pytest.LogCaptureFixture) -> None:
    async def ends(call: Call, call_next: Handler) -> Reply:
        return (await call_next(call)).on_end(lambda _: asyncio.Event().wait())

    async def makes(call: Call, call_next: Handler) -> Reply:
        reply = await call_next(call)

        async def batches() -> AsyncIterator[Batch]:
            try:
                async for batch in reply:
                    yield batch
            finally:
                await asyncio.Event().wait()

        return Reply(call, batches(), reply.head, inner=reply)

    watched = Watched()
    call = chat_call(stream=True)
    reply = await owned(ring([plugin(ends if way == "ending" else makes, 0.02)], watched), call)
    await reply.__anext__()
    await reply.aclose()
    await call.tasks.drain()
    assert watched.outcomes == ["cancelled"]
    assert caplog.text.count("the plugin 'tenant' took longer than 0.02 s on req_test") == 1
    assert "failed" not in caplog.text


async def test_a_function_that_hangs_in_its_thread_is_left_behind() -> None:
    leave = threading.Event()
    with pytest.raises(GatewayError, match=r"longer than 0\.02 s"):
        await ask([plugin(lambda call: leave.wait(20) and None, 0.02)], chat_call())
    leave.set()


async def test_time_further_in_is_not_the_plugins() -> None:
    async def slow(call: Call) -> Reply:
        await asyncio.sleep(0.1)

        async def batches() -> AsyncIterator[Batch]:
            await asyncio.sleep(0.1)
            async for batch in answer(call, "Hello."):
                yield batch

        return Reply(call, batches())

    async def reads(call: Call, call_next: Handler) -> Reply:
        reply = await call_next(call)
        return Reply.of(call, await reply.whole())

    for function in (passing, reads):
        chunk = await ask([plugin(function, 0.05)], chat_call(), slow)
        assert chunk.parts()[0].text == "Hello."


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
