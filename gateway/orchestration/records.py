"""The runs of this process: those that go on, and the newest of those that are over."""

import asyncio
import time
from collections import OrderedDict
from contextlib import suppress
from typing import TYPE_CHECKING

from gateway.config.runs import Runs
from gateway.orchestration.followers import Follower, KeptFollower, RecordFollower
from gateway.orchestration.keeper import Keeper
from gateway.orchestration.record import Record
from gateway.seam import Call, Env, GatewayError, Hot
from gateway.stores.database import Database
from gateway.stores.identity import owner_of
from gateway.stores.run_row import RunRow, Story, Wanted
from gateway.wire.verbatim import encode

if TYPE_CHECKING:
    from gateway.stores.runs import KeptRuns

RUN_ID = b"x-gateway-run-id"
"""The header that names the run, on answers and errors."""
MOST = 1000
"""Runs that are over and stay in memory."""
MOST_WEIGHT = 64 * 2**20
"""Bytes that those take, about."""
LONGEST = 3600.0
"""Seconds for which they stay."""
PATIENCE = 5.0
"""Seconds in which a run that is cancelled must have ended, also one of another process."""
_CANCEL = "runs.cancel"


class RunNotRunning(GatewayError):
    """A run that is over already cannot be cancelled."""

    status, type, code = 409, "invalid_request_error", "run_not_running"

    def __init__(self, row: RunRow) -> None:
        super().__init__(f"The run {row.id} is over: it is {row.status}.", retryable=False)


class RunElsewhere(GatewayError):
    """A run of another process cannot be cancelled without a way to tell that one."""

    status, type, code = 409, "invalid_request_error", "run_elsewhere"

    def __init__(self, run: str) -> None:
        super().__init__(
            f"The run {run} is served by another process of the gateway, which did not hear of it. With a Redis that "
            "they share (state: redis://…) any of them can cancel it; so does its caller, by leaving.",
            retryable=False,
        )


class Records:
    """Begins the record of each run, and finds it again: in memory or, where runs are kept, in the database.

    An `owner` is the key that asks, None for one that may see all runs. What looks into the database may raise
    `DatabaseUnavailable`.
    """

    def __init__(self, settings: Runs, database: Database) -> None:
        self._contents = settings.contents
        self._live: dict[str, Record] = {}
        self._over: OrderedDict[str, Record] = OrderedDict()
        self._weight = 0
        self._database = database
        self._keeper = Keeper(database, settings.ttl, self._let_go) if settings.keep else None
        self._hot: Hot | None = None

    def share(self, hot: Hot) -> None:
        """Hear, by way of what processes share, who cancels runs of this one; to be called before that starts."""
        self._hot = hot
        hot.subscribe(_CANCEL, self._hear)

    async def start(self, env: Env) -> None:
        """Be ready to keep runs."""
        if self._keeper is not None:
            await self._keeper.start(env)

    async def aclose(self) -> None:
        """Keep what is not kept yet."""
        if self._keeper is not None:
            await self._keeper.aclose()

    def begin(self, model: str, call: Call) -> Record:
        """The record of a run that begins."""
        record = Record(model, owner_of(call), self._contents, self._ended)
        self._live[record.id] = record
        if self._keeper is not None:
            self._keeper.watch(record)
        return record

    # ---- looked up

    async def rows(self, wanted: Wanted) -> list[RunRow]:
        """The first of the runs that are wanted."""
        self._forget()
        kept = self._kept
        found = {row.id: row for row in await kept.rows(wanted)} if kept is not None else {}
        found |= {record.id: record.row() for records in (self._live, self._over) for record in records.values()}
        return wanted.first(found.values())

    async def row(self, run: str, owner: str | None) -> RunRow | None:
        """A run, as it is listed."""
        record, kept = self._get(run, owner), self._kept
        if record is not None:
            return record.row()
        return None if kept is None else await kept.row(run, owner)

    async def story(self, run: str, owner: str | None) -> Story | None:
        """A run, with the JSON of all its events."""
        record, kept = self._get(run, owner), self._kept
        if record is not None:
            return Story(record.row(), [encode(event) for event in record.events])
        return None if kept is None else await kept.story(run, owner)

    async def follower(self, run: str, owner: str | None, after: int = 0) -> Follower | None:
        """Whoever reads the events of a run: those behind the number `after`, and what follows."""
        record, kept = self._get(run, owner), self._kept
        if record is not None:
            return RecordFollower(record, after)
        if kept is None or await kept.row(run, owner) is None:
            return None
        return KeptFollower(kept, self._database, run, after)

    async def cancel(self, run: str, owner: str | None) -> RunRow | None:
        """End a run, and wait until it has ended. Raises `RunNotRunning`, `RunElsewhere`."""
        record = self._get(run, owner)
        if record is None:
            return await self._cancel_elsewhere(run, owner)
        if record.over:
            raise RunNotRunning(record.row())
        record.cancel()
        with suppress(TimeoutError):  # of a step that does not mind, the end comes when it may
            async with asyncio.timeout(PATIENCE):
                await record.ended()
        return record.row()

    # ---- inside

    @property
    def _kept(self) -> "KeptRuns | None":
        return None if self._keeper is None else self._keeper.runs

    def _get(self, run: str, owner: str | None) -> Record | None:
        record = self._live.get(run)
        if record is None:
            self._forget()
            record = self._over.get(run)
        return record if record is not None and owner in (None, record.owner) else None

    async def _cancel_elsewhere(self, run: str, owner: str | None) -> RunRow | None:
        row = None if self._kept is None else await self._kept.row(run, owner)
        if row is None or self._kept is None:
            return None
        if row.status != "running":
            raise RunNotRunning(row)
        if self._hot is None:
            raise RunElsewhere(run)
        self._hot.publish(_CANCEL, run.encode())
        follower = KeptFollower(self._kept, self._database, run, 0)
        try:
            async with asyncio.timeout(PATIENCE):
                while await follower.more():
                    pass
        except TimeoutError:
            raise RunElsewhere(run) from None
        return await self._kept.row(run, owner)

    def _hear(self, message: bytes) -> None:
        record = self._live.get(message.decode("latin-1"))
        if record is not None:
            record.cancel()

    def _ended(self, record: Record) -> None:
        del self._live[record.id]
        self._over[record.id] = record
        self._weight += record.weight
        self._forget()

    def _let_go(self, record: Record) -> None:
        if self._over.pop(record.id, None) is not None:
            self._weight -= record.weight

    def _forget(self) -> None:
        """Let go what is too old, or too much."""
        since = time.time() - LONGEST
        while self._over:
            oldest = next(iter(self._over.values()))
            old = oldest.completed_at is not None and oldest.completed_at < since
            if not old and len(self._over) <= MOST and self._weight <= MOST_WEIGHT:
                return
            self._let_go(oldest)
            if self._keeper is not None:
                self._keeper.lose(oldest)
