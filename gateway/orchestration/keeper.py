"""Brings the runs of this process into the database, behind their backs: no run waits for it."""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from prometheus_client import Counter

from gateway.orchestration.record import Record
from gateway.seam import Env, Tasks
from gateway.stores.database import Database, DatabaseUnavailable
from gateway.stores.run_row import Change

if TYPE_CHECKING:
    from gateway.stores.runs import KeptRuns

PAUSE = 0.2
"""Seconds between two writings, in which what is told gathers."""
BEAT = 5.0
"""Seconds between two signs of life."""
MOST = 100
"""Runs in one transaction."""


class Keeper:
    """Writes what runs have told, many at once, and goes on while the database is lost.

    `written` is told of each run that is in the database from its beginning to its end.
    """

    def __init__(self, database: Database, ttl: float, written: Callable[[Record], None]) -> None:
        self._database = database
        self._ttl = ttl
        self._process = uuid.uuid4().hex
        self._written = written
        self._seen: dict[Record, int] = {}
        self._env: Env
        self._tasks: Tasks
        self._runs: KeptRuns | None = None
        self._writing: asyncio.Task[None] | None = None
        self._beating: asyncio.Task[None] | None = None
        self._losing = False

    async def start(self, env: Env) -> None:
        """Begin to say that this process lives, where there is a database already."""
        self._env = env
        self._tasks = Tasks(env.log)  # apart from those that a gateway waits for when it stops
        self._lost = Counter("gateway_runs_lost", "Runs that could not be kept.", registry=env.metrics)
        if self._database.exists:
            self._beat()

    @property
    def runs(self) -> "KeptRuns | None":
        """The runs that are kept; None where there is nothing yet in which they could be."""
        # To look must not make a file where nothing was ever kept.
        if self._runs is None and self._database.exists:
            self._runs = self._opened()
        return self._runs

    def watch(self, record: Record) -> None:
        """Keep a run that begins."""
        self._seen[record] = 0
        if self._writing is None:
            self._writing = self._tasks.spawn(self._write())
            self._beat()

    def lose(self, record: Record) -> None:
        """There is no room for a run that is over and not written yet."""
        if self._seen.pop(record, None) is None:
            return
        self._lost.inc()
        if not self._losing:
            self._losing = True
            self._env.log.error("runs: more of them end than the database takes; the oldest are not kept")

    async def aclose(self) -> None:
        """Write what is not written yet, if the database answers."""
        for task in (self._writing, self._beating):
            if task is not None:
                task.cancel()
        await self._tasks.drain(self._database.settings.timeout)
        if not self._database.error:
            try:
                await self._round()
            except DatabaseUnavailable:
                pass
        if self._seen:
            self._lost.inc(len(self._seen))
            self._env.log.error("%d runs could not be kept", len(self._seen))

    # ---- inside

    def _beat(self) -> None:
        if self._beating is None:
            self._beating = self._tasks.spawn(self._beats())

    async def _write(self) -> None:
        """Write until nothing is left."""
        try:
            while self._seen:
                await asyncio.sleep(PAUSE)
                try:
                    await self._round()
                except DatabaseUnavailable:
                    await self._database.back()
        finally:
            self._writing = None

    async def _round(self) -> None:
        """Write all that there is to write now. Raises `DatabaseUnavailable`."""
        told = [record for record, seen in self._seen.items() if len(record.events) > seen]
        for start in range(0, len(told), MOST):
            await self._put([record for record in told[start : start + MOST] if record in self._seen])

    async def _put(self, records: Sequence[Record]) -> None:
        runs = self._runs
        if runs is None:
            runs = self._runs = await self._env.threads.run(self._opened)
        seen = self._seen
        changes = [Change(record.row(), seen[record], record.events[seen[record] :]) for record in records]
        try:
            await runs.write(changes)
        except DatabaseUnavailable:
            raise
        except Exception:
            if len(records) == 1:
                self._env.log.exception("the run %s could not be kept", records[0].id)
                self._lost.inc()
                self._over(records[0])
            else:
                for record in records:  # what is wrong with one must not cost the others
                    await self._put([record])
            return
        self._losing = False
        for record, change in zip(records, changes, strict=True):
            if change.row.status != "running":
                self._over(record)
            elif record in seen:
                seen[record] = change.seen + len(change.events)

    def _over(self, record: Record) -> None:
        self._seen.pop(record, None)
        self._written(record)

    def _opened(self) -> "KeptRuns":
        # SQLAlchemy comes with it, only where runs are kept.
        from gateway.stores.runs import KeptRuns  # noqa: PLC0415

        return KeptRuns(self._database, self._process, self._ttl)

    async def _beats(self) -> None:
        while True:
            try:
                if self.runs is not None and (lost := await self.runs.sweep(alive=bool(self._seen))):
                    self._env.log.warning("runs: %d were interrupted, for their process is gone", lost)
            except Exception as error:  # the database is lost, which is told elsewhere; or busy: the next time will do
                self._env.log.debug("runs: no sign of life was given: %s", error)
            await asyncio.sleep(BEAT)
