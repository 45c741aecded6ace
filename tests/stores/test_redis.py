"""The store over a real server: what it keeps, and what it does when the server freezes, dies and comes back."""

import asyncio
import logging
import random
import re
import time
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from gateway.seam import Env
from gateway.stores.redis import Redis
from tests.servers import RedisServer, free_port, until
from tests.stores.conftest import Opened

pytestmark = pytest.mark.usefixtures("hurried")


async def test_values_and_counters(server: RedisServer, opened: Opened) -> None:
    one, other = await opened(server.url), await opened(server.url)
    assert await one.get("a") is None
    assert await one.left("a") is None
    await one.set("a", b"\x00\xff", 60)
    assert await other.get("a") == b"\x00\xff"
    assert 59 < await other.left("a") <= 60
    await other.delete("a")
    assert await one.get("a") is None
    assert [await one.add("n", 2, 60), await other.add("n", -5, 900), await one.add("n", 0, 900)] == [2, -3, -3]
    assert await one.left("n") <= 60, "a counter lives from when it is made"
    assert await one.get("n") == b"-3"
    assert one.state() == ("redis", True, server.url, "")


async def test_sums_of_many_processes_are_exact(server: RedisServer, opened: Opened) -> None:
    stores = [await opened(server.url, timeout=5) for _ in range(5)]
    sums = await asyncio.gather(*(store.add("n", 1, 60) for store in stores for _ in range(200)))
    assert sorted(sums) == list(range(1, 1001))


async def test_an_added_key_that_holds_no_integer(server: RedisServer, opened: Opened) -> None:
    store = await opened(server.url)
    await store.set("a", b"text", 60)
    with pytest.raises(ValueError, match="no integer"):
        await store.add("a", 1, 60)
    assert store.state().up, "the caller's mistake says nothing about the server"


async def test_keys_have_a_prefix_and_a_version(server: RedisServer, opened: Opened) -> None:
    one, other = await opened(server.url), await opened(server.url, prefix="blue")
    await one.set("a", b"1", 60)
    await other.set("a", b"2", 60)
    assert server.ask("GET", "gateway:1:a") == b"1"
    assert server.ask("GET", "blue:1:a") == b"2"
    heard: list[bytes] = []
    other.subscribe("c", heard.append)
    one.publish("c", b"not for blue")
    other.publish("c", b"blue")
    await until(lambda: heard)
    await asyncio.gather(one.get("a"), other.get("a"))
    assert heard == [b"blue"]


async def test_a_database_of_its_own(server: RedisServer, opened: Opened) -> None:
    store = await opened(f"{server.url}/3")
    await store.set("a", b"1", 60)
    assert server.ask("GET", "gateway:1:a") is None


@pytest.mark.parametrize("ttl", [0, -1, float("inf"), float("nan"), 1e10])
async def test_a_time_to_live_is_checked(server: RedisServer, opened: Opened, ttl: float) -> None:
    store = await opened(server.url)
    for act in (store.set("a", b"1", ttl), store.add("a", 1, ttl)):
        with pytest.raises(ValueError, match="time to live"):
            await act
    assert store.state().up


async def test_a_frozen_server_costs_one_deadline(
    server: RedisServer, opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    registry = CollectorRegistry()
    store = await opened(server.url, Env(http=None, metrics=registry), timeout=0.05)
    await until(lambda: store.state().up)
    await store.set("a", b"shared", 60)
    server.freeze()
    began = time.perf_counter()
    assert await asyncio.gather(*(store.get("a") for _ in range(50))) == [None] * 50
    assert 0.045 < time.perf_counter() - began < 0.5, "all that waited at the time shared the deadline"

    ends = time.perf_counter() + 1
    while time.perf_counter() < ends:  # over several looks for the server, of which no caller is to feel any
        await store.add("n", 1, 60)
        await asyncio.sleep(0)
    assert not store.state().up
    assert store.state().error == "no answer within 50 ms"
    assert b"gateway_state_up 0.0" in generate_latest(registry)

    server.thaw()
    await until(lambda: store.state().up)
    assert await store.get("a") == b"shared"
    assert await store.get("n") is None, "what memory kept meanwhile is forgotten"
    assert b"cmdstat_eval" not in server.ask("INFO", "commandstats"), "while it was lost, no call was sent to it"
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2, told
    assert "is lost" in told[0]
    assert "is back after" in told[1]
    assert not any(record.exc_info for record in caplog.records)
    assert b"gateway_state_up 1.0" in generate_latest(registry)
    counted = registry.get_sample_value("gateway_state_fallbacks_total")
    assert counted is not None
    assert counted > 100


async def test_a_process_that_stood_still_does_not_blame_the_server(server: RedisServer, opened: Opened) -> None:
    """A throttled container or a long pause is not the server's: its answers are there when the process goes on."""
    store = await opened(server.url, timeout=0.2)
    joined = asyncio.Event()
    store.subscribe("c", lambda message: None, joined.set)
    await joined.wait()
    await store.set("a", b"1", 60)
    for _ in range(3):
        calls = [asyncio.get_running_loop().create_task(store.get("a")) for _ in range(8)]
        await asyncio.sleep(0)
        time.sleep(0.5)  # noqa: ASYNC251 (this is the pause)
        assert await asyncio.gather(*calls) == [b"1"] * 8
    assert store.state().up


async def test_killed_and_restarted_over_and_over(server: RedisServer, opened: Opened) -> None:
    store = await opened(server.url)
    joins: list[int] = []
    store.subscribe("c", lambda message: None, lambda: joins.append(1))
    await until(lambda: joins)
    for turn in range(2):
        await asyncio.gather(*(store.set(f"k{n}", b"1", 60) for n in range(40)))
        server.kill()
        for _ in range(100):
            await store.set("a", b"mine", 60)
            assert await store.get("a") == b"mine"
        assert not store.state().up
        server.start()
        await until(lambda wanted=turn + 2: store.state().up and len(joins) >= wanted)
        assert await store.get("a") is None
        await store.set("b", b"%d" % turn, 60)
        assert server.ask("GET", "gateway:1:b") == b"%d" % turn


async def test_down_at_the_start(opened: Opened, caplog: pytest.LogCaptureFixture) -> None:
    with RedisServer() as server:
        server.kill()
        began = time.perf_counter()
        store = await opened(server.url)
        assert time.perf_counter() - began < 1
        assert "is lost" in caplog.text
        assert str(server.port) in store.state().where
        assert await store.add("n", 1, 60) == 1
        heard: list[bytes] = []
        store.subscribe("c", heard.append)
        store.publish("c", b"still heard here")
        await until(lambda: heard)
        server.start()
        await until(lambda: store.state().up)
        assert await store.add("n", 1, 60) == 1


async def test_frozen_at_the_start(server: RedisServer, opened: Opened) -> None:
    server.freeze()
    began = time.perf_counter()
    store = await opened(server.url)
    assert time.perf_counter() - began < 1.5
    assert not store.state().up
    server.thaw()
    await until(lambda: store.state().up)


async def test_a_server_that_takes_no_writes_is_lost(server: RedisServer, opened: Opened) -> None:
    store = await opened(server.url)
    server.ask("REPLICAOF", "127.0.0.1", free_port())
    await store.set("a", b"1", 60)
    assert not store.state().up
    assert "read only replica" in store.state().error
    assert await store.get("a") == b"1"
    server.ask("REPLICAOF", "NO", "ONE")
    await until(lambda: store.state().up)


async def test_a_full_server_is_lost(server: RedisServer, opened: Opened) -> None:
    store = await opened(server.url)
    server.ask("CONFIG", "SET", "maxmemory", "1")
    assert await store.add("n", 3, 60) == 3
    assert "OOM" in store.state().error
    server.ask("CONFIG", "SET", "maxmemory", "0")
    await until(lambda: store.state().up)


async def test_passwords(opened: Opened, caplog: pytest.LogCaptureFixture) -> None:
    with RedisServer("--requirepass", "p@ss:w/rd#1?") as server:
        host = f"127.0.0.1:{server.port}"
        for url, settings in (
            (f"redis://:p@ss:w/rd#1?@{host}", {}),
            (f"redis://default:p%40ss:w%2Frd%231%3F@{host}", {}),
            (f"redis://{host}", {"password": "p@ss:w/rd#1?"}),
            (f"redis://{host}", {"password": "p@ss:w/rd#1?", "username": "default"}),
        ):
            store = await opened(url, **settings)
            assert store.state() == ("redis", True, f"redis://{host}", ""), url
        assert not (await opened(f"redis://{host}")).state().up
        wrong = await opened(f"redis://:hunter2@{host}")
        assert not wrong.state().up
        assert "WRONGPASS" in wrong.state().error or "invalid" in wrong.state().error
        assert "hunter2" not in caplog.text + str(wrong.state())


async def test_the_documented_acl_suffices(server: RedisServer, opened: Opened) -> None:
    text = (Path(__file__).parents[2] / "docs/state.md").read_text()
    found = re.search(r"An ACL that suffices: `([^`]+)`", text)
    assert found is not None
    server.ask("ACL", "SETUSER", "gateway", "on", ">pw", *found[1].split())
    store = await opened(f"redis://gateway:pw@127.0.0.1:{server.port}", prefix="blue")
    heard: list[int] = []
    store.subscribe("c", lambda message: None, lambda: heard.append(1))
    await store.set("a", b"1", 60)
    await store.delete("a")
    assert await store.add("n", 1, 60) == 1
    assert await store.left("n") is not None
    store.publish("c", b"1")
    await until(lambda: heard)
    await store.get("n")
    assert store.state().error == ""


async def test_clients_that_leave_poison_no_connection(server: RedisServer, opened: Opened) -> None:
    """A read that is cancelled at any time must not leave its answer to the next who uses the connection."""
    store = await opened(server.url, timeout=5, connections=4)
    for n in range(50):
        await store.set(f"k{n}", b"%d" % n, 60)
    dice = random.Random(1)

    async def client(n: int) -> None:
        assert await store.get(f"k{n}") == b"%d" % n

    for _ in range(40):
        tasks = [asyncio.get_running_loop().create_task(client(n)) for n in range(50)]
        for _ in range(dice.randint(0, 12)):
            await asyncio.sleep(0)
        for task in dice.sample(tasks, 25):
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(result) for result in results} <= {type(None), asyncio.CancelledError}, results
    assert store.state().up
    assert len(server.ask("CLIENT", "LIST").splitlines()) <= 4 + 2


async def test_connections_are_bounded_and_closed(server: RedisServer, opened: Opened) -> None:
    store = await opened(server.url, timeout=5, connections=3)
    await asyncio.gather(*(store.add("n", 1, 60) for _ in range(300)))
    assert len(server.ask("CLIENT", "LIST").splitlines()) <= 3 + 2, "calls, the listener, and who asks here"
    await store.aclose()
    await until(lambda: len(server.ask("CLIENT", "LIST").splitlines()) == 1)


async def test_what_waits_to_be_sent_is_sent_at_the_end(server: RedisServer, opened: Opened) -> None:
    store, other = await opened(server.url), await opened(server.url)
    heard: list[bytes] = []
    joined = asyncio.Event()
    other.subscribe("c", heard.append, joined.set)
    await joined.wait()
    for n in range(100):
        store.publish("c", b"%d" % n)
    await store.aclose()
    await until(lambda: len(heard) == 100)
    assert heard == [b"%d" % n for n in range(100)], "in their order"


async def test_the_start_needs_no_server_to_be_refused_a_url() -> None:
    from gateway.config.state import RedisSettings

    with pytest.raises(ValueError, match="expected one of redis://"):
        Redis(RedisSettings(url="http://:secret@host"))


async def test_a_unix_socket(opened: Opened) -> None:
    with RedisServer("--unixsocket", "redis.sock") as server:
        store = await opened(f"unix://{server.folder}/redis.sock")
        assert await store.add("n", 1, 60) == 1
        assert store.state().up


async def test_the_log_names_no_traceback_for_each_call(
    server: RedisServer, opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    store = await opened(server.url)
    server.kill()
    with caplog.at_level(logging.DEBUG, "gateway"):
        await asyncio.gather(*(store.get("a") for _ in range(500)))
    assert len(caplog.records) == 1
