import asyncio
import subprocess
import sys

import pytest
from sqlalchemy import Connection, inspect, text

from gateway.stores import schema
from gateway.stores.tables import METADATA
from tests.stores.databases import opened


def versions(connection: Connection) -> list[int]:
    rows = connection.execute(text("SELECT version FROM gateway_schema ORDER BY version"))
    return [row.version for row in rows]


async def test_the_tables_are_those_that_statements_are_written_against(database_url: str) -> None:
    async with opened(database_url) as database:

        def columns(connection: Connection) -> dict[str, dict[str, bool]]:
            found = inspect(connection)
            return {
                name: {
                    column["name"]: column["nullable"]
                    for column in found.get_columns(name)
                    if column["name"] not in found.get_pk_constraint(name)["constrained_columns"]
                }
                for name in found.get_table_names()
                if name != "gateway_schema"
            }

        there = await database.read(columns)
    written = {
        table.name: {column.name: bool(column.nullable) for column in table.columns if not column.primary_key}
        for table in METADATA.tables.values()
    }
    assert there == written


async def test_an_older_one_is_upgraded_and_keeps_what_it_holds(
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps = schema.STEPS
    with monkeypatch.context() as patched:
        patched.setattr(schema.upgrade, "__defaults__", (steps[:1],))
        async with opened(database_url) as old:

            def fill(connection: Connection) -> list[int]:
                connection.execute(
                    text(
                        "INSERT INTO conversations (owner, name, created_at, updated_at, version, seq, length, turns,"
                        " weight, chain) VALUES ('me', 'kept', 1, 1, 1, 0, 0, 0, 0, :chain)"
                    ),
                    {"chain": b""},
                )
                return versions(connection)

            assert await old.write(fill) == [1]
    async with opened(database_url) as new:
        assert await new.read(versions) == [*range(1, len(steps) + 1)]

        def look(connection: Connection) -> list[tuple[object, ...]]:
            return [tuple(row) for row in connection.execute(text("SELECT name, summarised FROM conversations"))]

        assert await new.read(look) == [("kept", 0)]


async def test_a_newer_one_is_refused_aloud(database_url: str) -> None:
    async with opened(database_url) as database:

        def mark(connection: Connection) -> None:
            connection.execute(text("INSERT INTO gateway_schema (version, applied_at) VALUES (99, 0)"))

        await database.write(mark)
    with pytest.raises(RuntimeError, match=f"version 99, and this gateway knows {len(schema.STEPS)}"):
        async with opened(database_url):
            pass


async def test_a_step_that_fails_leaves_nothing_of_itself(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = (*schema.STEPS, ("CREATE TABLE half (a INTEGER)", "CREATE TABLE half (a INTEGER)"))
    with monkeypatch.context() as patched:
        patched.setattr(schema.upgrade, "__defaults__", (broken,))
        async with opened(database_url) as database:
            assert database.error
    async with opened(database_url) as database:
        assert await database.read(versions) == [*range(1, len(schema.STEPS) + 1)]

        def tables(connection: Connection) -> list[str]:
            return inspect(connection).get_table_names()

        assert "half" not in await database.read(tables)


START = """
import asyncio, sys
from tests.stores.databases import opened

async def main():
    async with opened(sys.argv[1], timeout=20) as database:
        assert not database.error, database.error

asyncio.run(main())
"""


async def test_ten_processes_that_start_at_once_do_each_step_once(database_url: str) -> None:
    def start() -> "subprocess.Popen[str]":
        return subprocess.Popen([sys.executable, "-c", START, database_url], stderr=subprocess.PIPE, text=True)

    processes = [start() for _ in range(10)]
    for process in processes:
        _, told = await asyncio.to_thread(process.communicate)
        assert process.returncode == 0, told
    async with opened(database_url) as database:
        assert await database.read(versions) == [*range(1, len(schema.STEPS) + 1)]
