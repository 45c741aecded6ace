"""Messages between processes."""

import asyncio

import msgspec
import pytest

from tests.servers import RedisServer, until
from tests.stores.conftest import Opened

pytestmark = pytest.mark.usefixtures("hurried")


async def test_each_process_hears_each_message_once(server: RedisServer, opened: Opened) -> None:
    stores = [await opened(server.url) for _ in range(3)]
    heard: list[list[bytes]] = [[], [], []]
    joined = [asyncio.Event() for _ in stores]
    for store, ear, event in zip(stores, heard, joined, strict=True):
        store.subscribe("c", ear.append, event.set)
    await asyncio.gather(*(event.wait() for event in joined))
    stores[0].publish("c", b"1")
    stores[0].publish("other", b"not heard")
    stores[0].publish("c", b"2")
    await until(lambda: all(len(ear) == 2 for ear in heard))
    await asyncio.gather(*(store.get("a") for store in stores))
    assert heard == [[b"1", b"2"]] * 3


async def test_who_subscribes_late_hears_too(server: RedisServer, opened: Opened) -> None:
    one, other = await opened(server.url), await opened(server.url)
    first = asyncio.Event()
    one.subscribe("early", lambda message: None, first.set)
    await first.wait()
    heard: list[bytes] = []
    joined: list[int] = []
    one.subscribe("late", heard.append, lambda: joined.append(1))
    assert joined == [1]
    other.publish("late", b"1")
    await until(lambda: heard)


async def test_subscriptions_outlive_a_restart(server: RedisServer, opened: Opened) -> None:
    one, other = await opened(server.url), await opened(server.url)
    heard: list[bytes] = []
    joins: list[int] = []
    one.subscribe("c", heard.append, lambda: joins.append(1))
    await until(lambda: joins)
    server.kill()
    server.start()
    await until(lambda: len(joins) == 2 and other.state().up)
    other.publish("c", b"again")
    await until(lambda: heard == [b"again"])


async def test_a_connection_that_is_closed_alone_comes_back(
    server: RedisServer, opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    store = await opened(server.url)
    joins: list[int] = []
    store.subscribe("c", lambda message: None, lambda: joins.append(1))
    await until(lambda: joins)
    server.ask("CLIENT", "KILL", "TYPE", "pubsub")
    await until(lambda: len(joins) == 2)
    assert store.state().up
    assert caplog.text == "", "nothing was lost that anybody needs to know of"


async def test_an_idle_process_notices_a_frozen_server(server: RedisServer, opened: Opened) -> None:
    store = await opened(server.url)
    joins: list[int] = []
    store.subscribe("c", lambda message: None, lambda: joins.append(1))
    await until(lambda: joins)
    server.freeze()
    await until(lambda: not store.state().up)
    server.thaw()
    await until(lambda: store.state().up and len(joins) > 1)


@pytest.mark.parametrize(
    "source",
    [
        b"",
        b"\xc1",
        b"text",
        msgspec.msgpack.encode((b"12345678", "c")),
        msgspec.msgpack.encode((b"12345678", "c", 3)),
        msgspec.msgpack.encode((b"12345678", 7, b"m")),
        msgspec.msgpack.encode((b"12345678", "c", b"m", b"more"))[:-2],
        msgspec.msgpack.encode((b"12345678", "c", b"x" * 70_000)),
        b"\x93\xc4\x01a\xa1\xff\xc4\x01m",
    ],
)
async def test_what_is_no_letter_is_dropped(
    server: RedisServer, opened: Opened, source: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    store = await opened(server.url)
    heard: list[bytes] = []
    joined = asyncio.Event()
    store.subscribe("c", heard.append, joined.set)
    await joined.wait()
    server.ask("PUBLISH", "gateway:1:post", source)
    server.ask("PUBLISH", "gateway:1:post", msgspec.msgpack.encode((b"12345678", "c", b"good")))
    await until(lambda: heard)
    assert heard == [b"good"]
    assert caplog.text == ""


async def test_who_fails_to_hear_keeps_nobody_from_hearing(
    server: RedisServer, opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(message: bytes) -> None:
        raise KeyError("broken")

    store = await opened(server.url)
    heard: list[bytes] = []
    store.subscribe("c", broken)
    store.subscribe("c", heard.append)
    store.publish("c", b"1")
    await until(lambda: heard)
    assert "failed to hear" in caplog.text


async def test_a_flood_is_bounded(server: RedisServer, opened: Opened) -> None:
    one, other = await opened(server.url), await opened(server.url)
    heard: list[bytes] = []
    joined = asyncio.Event()
    other.subscribe("c", heard.append, joined.set)
    await joined.wait()
    for n in range(5000):
        one.publish("c", b"%d" % n)
    await until(lambda: heard and heard[-1] == b"4999")
    assert len(heard) == 1000, "the oldest were dropped"
