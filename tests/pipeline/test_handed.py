"""What a plugin gives to the verbs of a Reply, and to a call's end, is called under its name."""

import asyncio
from typing import Any

import pytest

from gateway.seam import (
    Call,
    Chunk,
    Handler,
    Reply,
)
from gateway.testing import answering, ask, chat_call
from tests.pipeline.watched import Function, Watched, failure, passing, plugin, raising, text


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
