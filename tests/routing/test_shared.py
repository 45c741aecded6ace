"""A target that rests in one process rests in all."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from gateway.config.state import RedisSettings
from gateway.routing.shared import SharedRests
from gateway.seam import Env, Hot, Tasks
from gateway.stores.memory import Memory
from gateway.stores.redis import Redis
from tests.servers import RedisServer, until

Heard = list[tuple[str, float, str]]
TARGETS = ("a/one", "a/two", "b/ü")


class Process:
    """What one process has of it."""

    def __init__(self, hot: Hot, targets: tuple[str, ...] = TARGETS) -> None:
        self.heard: Heard = []
        self.hot = hot
        self.tasks = Tasks(logging.getLogger("test"))
        self.rests = SharedRests(hot, self.tasks, targets, lambda *rest: self.heard.append(rest))
        self.rests.start()

    async def reached(self) -> None:
        """Wait until all that was published before is heard."""
        done: list[bytes] = []
        self.hot.subscribe("mark", done.append)
        self.hot.publish("mark", b"")
        await until(lambda: done)


@pytest.fixture
async def process() -> AsyncIterator[Callable[[str], object]]:
    async with AsyncExitStack() as stack:

        async def make(url: str) -> Process:
            store = Redis(RedisSettings(url=url))
            await store.start(Env(http=None, metrics=CollectorRegistry()))  # type: ignore[arg-type]
            stack.push_async_callback(store.aclose)
            made = Process(store)
            await until(lambda: store._post.hearing)
            return made

        yield make  # type: ignore[misc]


async def test_all_hear_of_a_rest(process) -> None:
    with RedisServer() as server:
        first, *others = [await process(server.url) for _ in range(3)]
        first.rests.tell("a/one", 30, "status 429")
        await until(lambda: all(other.heard for other in others))
        for other in others:
            ((target, seconds, why),) = other.heard
            assert (target, why) == ("a/one", "status 429")
            assert seconds == 30, "a duration: clocks of hosts may differ"


async def test_who_comes_later_reads_what_rests(process) -> None:
    with RedisServer() as server:
        first = await process(server.url)
        first.rests.tell("a/two", 30, "status 503")
        first.rests.tell("b/ü", 0.001, "over before anybody reads it")
        await first.tasks.drain()
        server.ask("PEXPIRE", "gateway:1:rest:b/ü", 0)
        fresh = await process(server.url)
        await until(lambda: fresh.heard)
        await fresh.tasks.drain()
        ((target, seconds, _),) = fresh.heard
        assert target == "a/two"
        assert 29 < seconds <= 30


async def test_what_could_not_be_told_is_told_later(process) -> None:
    with RedisServer() as server:
        one, other = await process(server.url), await process(server.url)
        server.kill()
        await one.hot.get("notice")
        one.rests.tell("a/one", 60, "down")
        await one.tasks.drain()
        server.start()
        await until(lambda: any(target == "a/one" and 50 < seconds < 60 for target, seconds, _ in other.heard))


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\xc1",
        b"x" * 5000,
        msgspec.msgpack.encode(("unknown/target", 5.0, "")),
        msgspec.msgpack.encode(("a/one", "5", "")),
        msgspec.msgpack.encode(("a/one", -5.0, "")),
        msgspec.msgpack.encode(("a/one", float("nan"), "")),
        msgspec.msgpack.encode((7, 5.0, "")),
        msgspec.msgpack.encode(["a/one"]),
    ],
)
async def test_messages_are_checked(message: bytes) -> None:
    process = Process(Memory())
    process.hot.publish("rests", message)
    await process.reached()
    assert process.heard == []


async def test_a_rest_is_bounded() -> None:
    process = Process(Memory())
    process.hot.publish("rests", msgspec.msgpack.encode(("a/one", float("inf"), "w" * 500)))
    process.hot.publish("rests", msgspec.msgpack.encode(("a/one", 5, "whole seconds")))
    await process.reached()
    assert process.heard == [("a/one", 3600.0, "w" * 200), ("a/one", 5.0, "whole seconds")]


async def test_only_known_targets_are_told() -> None:
    process = Process(Memory())
    process.rests.tell("other/model", 5, "")
    process.rests.tell("a/one", 0, "over")
    process.rests.tell("a/one", 5, "")
    await process.reached()
    await process.tasks.drain()
    assert [target for target, *_ in process.heard] == ["a/one"]
    await asyncio.sleep(0)
