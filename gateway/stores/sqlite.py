"""SQLite by way of SQLAlchemy: one thread that writes, a few that read, and one trip there and back a transaction."""

import logging
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, NullPool, create_engine, event

from gateway.config.database import DatabaseSettings, Location
from gateway.seam.threads import Threads
from gateway.stores.engine import Engine, Kind

T = TypeVar("T")
_READERS = 2
"""Threads, each with a connection."""
_INSTRUCTIONS = 100_000
"""Of SQLite's virtual machine, some milliseconds: after so many it asks whether anybody still waits."""


class SQLite(Engine):
    """The connections of one process to a file."""

    def __init__(self, location: Location, settings: DatabaseSettings, log: logging.Logger) -> None:
        self._lanes: dict[Kind, _Lane] = {
            "read": _Lane(location, settings, log, _READERS, reads=True),
            "write": _Lane(location, settings, log, 1, reads=False),
        }

    async def run(self, kind: Kind, work: Callable[[Connection], T]) -> T:
        """What the work returns or raises. Cancelled, what it does is broken off and undone."""
        return await self._lanes[kind].run(work)

    def forget(self) -> None:
        """Use no connection again that is there now."""
        for lane in self._lanes.values():
            lane.generation += 1

    async def aclose(self) -> None:
        """Close all connections, after what is under way."""
        for lane in self._lanes.values():
            await lane.aclose()


class _Lane:
    """Threads that do the same kind of work, with a connection for each."""

    def __init__(
        self, location: Location, settings: DatabaseSettings, log: logging.Logger, size: int, *, reads: bool
    ) -> None:
        self.generation = 0
        self._begin = None if reads else "BEGIN IMMEDIATE"
        """The lock at once: a transaction that reads first and writes later could not wait for another's."""
        self._patience = settings.timeout
        self._threads = Threads(size, log)
        self._idle: list[_Held] = []
        self._engine = create_engine(
            location.url,
            poolclass=NullPool,  # connections stay open here: going through a pool costs as much as a statement
            # SQLite's own wait for others' locks ends before the deadline does, so that its error is the one told.
            connect_args={"timeout": settings.timeout * 0.8, "check_same_thread": False},
            **({"isolation_level": "AUTOCOMMIT"} if reads else {}),
        )
        event.listen(self._engine, "connect", _set_up)
        if reads:
            event.listen(self._engine, "connect", _only_reads)

    async def run(self, work: Callable[[Connection], T]) -> T:
        job = _Job(work)
        try:
            return await self._threads.run(self._do, job)
        finally:
            job.over = True

    async def aclose(self) -> None:
        await self._threads.drain(self._patience)
        if len(self._threads) == 0:
            await self._threads.run(self._close)
        self._threads.close()

    # ---- in a thread

    def _do(self, job: "_Job[T]") -> T:
        held = self._take()
        held.job = job
        try:
            with held.connection.begin():
                if self._begin is not None:
                    held.driver.execute(self._begin)
                return job.work(held.connection)
        finally:
            held.job = None
            self._idle.append(held)

    def _take(self) -> "_Held":
        while self._idle:
            held = self._idle.pop()
            if held.generation == self.generation:
                return held
            held.connection.close()
        return _Held(self._engine.connect(), self.generation)

    def _close(self) -> None:
        while self._idle:
            self._idle.pop().connection.close()


class _Job(Generic[T]):
    """Work, and whether its caller is gone."""

    def __init__(self, work: Callable[[Connection], T]) -> None:
        self.work = work
        self.over = False


class _Held:
    """A connection that stays open. SQLite asks it now and then whether to go on."""

    def __init__(self, connection: Connection, generation: int) -> None:
        self.connection = connection
        self.generation = generation
        driver: Any = connection.connection.driver_connection
        driver.set_progress_handler(self._is_over, _INSTRUCTIONS)
        self.driver = driver
        self.job: _Job[Any] | None = None

    def _is_over(self) -> bool:
        # Unlike an interrupt from outside, this cannot come too early, or hit the connection's next work.
        return self.job is not None and self.job.over


def _set_up(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # transactions begin where we say so, not where sqlite3 thinks
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA cache_size=-4000")


def _only_reads(connection: Any, _: Any) -> None:
    connection.execute("PRAGMA query_only=ON")
