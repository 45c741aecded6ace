"""Hot state of one process: bounded, and gone in time."""

import asyncio

import pytest

from gateway.stores.memory import Memory


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_values_expire() -> None:
    clock = Clock()
    store = Memory(clock=clock)
    await store.set("a", b"1", 5)
    assert await store.left("a") == 5
    clock.now += 4.9
    assert await store.get("a") == b"1"
    clock.now += 0.1
    assert await store.get("a") is None
    assert await store.left("a") is None


async def test_a_counter_lives_from_when_it_is_made() -> None:
    clock = Clock()
    store = Memory(clock=clock)
    assert await store.add("n", 5, 10) == 5
    clock.now += 9
    assert await store.add("n", 1, 10) == 6
    assert await store.left("n") == 1
    clock.now += 1
    assert await store.add("n", 1, 10) == 1


async def test_the_least_recently_used_goes_first() -> None:
    store = Memory(entries=3)
    for key in "abc":
        await store.set(key, key.encode(), 60)
    await store.get("a")
    await store.add("d", 1, 60)
    assert [await store.get(key) for key in "abcd"] == [b"a", None, b"c", b"1"]


async def test_bytes_are_bounded() -> None:
    store = Memory(size=100_000)
    for n in range(1000):
        await store.set(f"k{n}", b"x" * 1000, 60)
    kept = [n for n in range(1000) if await store.get(f"k{n}")]
    assert 60 < len(kept) <= 100
    assert kept[-1] == 999
    await store.set("huge", b"x" * 200_000, 60)
    assert await store.get("huge") is None, "what is larger than all is not kept, and breaks nothing"
    await store.set("a", b"1", 60)
    assert await store.get("a") == b"1"


async def test_room_comes_back() -> None:
    clock = Clock()
    store = Memory(size=100_000, clock=clock)
    for n in range(50):
        await store.set(f"k{n}", b"x" * 1000, 5)
        await store.set(f"k{n}", b"y", 5)
        await store.delete(f"k{n}")
    for n in range(50):
        await store.set(f"e{n}", b"x" * 1000, 5)
    clock.now += 6
    assert [await store.get(f"e{n}") for n in range(50)] == [None] * 50
    await store.set("big", b"x" * 95_000, 5)
    assert await store.get("big") is not None
    store.clear()
    assert store._room == 100_000


async def test_what_nobody_asks_for_any_more_leaves_too() -> None:
    clock = Clock()
    store = Memory(clock=clock)
    for n in range(100):
        await store.set(f"old{n}", b"1", 5)
    clock.now += 6
    for n in range(60):
        await store.set(f"new{n}", b"1", 5)
    assert len(store._entries) == 60


async def test_messages_come_in_the_next_turn() -> None:
    store = Memory()
    heard: list[bytes] = []
    store.subscribe("c", heard.append)
    store.subscribe("c", heard.append)
    store.publish("c", b"1")
    store.publish("nobody", b"2")
    assert heard == []
    await asyncio.sleep(0)
    assert heard == [b"1", b"1"]
    assert store.state() == ("memory", True, "", "")


@pytest.mark.parametrize("value", [b"", b"x", b"1.0", b"007", b" 1", b"1_0", b"\xd9\xa1"])
async def test_only_integers_are_added_to(value: bytes) -> None:
    store = Memory()
    await store.set("a", value, 60)
    with pytest.raises(ValueError, match="no integer"):
        await store.add("a", 1, 60)
