"""The durable store: SQLite, or PostgreSQL. One that is down costs nobody more than a deadline, and heals by itself.

SQLAlchemy is imported when the database is opened, not before.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from prometheus_client import Counter, Gauge

from gateway.config.database import DatabaseSettings, Location
from gateway.seam import Env, Tasks, Unavailable

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from gateway.stores.engine import Engine, Kind

T = TypeVar("T")
Work = Callable[["Connection"], T]
"""What is to be done with a connection: synchronous, and done away from the loop."""
PAUSE = 1.0
"""Seconds between two looks whether a lost database is back, about."""


class DatabaseUnavailable(Unavailable):
    """The database does not answer now; what needs none is served all the same."""

    code = "database_unavailable"

    def __init__(self) -> None:
        super().__init__(
            "The gateway's database does not answer; try again in a moment. Requests that keep nothing are served.",
            headers=[(b"retry-after", b"1")],
        )


class DatabaseState(NamedTuple):
    """How the database does: what `/health` shows of it."""

    up: bool
    where: str
    """Without its password."""
    error: str = ""
    """Why it does not answer."""


class Database:
    """Runs work against the database while it answers.

    The first call that fails for the database's sake opens a breaker: from then on each raises `DatabaseUnavailable` at
    once, and a task looks for the database once a second. A `lazy` one is opened by the first call.
    """

    def __init__(self, settings: DatabaseSettings, *, lazy: bool = False) -> None:
        self.settings = settings
        self.location = Location.parse(settings.url)
        self.error = ""
        self.closed = False
        self._lazy = lazy
        self._env: Env
        self._engine: Engine | None = None
        self._opening: asyncio.Task[None] | None = None
        self._healing: asyncio.Task[None] | None = None
        self._pruning: asyncio.Task[None] | None = None
        self._back = asyncio.Event()

    async def start(self, env: Env) -> None:
        """Open it, unless it is lazy. Raises RuntimeError where a newer gateway has changed its tables."""
        self._env = env
        # Apart from those that a gateway waits for when it stops: looking for a database may have no end.
        self._tasks = Tasks(env.log)
        if not self._lazy:
            await self._open()

    def state(self) -> DatabaseState:
        """How it does now."""
        return DatabaseState(not self.error, self.location.shown, self.error)

    @property
    def exists(self) -> bool:
        """Whether there may be anything in it: a lazy one's file is made when something is kept."""
        return not self._lazy or self._engine is not None or Path(self.location.path).exists()

    async def read(self, work: Work[T]) -> T:
        """What `work` returns, which only reads. Raises `DatabaseUnavailable`, and what `work` raises."""
        return await self._ask("read", work)

    async def write(self, work: Work[T]) -> T:
        """What `work` returns, in a transaction of its own.

        Where the connection breaks, the work may be done a second time, although the first has been committed. Raises
        `DatabaseUnavailable`, and what `work` raises.
        """
        return await self._ask("write", work)

    async def back(self) -> None:
        """Wait until the database answers again; not at all while it does."""
        if self.error:
            await self._back.wait()

    async def aclose(self) -> None:
        """Close all connections."""
        self.closed = True
        for task in (self._healing, self._pruning):
            if task is not None:
                task.cancel()
        await self._tasks.drain(self.settings.timeout)  # they may hold a connection, and locks
        if self._engine is not None:
            await self._engine.aclose()

    async def _ask(self, kind: "Kind", work: Work[T]) -> T:
        if self._engine is None and not self.error:
            await self._opened()
        engine = self._engine
        if self.error or engine is None:
            raise DatabaseUnavailable
        try:
            async with asyncio.timeout(self.settings.timeout):
                return await engine.run(kind, work)
        except Exception as error:
            if not engine.is_loss(error):
                raise
            self._lose(error)
            raise DatabaseUnavailable from None

    async def _opened(self) -> None:
        """Open a lazy database, once for all who ask meanwhile."""
        if self._opening is None:
            self._env.log.warning("database: none is configured, and something must be kept: %s is used", self.location)
            self._opening = self._env.tasks.spawn(self._open())
        await asyncio.shield(self._opening)

    async def _open(self) -> None:
        registry = self._env.metrics
        self._losses = Counter("gateway_database_losses", "Times the database was lost.", registry=registry)
        self._up = Gauge("gateway_database_up", "Whether the database answers (1) or not (0).", registry=registry)
        # 18 MB and a quarter of a second, only where something is kept; a thread, since requests may be served.
        engine = await self._env.threads.run(_engine, self.location, self.settings, self._env.log)
        error = await self._trouble(engine)
        self._engine = engine
        if error is None:
            self._up.set(1)
            self._usable()
        elif engine.is_refusal(error):
            raise RuntimeError(str(error)) from None
        else:
            self._lose(error)

    def _usable(self) -> None:
        """Its tables are there: from now on they are pruned."""
        if self._pruning is None:
            from gateway.stores.pruning import prune  # noqa: PLC0415 (SQLAlchemy is there already)

            self._pruning = self._tasks.spawn(prune(self, self._env.log))

    def _lose(self, error: Exception) -> None:
        """The database cannot be used. Told once; what comes after is one and the same loss."""
        if self.error or self.closed:
            return
        self.error = said(error, self.settings.timeout)
        self._back.clear()
        self._losses.inc()
        self._up.set(0)
        self._env.log.warning("database: %s is lost, looking for it: %s", self.location, self.error)
        self._healing = self._tasks.spawn(self._heal())

    async def _heal(self) -> None:
        assert self._engine is not None
        loop = asyncio.get_running_loop()
        since = loop.time()
        while (error := await self._trouble(self._engine)) is not None:
            self.error = said(error, self.settings.timeout)
            await asyncio.sleep(PAUSE * random.uniform(0.8, 1.2))  # noqa: S311 (so that replicas do not all ask at once)
        self.error = ""
        self._up.set(1)
        self._back.set()
        self._env.log.warning("database: %s is back after %.1f s", self.location, loop.time() - since)
        self._usable()

    async def _trouble(self, engine: "Engine") -> Exception | None:
        """Why the database cannot be used, if so: it must answer, take writes, and have tables that we know."""
        try:
            async with asyncio.timeout(self.settings.timeout):
                engine.forget()
                await engine.prepare()
        except Exception as error:
            return error
        return None


def _engine(location: Location, settings: DatabaseSettings, log: logging.Logger) -> "Engine":
    # Heavy, see above: each only where it is used.
    if location.dialect == "sqlite":
        from gateway.stores.sqlite import SQLite  # noqa: PLC0415

        return SQLite(location, settings, log)
    from gateway.stores.postgresql import PostgreSQL  # noqa: PLC0415

    return PostgreSQL(location, settings, log)


def said(error: Exception, timeout: float) -> str:
    """An error in words, for people: without statements or values, which may be a caller's."""
    if isinstance(error, TimeoutError):
        return f"no answer within {timeout:g} s"
    cause = getattr(error, "orig", None) or error
    first = str(cause).partition("\n")[0]
    return f"{type(cause).__name__}: {first[:200]}" if first else type(cause).__name__
