"""Rings: order, and calls that end exactly once."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from gateway.seam import (
    Batch,
    Call,
    Chunk,
    Given,
    Handler,
    InvalidRequest,
    Outcome,
    Reply,
    Request,
    Tasks,
    Usage,
    owned,
    ring,
)
from gateway.wire.chat import CHAT_ANSWER, CHAT_EVENT
from gateway.wire.sse import DONE

WHOLE = b'{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}'


def make_call() -> tuple[Call, list[Outcome]]:
    call = Call(Request("chat", b"{}", model="m"), Tasks(logging.getLogger("test")))
    outcomes: list[Outcome] = []
    call.on_end(outcomes.append)
    return call, outcomes


async def answer(call: Call) -> Reply:
    return Reply.of(call, Chunk(WHOLE, CHAT_ANSWER))


async def test_the_first_middleware_stands_outermost() -> None:
    order: list[str] = []

    class Layer:
        def __init__(self, name: str) -> None:
            self.name = name

        async def __call__(self, call: Call, call_next: Handler) -> Reply:
            order.append(f"{self.name} down")
            call.on_end(lambda _: order.append(f"{self.name} call"))
            reply = await call_next(call)
            order.append(f"{self.name} up")
            return reply.on_end(lambda _: order.append(f"{self.name} end"))

    handler = ring([Layer("a"), Layer("b")], answer)
    call, _ = make_call()
    reply = await owned(handler, call)
    await reply.whole()
    assert order == ["a down", "b down", "b up", "a up", "b end", "a end", "b call", "a call"]


async def test_a_ring_without_middlewares_is_its_handler() -> None:
    call, _ = make_call()
    assert (await (await ring([], answer)(call)).whole()).raw == WHOLE


async def read(handler: Handler, call: Call) -> None:
    await (await owned(handler, call)).whole()


async def close(handler: Handler, call: Call) -> None:
    await (await owned(handler, call)).aclose()


async def drop(handler: Handler, call: Call) -> None:
    reply = await owned(handler, call)
    with pytest.warns(ResourceWarning):
        del reply
    await call.tasks.drain()


@pytest.mark.parametrize(("way", "kind"), [(read, "ok"), (close, "cancelled"), (drop, "cancelled")])
async def test_a_call_ends_with_its_reply(way: Callable[[Handler, Call], Awaitable[None]], kind: str) -> None:
    call, outcomes = make_call()
    await way(answer, call)
    assert [outcome.kind for outcome in outcomes] == [kind]


async def test_the_call_is_not_over_while_its_reply_is_read() -> None:
    async def stream(call: Call) -> Reply:
        return Reply(call, Given([Batch(DONE, CHAT_EVENT), Batch(DONE, CHAT_EVENT)]))

    call, outcomes = make_call()
    reply = await owned(stream, call)
    await reply.__anext__()
    assert outcomes == []
    await reply.aclose()
    assert len(outcomes) == 1


async def test_a_call_ends_where_the_handler_raises() -> None:
    async def refuse(call: Call) -> Reply:
        raise InvalidRequest("no")

    call, outcomes = make_call()
    with pytest.raises(InvalidRequest):
        await owned(ring([], refuse), call)
    assert [outcome.kind for outcome in outcomes] == ["refused"]
    assert outcomes[0].usage == Usage()


async def test_a_call_ends_where_the_handler_is_cancelled() -> None:
    entered = asyncio.Event()

    async def wait(call: Call) -> Reply:
        entered.set()
        await asyncio.Event().wait()
        raise AssertionError

    call, outcomes = make_call()
    task = call.tasks.spawn(owned(wait, call))
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [outcome.kind for outcome in outcomes] == ["cancelled"]


async def test_a_call_ends_where_a_layer_forgets_to_return() -> None:
    class Forgets:
        async def __call__(self, call: Call, call_next: Handler) -> Reply:
            await (await call_next(call)).aclose()
            return None  # type: ignore[return-value]

    call, outcomes = make_call()
    with pytest.raises(TypeError, match="no Reply"):
        await owned(ring([Forgets()], answer), call)
    assert [outcome.kind for outcome in outcomes] == ["failed"]


async def test_a_call_ends_where_its_reply_was_over_already() -> None:
    async def spent(call: Call) -> Reply:
        reply = await answer(call)
        await reply.whole()
        return reply

    call, outcomes = make_call()
    await owned(spent, call)
    assert outcomes == [Outcome("ok", Usage(3, 4))]
