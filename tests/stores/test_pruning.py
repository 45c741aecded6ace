import pytest

from gateway.config.database import Retention
from gateway.stores import pruning
from gateway.stores.identity import Memory
from tests.stores.talking import talking, user


async def test_what_has_outlived_its_time_goes_in_small_batches(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "BATCH", 2)
    now = 1_000_000.0
    monkeypatch.setattr("time.time", lambda: now)
    async with talking(database_url, retention=Retention(conversations=1000)) as talk:
        for number in range(5):
            await talk.turn(f"old{number}", [user("a")], variables={"x": 1})
        await talk.env.tasks.drain()
        now += 600
        talk.memory = Memory(last=20, ttl=50)
        await talk.turn("short", [user("a")])
        talk.memory = Memory(last=20)
        await talk.turn("long", [user("a")])
        await talk.env.tasks.drain()
        database = talk.conversations.database
        assert await pruning.prune_once(database) == 0
        now += 60
        assert await pruning.prune_once(database) == 1, "by its own time"
        now += 400
        assert await pruning.prune_once(database) == 5, "by retention"
        assert await talk.kept("old0") == []
        assert len(await talk.kept("long")) == 2
