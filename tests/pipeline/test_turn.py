"""What the contract does not allow is told, and nothing hangs."""

import asyncio
import gc
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.seam import (
    Batch,
    Call,
    GatewayError,
    Handler,
    Reply,
    owned,
    ring,
)
from gateway.testing import answer, ask, chat_call
from tests.pipeline.watched import Function, Watched, failure, passing, plugin, text

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
