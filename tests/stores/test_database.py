import asyncio
import logging
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from gateway.config.database import DatabaseSettings, Location
from gateway.seam import Duration
from gateway.stores.database import DatabaseUnavailable
from gateway.stores.schema import STEPS
from tests.postgres import PostgresServer
from tests.stores.databases import opened


def one(connection: Connection) -> int:
    found: int = connection.execute(text("SELECT 1")).scalar_one()
    return found


def versions(connection: Connection) -> list[int]:
    return list(connection.execute(text("SELECT version FROM gateway_schema ORDER BY version")).scalars())


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    server = PostgresServer()
    server.start()
    yield server
    server.close()


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.stores.database.PAUSE", 0.1)


async def test_work_is_done_and_errors_of_its_own_are_its_own(database_url: str) -> None:
    async with opened(database_url) as database:
        assert await database.read(one) == 1

        def wrong(connection: Connection) -> None:
            connection.execute(text("INSERT INTO gateway_schema (version, applied_at) VALUES (500, 0)"))
            raise ValueError("no")

        with pytest.raises(ValueError, match="no"):
            await database.write(wrong)

        def count(connection: Connection) -> int:
            found = connection.execute(text("SELECT count(*) FROM gateway_schema WHERE version = 500"))
            return int(found.scalar_one())

        assert await database.read(count) == 0, "rolled back"
        assert not database.error, "and that is no loss"


async def test_many_write_at_once(database_url: str) -> None:
    async with opened(database_url) as first, opened(database_url) as second:

        def add(connection: Connection) -> None:
            connection.execute(
                text(
                    "INSERT INTO variables (conversation, name, value, updated_at) VALUES (1, 'n', :one, 1) "
                    "ON CONFLICT (conversation, name) DO UPDATE SET updated_at = variables.updated_at + 1"
                ),
                {"one": b"1"},
            )

        await asyncio.gather(*(database.write(add) for database in (first, second) for _ in range(50)))

        def sum_of(connection: Connection) -> float:
            return float(connection.execute(text("SELECT updated_at FROM variables")).scalar_one())

        assert await first.read(sum_of) == 100


async def test_a_lazy_one_opens_nothing_until_it_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "later.db"
    async with opened(f"sqlite:///{path}", lazy=True) as database:
        assert not path.exists()
        assert await asyncio.gather(*(database.read(one) for _ in range(5))) == [1] * 5
        assert path.exists()


def test_sqlalchemy_is_imported_only_by_opening() -> None:
    code = "import sys, gateway.build, gateway.stores.database; sys.exit('sqlalchemy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


async def test_one_that_is_down_at_start_heals(
    server: PostgresServer, hurried: None, caplog: pytest.LogCaptureFixture
) -> None:
    address = await server.database()
    server.kill()
    async with opened(address, timeout=0.5) as database:
        began = time.perf_counter()
        for _ in range(100):
            with pytest.raises(DatabaseUnavailable) as refused:
                await database.read(one)
        assert time.perf_counter() - began < 0.4, "each at once, not after a deadline"
        assert (refused.value.status, refused.value.code) == (503, "database_unavailable")
        assert (b"retry-after", b"1") in refused.value.headers
        assert "secret" not in f"{database.state()} {caplog.text}"
        server.start()
        async with asyncio.timeout(10):
            await database.back()
        assert await database.read(one) == 1
    assert [record.levelno for record in caplog.records].count(logging.WARNING) == 2, "lost, and back"


async def test_one_that_freezes_costs_one_deadline(server: PostgresServer, hurried: None) -> None:
    async with opened(await server.database(), timeout=0.4) as database:
        await asyncio.gather(*(database.read(one) for _ in range(20)))
        server.freeze()
        began = time.perf_counter()
        answers = await asyncio.gather(*(database.read(one) for _ in range(20)), return_exceptions=True)
        assert all(isinstance(answer, DatabaseUnavailable) for answer in answers)
        assert time.perf_counter() - began < 1.5
        server.thaw()
        async with asyncio.timeout(10):
            await database.back()
        assert await database.read(one) == 1


async def test_one_that_was_restarted_while_idle_costs_nothing(server: PostgresServer) -> None:
    async with opened(await server.database()) as database:
        await asyncio.gather(*(database.read(one) for _ in range(8)))
        server.kill()
        server.start()
        assert await database.read(one) == 1
        assert not database.error


async def test_a_file_that_another_locks_is_waited_for_and_then_lost(tmp_path: Path, hurried: None) -> None:
    path = tmp_path / "gateway.db"
    async with opened(f"sqlite:///{path}", timeout=0.5) as database:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        assert await database.read(one) == 1, "readers do not wait"
        with pytest.raises(DatabaseUnavailable):
            await database.write(one)
        assert database.error
        other.execute("ROLLBACK")
        other.close()
        async with asyncio.timeout(10):
            await database.back()
        assert await database.write(one) == 1


async def test_a_folder_that_is_missing_is_a_loss_and_no_crash(tmp_path: Path, hurried: None) -> None:
    async with opened(f"sqlite:///{tmp_path / 'none' / 'gateway.db'}") as database:
        assert "unable to open" in database.error
        (tmp_path / "none").mkdir()
        async with asyncio.timeout(10):
            await database.back()


async def test_a_caller_that_leaves_breaks_nothing(database_url: str) -> None:
    async with opened(database_url) as database:
        for _ in range(20):
            task = asyncio.get_running_loop().create_task(database.write(one))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert await database.write(one) == 1
        assert not database.error


def endless(connection: Connection) -> None:
    connection.execute(text("WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"))


async def test_statements_without_an_end_are_broken_off_and_undone(tmp_path: Path, hurried: None) -> None:
    def add(connection: Connection) -> None:
        connection.execute(text("INSERT INTO gateway_schema (version, applied_at) VALUES (500, 0)"))
        endless(connection)

    async with opened(f"sqlite:///{tmp_path / 'gateway.db'}", timeout=0.5) as database:
        asked = *(database.read(endless) for _ in range(10)), database.write(add)
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(answer, DatabaseUnavailable) for answer in answers)
        async with asyncio.timeout(20):
            await database.back()
        assert await asyncio.gather(*(database.read(one) for _ in range(10))) == [1] * 10, "no thread is held"
        assert await database.write(versions) == [*range(1, len(STEPS) + 1)]


async def test_a_caller_that_leaves_frees_its_thread(tmp_path: Path) -> None:
    began = threading.Event()

    def long(connection: Connection) -> None:
        began.set()
        endless(connection)

    async with opened(f"sqlite:///{tmp_path / 'gateway.db'}", timeout=20) as database:
        for ask in (database.read, database.read, database.write):
            began.clear()
            task = asyncio.get_running_loop().create_task(ask(long))
            await asyncio.to_thread(began.wait)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert await asyncio.gather(database.read(one), database.read(one), database.write(one)) == [1, 1, 1]
        assert not database.error


async def test_what_is_under_way_when_it_closes_is_done(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'gateway.db'}"
    began, gate = threading.Event(), threading.Event()

    def add(connection: Connection) -> None:
        began.set()
        gate.wait()
        connection.execute(text("INSERT INTO gateway_schema (version, applied_at) VALUES (0, 0)"))

    async with opened(url) as database:
        writing = asyncio.get_running_loop().create_task(database.write(add))
        await asyncio.to_thread(began.wait)
        closing = asyncio.get_running_loop().create_task(database.aclose())
        await asyncio.sleep(0)
        gate.set()
        await closing
        await writing
    async with opened(url) as database:
        assert 0 in await database.read(versions)


async def test_what_a_caller_left_behind_is_done_before_it_closes(server: PostgresServer) -> None:
    def add(connection: Connection) -> None:
        connection.execute(text("SELECT pg_sleep(0.2)"))
        connection.execute(text("INSERT INTO gateway_schema (version, applied_at) VALUES (0, 0)"))

    url = await server.database()
    async with opened(url) as database:
        writing = asyncio.get_running_loop().create_task(database.write(add))
        await asyncio.sleep(0)
        writing.cancel()
        await database.aclose()
        async with opened(url) as after:
            assert 0 in await after.read(versions)


@pytest.mark.parametrize(
    ("given", "shown", "driver"),
    [
        ("sqlite:///gateway.db", "sqlite:///gateway.db", "sqlite:///gateway.db"),
        ("sqlite:////var/gateway.db", "sqlite:////var/gateway.db", "sqlite:////var/gateway.db"),
        ("postgres://u:p%40@h/d", "postgresql://u@h/d", "postgresql+asyncpg://u:p%40@h/d"),
        (
            "postgresql://u:secret@h:5433/d?sslmode=require",
            "postgresql://u@h:5433/d",
            "postgresql+asyncpg://u:secret@h:5433/d?ssl=require",
        ),
        ("postgresql://h/d?password=secret", "postgresql://h/d", "postgresql+asyncpg://h/d?password=secret"),
    ],
)
def test_locations_are_shown_without_a_password(given: str, shown: str, driver: str) -> None:
    location = Location.parse(given)
    assert (str(location), location.url) == (shown, driver)
    assert "secret" not in repr(location)


@pytest.mark.parametrize(
    "given",
    ["", "sqlite://", "sqlite:///", "sqlite:///:memory:", "mysql://secret@h/d", "postgresql://secret", "secret"],
)
def test_what_is_no_location_is_refused_without_showing_it(given: str) -> None:
    with pytest.raises(ValueError, match="expected") as refused:
        DatabaseSettings(url=given)
    assert "secret" not in str(refused.value)


def test_a_call_needs_some_time() -> None:
    with pytest.raises(ValueError, match="more than 0 s"):
        DatabaseSettings(url="sqlite:///a.db", timeout=Duration(0))
