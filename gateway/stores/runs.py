"""Runs in the database: written by the process that serves them, read by all.

A process says of its runs, every few seconds, that they still go on. One that was killed does not; whoever notices
first tells of its runs that they were interrupted. Should it have been cut off only, what it writes later holds.
"""

import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Select, bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite

from gateway.stores.database import Database
from gateway.stores.run_row import Change, RunRow, Story, Wanted
from gateway.stores.tables import run_events, runs
from gateway.wire.verbatim import encode

LEASE = 15.0
"""Seconds after which a run counts as interrupted of which nobody says that it goes on."""
_SWEPT = 100
_COLUMNS = [runs.c[name] for name in RunRow._fields]
_ROW = select(*_COLUMNS)
_EVENTS = (
    select(run_events.c.seq, run_events.c.body)
    .where(run_events.c.run == bindparam("run"), run_events.c.seq + run_events.c.count > bindparam("after") + 1)
    .order_by(run_events.c.seq)
)
_INTERRUPTED = {"message": "The process that served the run ended.", "type": "server_error", "code": "interrupted"}


class KeptRuns:
    """The runs in the database, those of `process` among them."""

    def __init__(self, database: Database, process: str, ttl: float) -> None:
        """Runs are kept for `ttl` seconds after they were last written."""
        self._database = database
        self._process = process
        self._ttl = ttl

    # ---- written

    async def write(self, changes: Sequence[Change]) -> None:
        """Bring runs up to date; to do so twice does no harm. Raises `DatabaseUnavailable`."""
        now = time.time()
        own = {"process": self._process, "seen_at": now, "expires_at": now + self._ttl}

        def work(connection: Connection) -> None:
            rows = [change.row._asdict() | own | {"events": change.seen + len(change.events)} for change in changes]
            _put(connection, runs, rows)
            told = [_packed(change) for change in changes if change.events]
            if told:
                _put(connection, run_events, told)

        await self._database.write(work)

    async def sweep(self, *, alive: bool) -> int:
        """Say that this process's runs go on, where it has any (`alive`), and of others' that they were interrupted.

        Returns how many those were of which nobody has said so for `LEASE` seconds.
        """
        now = time.time()
        mine = update(runs).where(runs.c.status == "running", runs.c.process == self._process).values(seen_at=now)
        lost = (
            select(*_COLUMNS, runs.c.events, runs.c.seen_at)
            .where(runs.c.status == "running", runs.c.seen_at < now - LEASE, runs.c.process != self._process)
            .limit(_SWEPT)
        )

        def look(connection: Connection) -> bool:
            return connection.execute(lost).first() is not None

        def work(connection: Connection) -> int:
            connection.execute(mine)
            found = connection.execute(lost.with_for_update(skip_locked=True)).all()
            for row in found:
                _interrupt(connection, row)
            return len(found)

        if not alive and not await self._database.read(look):
            return 0
        return await self._database.write(work)

    # ---- read

    async def rows(self, wanted: Wanted) -> list[RunRow]:
        """The first of the runs that are wanted."""
        column, query = runs.c.id, _ROW
        for name in ("owner", "status", "model"):
            if (value := getattr(wanted, name)) is not None:
                query = query.where(runs.c[name] == value)
        if wanted.after is not None:
            query = query.where(column < wanted.after if wanted.order == "desc" else column > wanted.after)
        query = query.order_by(column.desc() if wanted.order == "desc" else column).limit(wanted.limit)
        return await self._rows(query)

    async def row(self, run: str, owner: str | None) -> RunRow | None:
        """A run that a key may see."""
        found = await self._rows(_of(run, owner))
        return found[0] if found else None

    async def story(self, run: str, owner: str | None, after: int = 0) -> Story | None:
        """A run that a key may see, with its events behind the number `after`."""
        query = _of(run, owner)

        def work(connection: Connection) -> Story | None:
            # First the row: where that is of a run that is over, all its events are there.
            row = connection.execute(query).first()
            if row is None:
                return None
            packs = connection.execute(_EVENTS, {"run": run, "after": after}).all()
            events = [event for pack in packs for event in pack.body.split(b"\n")]
            known = max(0, after + 1 - packs[0].seq) if packs else 0
            return Story(RunRow(*row), events[known:])

        return await self._database.read(work)

    async def _rows(self, query: Select[Any]) -> list[RunRow]:
        def work(connection: Connection) -> list[RunRow]:
            return [RunRow(*row) for row in connection.execute(query)]

        return await self._database.read(work)


def _of(run: str, owner: str | None) -> Select[Any]:
    query = _ROW.where(runs.c.id == run)
    return query if owner is None else query.where(runs.c.owner == owner)


def _packed(change: Change) -> dict[str, Any]:
    """The events of one writing as one row."""
    body = b"\n".join([encode(event) for event in change.events])
    return {"run": change.row.id, "seq": change.seen + 1, "count": len(change.events), "body": body}


def _interrupt(connection: Connection, row: Any) -> None:
    """A run whose process is gone has failed, when that was last heard of."""
    ms = max(0.0, round((row.seen_at - row.created_at) * 1000, 1))
    total = row.prompt_tokens + row.completion_tokens
    usage = {"prompt_tokens": row.prompt_tokens, "completion_tokens": row.completion_tokens, "total_tokens": total}
    number = row.events + 1
    told = {"type": "run.failed", "seq": number, "at": row.seen_at, "ms": ms, "usage": usage, "error": _INTERRUPTED}
    connection.execute(
        update(runs)
        .where(runs.c.id == row.id)
        .values(status="failed", completed_at=row.seen_at, ms=ms, error=encode(_INTERRUPTED), events=number)
    )
    _put(connection, run_events, [{"run": row.id, "seq": number, "count": 1, "body": encode(told)}])


def _put(connection: Connection, table: Any, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows, in the place of those with the same keys."""
    put = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(table)
    keys = [column.name for column in table.primary_key]
    changed = {name: put.excluded[name] for name in rows[0] if name not in keys}
    connection.execute(put.on_conflict_do_update(index_elements=keys, set_=changed), list(rows))
