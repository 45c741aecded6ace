"""Runs that are kept: no request waits for the database, and what was told is told again after a restart."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from gateway import Gateway
from gateway.orchestration import keeper, records
from gateway.orchestration.records import Records
from gateway.seam import GatewayError
from gateway.stores.run_row import Wanted
from gateway.stores.runs import KeptRuns
from gateway.wire.verbatim import encode
from tests.orchestration.scripted import SCRIPTED, World, until, user
from tests.postgres import PostgresServer

CHAINS = {
    "c": {
        "type": "sequential",
        "steps": [{"name": "a", "model": "s/m", "prompt": "{{ input }}"}, {"name": "b", "template": "{{ a }}!"}],
    }
}


@asynccontextmanager
async def keeping(url: str | None, **blocks: Any) -> AsyncIterator[World]:
    config = {"providers": {"s": SCRIPTED}, "chains": CHAINS, "runs": {}, **blocks}
    async with Gateway.load(config | ({} if url is None else {"database": url})) as gateway:
        yield World(gateway)


def of(w: World) -> Records:
    assert w.gateway.records is not None
    return w.gateway.records


def unwritten(w: World) -> int:
    found = of(w)._keeper
    assert found is not None
    return len(found._seen)


async def written(w: World) -> None:
    async with asyncio.timeout(20):
        while unwritten(w):  # noqa: ASYNC110 (what is waited for tells nobody)
            await asyncio.sleep(0.01)


async def test_after_a_restart_everything_is_told_again(database_url: str) -> None:
    async with keeping(database_url) as w:
        answers = [await w.gateway.run("chain:c", messages=user(f"Hi {number}")) for number in range(5)]
        w.model.says = {"bad": GatewayError("It is down.", status=503)}
        with pytest.raises(GatewayError):
            await w.gateway.run("chain:c", messages=user("bad"))
        before = await of(w).rows(Wanted(100))
        stories = [await of(w).story(row.id, None) for row in before]
        if unwritten(w) == 0:
            assert not of(w)._over
    async with keeping(database_url) as w:
        assert await of(w).rows(Wanted(100)) == before
        assert [await of(w).story(row.id, None) for row in before] == stories
        assert {answer.run_id for answer in answers} < {row.id for row in before}
        follower = await of(w).follower(before[-1].id, None, 2)
        assert follower is not None
        assert stories[-1] is not None
        assert (await follower.more(), await follower.more()) == (stories[-1].events[2:], [])
        contents = json.loads(stories[-1].events[2])
        assert contents["output"] == "<Hi 0>"


async def test_what_is_written_leaves_memory(database_url: str) -> None:
    async with keeping(database_url) as w:
        await asyncio.gather(*(_ask(w, 75) for _ in range(20)))
        await written(w)
        assert w.env.metrics.get_sample_value("gateway_runs_lost_total") == 0
        assert (len(of(w)._over), len(of(w)._live), of(w)._weight) == (0, 0, 0)
        assert len(await of(w).rows(Wanted(10_000))) == 1500
        page = await of(w).rows(Wanted(10))
        more = await of(w).rows(Wanted(10, after=page[-1].id))
        assert not {row.id for row in page} & {row.id for row in more}


async def _ask(w: World, count: int) -> None:
    for number in range(count):
        await w.ask("chain:c", str(number))
        await asyncio.sleep(0.01)


async def test_lists_hold_what_is_written_and_what_is_not(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with keeping(database_url) as w:
        for number in range(4):
            await w.ask("chain:c", str(number))
        await written(w)
        monkeypatch.setattr(keeper, "PAUSE", 3600)
        for number in range(3):
            await w.ask("chain:c", str(number))
        task = w.env.tasks.spawn(w.ask("chain:c", "wait"))
        await until(lambda: w.model.running == 1)
        rows = await of(w).rows(Wanted(100))
        assert [row.status for row in rows] == ["running"] + ["completed"] * 7
        assert [row.id for row in rows] == sorted((row.id for row in rows), reverse=True)
        assert await of(w).rows(Wanted(2, after=rows[2].id)) == rows[3:5]
        assert await of(w).rows(Wanted(5, "asc")) == rows[:2:-1]
        w.model.go.set()
        await task
    async with keeping(database_url) as w:
        assert len(await of(w).rows(Wanted(100))) == 8, "what was not written yet was when it closed"


async def test_a_live_run_is_followed_from_another_process(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.orchestration.followers.POLL", 0.02)
    async with keeping(database_url) as serves, keeping(database_url) as reads:
        task = serves.env.tasks.spawn(serves.gateway.run("chain:c", messages=user("wait")))
        await until(lambda: serves.model.running == 1)
        (live,) = of(serves)._live.values()
        async with asyncio.timeout(20):
            while await of(reads).row(live.id, None) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            follower = await of(reads).follower(live.id, None)
            assert follower is not None
            seen = await follower.more()
            assert [json.loads(event)["type"] for event in seen] == ["run.started", "step.started"]
            with pytest.raises(GatewayError, match="another process") as caught:
                await of(reads).cancel(live.id, None)
            assert (caught.value.status, caught.value.code) == (409, "run_elsewhere")
            serves.model.go.set()
            while events := await follower.more():
                seen += events
        await task
        story = await of(serves).story(live.id, None)
        assert story is not None
        assert seen == story.events


async def test_nothing_kept_makes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    database = anyio.Path(tmp_path / "gateway.db")
    async with keeping(None, runs={"keep": False}) as w:
        await w.ask("chain:c")
        assert len(await of(w).rows(Wanted(5))) == 1
    async with keeping(None) as w:
        assert any("runs are kept in sqlite:///gateway.db" in note for note in w.gateway.notes)
        assert await of(w).rows(Wanted(5)) == []
        assert await of(w).story("run_x", None) is None
        assert not await database.exists()
        await w.ask("chain:c")
        await written(w)
        assert await database.exists()
        assert len(await of(w).rows(Wanted(5))) == 1


async def test_a_database_that_is_gone_and_back_under_load(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("gateway.stores.database.PAUSE", 0.1)
    server = PostgresServer()
    server.start()
    try:
        url = {"url": await server.database(), "timeout": "500ms"}
        async with keeping(url) as w:  # type: ignore[arg-type]  # settings do as well
            answered = 0
            over = asyncio.Event()

            async def client() -> None:
                nonlocal answered
                while not over.is_set():
                    assert await w.ask("chain:c", "x") == "<x>!"
                    answered += 1
                    await asyncio.sleep(0.02)

            async def more(count: int) -> None:
                goal = answered + count
                async with asyncio.timeout(30):
                    while answered < goal and not any(task.done() for task in clients):  # noqa: ASYNC110
                        await asyncio.sleep(0.01)

            async def state(error: bool) -> None:
                async with asyncio.timeout(30):
                    while bool(w.gateway.database.error) is not error:  # noqa: ASYNC110
                        await asyncio.sleep(0.01)

            clients = [w.env.tasks.spawn(client()) for _ in range(5)]
            await more(50)
            server.freeze()
            await state(error=True)
            await more(100)
            server.thaw()
            await state(error=False)
            await more(50)
            server.kill()
            await state(error=True)
            await more(100)
            server.start()
            await state(error=False)
            await more(50)
            over.set()
            await asyncio.gather(*clients)
            await written(w)
            rows = await of(w).rows(Wanted(100_000))
            assert len(rows) == answered
            assert {row.status for row in rows} == {"completed"}
            for row in rows[:: len(rows) // 50]:
                story = await of(w).story(row.id, None)
                assert story is not None
                assert [json.loads(event)["seq"] for event in story.events] == list(range(1, 7))
    finally:
        server.close()
    assert not [record for record in caplog.records if "could not be kept" in record.getMessage()]


async def test_what_finds_no_room_is_counted_and_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(records, "MOST", 5)
    monkeypatch.setattr(keeper, "PAUSE", 0.05)
    async with keeping(f"sqlite:///{tmp_path}/gateway.db") as w:
        database = w.gateway.database
        database.error = "it is gone"
        for _ in range(20):
            await w.ask("chain:c")
        assert unwritten(w) == 5
        assert w.env.metrics.get_sample_value("gateway_runs_lost_total") == 15
        database.error = ""
        database._back.set()
        await written(w)
        assert len(await of(w).rows(Wanted(100))) == 5
    told = [record.getMessage() for record in caplog.records if "runs:" in record.getMessage()]
    assert told == ["runs: more of them end than the database takes; the oldest are not kept"]


async def test_what_is_wrong_with_one_does_not_cost_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write = KeptRuns.write

    async def picky(self: KeptRuns, changes: Any) -> None:
        if any(b'"bad"' in encode(change.events) for change in changes):
            raise ValueError("no")
        await write(self, changes)

    monkeypatch.setattr(KeptRuns, "write", picky)
    async with keeping(f"sqlite:///{tmp_path}/gateway.db") as w:
        for text in ("good", "bad", "fine"):
            await w.ask("chain:c", text)
        await written(w)
        assert len(await of(w).rows(Wanted(100))) == 2
    assert "could not be kept" in caplog.text


async def test_a_stop_while_the_database_is_lost_is_not_held_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with asyncio.timeout(10):
        async with keeping(f"sqlite:///{tmp_path}/gateway.db") as w:
            w.gateway.database.error = "it is gone"
            await w.ask("chain:c")
    assert "1 runs could not be kept" in caplog.text
