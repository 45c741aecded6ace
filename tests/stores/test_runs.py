"""Runs in the database: what is written is what is told, to the byte, by whichever process."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from gateway.stores import pruning, runs
from gateway.stores.run_row import Change, RunRow, Wanted
from gateway.stores.runs import KeptRuns
from gateway.wire.verbatim import encode
from tests.stores.databases import opened


def row(number: int = 1, **changes: Any) -> RunRow:
    made = RunRow(f"run_{number:024x}", "me", "chain:x", None, "running", 100.0 + number, None, None, 1, 2, 3, None)
    return made._replace(**changes)


def over(number: int = 1, **changes: Any) -> RunRow:
    return row(number, **({"status": "completed", "completed_at": 200.0, "ms": 5.5} | changes))


def told(*numbers: int) -> list[dict[str, Any]]:
    return [{"type": "step.started", "seq": number, "at": 1.5, "input": "line\nbreak ☃"} for number in numbers]


def bodies(events: Sequence[Any]) -> list[bytes]:
    return [encode(event) for event in events]


async def test_a_run_is_written_as_it_goes_on(database_url: str) -> None:
    async with opened(database_url) as database:
        kept = KeptRuns(database, "p", 100)
        first, second = row(), over(conversation="c", error=b'{"message":"x"}')
        await kept.write([Change(first, 0, told(1, 2))])
        story = await kept.story(first.id, "me")
        assert story == (first, bodies(told(1, 2)))
        await kept.write([Change(first, 2, told(3))])
        await kept.write([Change(second, 3, told(4, 5))])
        await kept.write([Change(second, 3, told(4, 5))])
        assert await kept.story(first.id, None) == (second, bodies(told(1, 2, 3, 4, 5)))
        for after in range(7):
            story = await kept.story(first.id, None, after)
            assert story is not None
            assert story.events == bodies(told(*range(after + 1, 6))), after
        assert await kept.row(first.id, "me") == second
        for found in (kept.row(first.id, "you"), kept.story(first.id, "you"), kept.row("run_x", None)):
            assert await found is None
    async with opened(database_url) as database:
        assert await KeptRuns(database, "q", 100).story(first.id, "me") == (second, bodies(told(1, 2, 3, 4, 5)))


async def test_lists(database_url: str) -> None:
    async with opened(database_url) as database:
        kept = KeptRuns(database, "p", 100)
        rows = [over(number, owner="me" if number % 2 else "you", model=f"chain:{number % 3}") for number in range(10)]
        rows[4] = rows[4]._replace(status="failed")
        await kept.write([Change(one, 0, ()) for one in rows])
        for wanted in (
            Wanted(3),
            Wanted(100, "asc"),
            Wanted(100, owner="me"),
            Wanted(100, status="failed"),
            Wanted(100, model="chain:1", owner="you"),
            Wanted(2, after=rows[5].id),
            Wanted(2, "asc", after=rows[5].id),
            Wanted(100, after=rows[0].id),
            Wanted(100, owner="nobody"),
        ):
            assert await kept.rows(wanted) == wanted.first(rows), wanted


async def test_what_a_killed_process_left_is_told_as_interrupted(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("time.time", lambda: now)
    async with opened(database_url) as database:
        dead, alive, other = (KeptRuns(database, name, 100) for name in ("dead", "alive", "other"))
        await dead.write([Change(row(1), 0, told(1, 2)), Change(over(2), 0, told(1))])
        await alive.write([Change(row(3), 0, told(1))])
        assert await other.sweep(alive=False) == 0
        now += runs.LEASE - 1
        assert await alive.sweep(alive=True) == 0
        now += 2
        assert await alive.sweep(alive=True) == 1
        assert await other.sweep(alive=False) == 0, "the rest goes on, or is over"
        story = await other.story(row(1).id, None)
        assert story is not None
        assert (story.row.status, story.row.completed_at) == ("failed", 1000.0)
        *before, last = map(json.loads, story.events)
        assert before == told(1, 2)
        error = {"message": "The process that served the run ended.", "type": "server_error", "code": "interrupted"}
        assert last == {
            "type": "run.failed",
            "seq": 3,
            "at": 1000.0,
            "ms": 899_000.0,
            "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
            "error": error,
        }
        assert json.loads(story.row.error or b"") == error
        # It was cut off only, and is back.
        await dead.write([Change(over(1), 2, told(3, 4))])
        assert await other.story(row(1).id, None) == (over(1), bodies(told(1, 2, 3, 4)))


async def test_runs_that_outlived_their_time_go_in_small_batches(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "BATCH", 2)
    now = 1000.0
    monkeypatch.setattr("time.time", lambda: now)
    async with opened(database_url) as database:
        kept = KeptRuns(database, "p", 50)
        await kept.write([Change(over(number), 0, told(1)) for number in range(5)])
        now += 40
        await kept.write([Change(over(9), 0, told(1))])
        assert await pruning.prune_once(database) == 0
        now += 20
        assert await pruning.prune_once(database) == 5
        assert [one.id for one in await kept.rows(Wanted(10))] == [row(9).id]
        assert await kept.story(row(1).id, None) is None
        now += 100
        assert await pruning.prune_once(database) == 1
