"""A target that rests in one process rests in all."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from gateway.config.state import RedisSettings
from gateway.routing.shared import SharedRests
from gateway.seam import Duration, Env, Hot
from gateway.stores.memory import Memory
from gateway.stores.redis import Redis
from tests.servers import RedisServer, until

TARGETS = ("a/one", "a/two", "b/ü")


class Process:
    """What one process has of it."""

    def __init__(self, hot: Hot, env: Env) -> None:
        self.hot = hot
        self.tasks = env.tasks
        self.heard: list[tuple[str, float, str]] = []
        self.rests = SharedRests(hot, env.tasks, TARGETS, lambda *rest: self.heard.append(rest))
        self.rests.start()

    async def hear(self, message: bytes) -> None:
        """Let a message come, and wait until it was heard."""
        done: list[bytes] = []
        self.hot.subscribe("mark", done.append)
        self.hot.publish("rests", message)
        self.hot.publish("mark", b"")
        await until(lambda: done)


Make = Callable[[str], Awaitable[Process]]


@pytest.fixture
async def process() -> AsyncIterator[Make]:
    async with AsyncExitStack() as stack:

        async def make(url: str) -> Process:
            env = Env(http=None, metrics=CollectorRegistry())
            store = Redis(RedisSettings(url=url, timeout=Duration(5)))
            await store.start(env)
            stack.push_async_callback(store.aclose)
            made = Process(store, env)
            await until(lambda: store._post.hearing)
            return made

        yield make


async def test_all_hear_of_a_rest(process: Make) -> None:
    with RedisServer() as server:
        first, *others = [await process(server.url) for _ in range(3)]
        first.rests.tell("a/one", 30, "status 429")
        await until(lambda: all(other.heard for other in others))
        for other in others:
            assert other.heard == [("a/one", 30, "status 429")], "a duration: clocks of hosts may differ"
        await first.tasks.drain()
        assert first.heard == []


async def test_who_comes_later_reads_what_rests(process: Make) -> None:
    with RedisServer() as server:
        first = await process(server.url)
        first.rests.tell("a/two", 30, "status 503")
        first.rests.tell("b/ü", 30, "over before anybody reads it")
        await first.tasks.drain()
        server.ask("PEXPIRE", "gateway:1:rest:b/ü", 0)
        server.ask("PEXPIRE", "gateway:1:rest:a/two", 20_000)  # as if ten seconds had passed
        fresh = await process(server.url)
        await until(lambda: fresh.heard)
        await fresh.tasks.drain()
        ((target, seconds, why),) = fresh.heard
        assert (target, why) == ("a/two", "status 503")
        assert 15 < seconds <= 20


async def test_what_could_not_be_told_is_told_later(process: Make) -> None:
    with RedisServer() as server:
        one, other = await process(server.url), await process(server.url)
        server.kill()
        await one.hot.get("notice")
        one.rests.tell("a/one", 60, "down")
        await one.tasks.drain()
        server.start()
        await until(lambda: other.heard)
        assert all(target == "a/one" and 45 < seconds < 60 for target, seconds, _ in other.heard)
        assert one.heard == [], "its own key is no news to it"


SENDER = b"12345678"


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\xc1",
        msgspec.msgpack.encode((SENDER, "a/one", 5.0, "x" * 5000)),
        msgspec.msgpack.encode((SENDER, "unknown/target", 5.0, "")),
        msgspec.msgpack.encode((SENDER, "a/one", "5", "")),
        msgspec.msgpack.encode((SENDER, "a/one", -5.0, "")),
        msgspec.msgpack.encode((SENDER, "a/one", float("nan"), "")),
        msgspec.msgpack.encode((SENDER, 7, 5.0, "")),
        msgspec.msgpack.encode((SENDER, "a/one")),
        b"\x94\xc4\x01a\xa1\xff\x05\xa0",
    ],
)
async def test_messages_are_checked(message: bytes) -> None:
    process = Process(Memory(), Env(http=None, metrics=None))
    await process.hear(message)
    assert process.heard == []


async def test_what_others_say_is_bounded() -> None:
    process = Process(Memory(), Env(http=None, metrics=None))
    await process.hear(msgspec.msgpack.encode((SENDER, "a/one", float("inf"), "a\nline" + "w" * 500)))
    await process.hear(msgspec.msgpack.encode((SENDER, "a/one", 5, "whole seconds")))
    assert process.heard == [("a/one", 3600.0, "aline" + "w" * 194), ("a/one", 5.0, "whole seconds")]


async def test_only_known_targets_are_told() -> None:
    process = Process(Memory(), Env(http=None, metrics=None))
    sent: list[bytes] = []
    process.hot.subscribe("rests", sent.append)
    process.rests.tell("other/model", 5, "")
    process.rests.tell("a/one", 0, "over")
    process.rests.tell("a/one", 1e9, "w" * 900)
    await process.hear(b"")
    await process.tasks.drain()
    assert [len(source) < 300 for source in sent] == [True, True]
    assert process.heard == []
    assert await process.hot.left("rest:a/one") <= 3600
