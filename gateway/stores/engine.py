"""SQLAlchemy as we use it: one writer and a few readers on SQLite, a pool on PostgreSQL."""

from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeVar

from sqlalchemy import event
from sqlalchemy.exc import DataError, DBAPIError, DisconnectionError, IntegrityError, ProgrammingError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from gateway.config.database import DatabaseSettings, Location
from gateway.stores.schema import NewerSchema, upgrade

T = TypeVar("T")
_READERS = 2
"""Of SQLite; each is a thread."""


class Engine:
    """The connections of one process to one database."""

    def __init__(self, location: Location, settings: DatabaseSettings) -> None:
        self._generation = 0
        if location.dialect == "sqlite":
            self._writer = _sqlite(location, settings, 1, reads=False)
            self._reader = _sqlite(location, settings, _READERS, reads=True)
            self._pools = [self._writer, self._reader]
        else:
            self._writer = _postgresql(location, settings)
            self._reader = self._writer.execution_options(isolation_level="AUTOCOMMIT")
            self._pools = [self._writer]
        for engine in self._pools:
            event.listen(engine.sync_engine, "connect", self._connected)
            event.listen(engine.sync_engine, "checkout", self._checked_out)

    async def run(self, kind: Literal["read", "write"], work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Do the work: with a connection that commits each statement, or in one transaction."""
        if kind == "read":
            async with self._reader.connect() as connection:
                return await work(connection)
        async with self._writer.begin() as connection:
            return await work(connection)

    async def prepare(self) -> None:
        """Bring the tables to the version that this gateway knows. Raises `NewerSchema`."""
        async with self._writer.begin() as connection:
            await upgrade(connection)

    def forget(self) -> None:
        """Use no connection again that is there now: it may be dead."""
        self._generation += 1

    async def aclose(self) -> None:
        """Close all connections."""
        for engine in self._pools:
            await engine.dispose()

    def _connected(self, _: Any, record: Any) -> None:
        record.info["generation"] = self._generation

    def _checked_out(self, _: Any, record: Any, __: Any) -> None:
        # Disposing of a pool instead would leave those that are in use to the garbage collector.
        if record.info["generation"] != self._generation:
            raise DisconnectionError("of an earlier time")

    def is_stale(self, error: Exception) -> bool:
        """Whether an error says that a connection was dead already."""
        return isinstance(error, DBAPIError) and error.connection_invalidated

    def is_loss(self, error: Exception) -> bool:
        """Whether an error means that the database cannot be used, rather than that the work was wrong."""
        if isinstance(error, DBAPIError):
            return not isinstance(error, IntegrityError | DataError | ProgrammingError)
        # Drivers raise what they like while they connect; what is wrong with our own statements is SQLAlchemy's error.
        own = isinstance(error, SQLAlchemyError) and not isinstance(error, PoolTimeout)
        return not own and (isinstance(error, OSError | TimeoutError | PoolTimeout) or _is_driver(error))

    def is_refusal(self, error: Exception) -> bool:
        """Whether the database is one that this gateway must not touch."""
        return isinstance(error, NewerSchema)


def _is_driver(error: Exception) -> bool:
    return type(error).__module__.partition(".")[0] in ("asyncpg", "sqlite3", "aiosqlite")


def _sqlite(location: Location, settings: DatabaseSettings, size: int, *, reads: bool) -> AsyncEngine:
    # SQLite's own wait for other processes' locks ends before the deadline does, so that its error is the one told.
    wait = settings.timeout * 0.8
    engine = create_async_engine(
        location.url,
        pool_size=size,
        max_overflow=0,
        pool_timeout=settings.timeout,
        pool_reset_on_return=None,  # work ends its transaction itself; each further statement is a trip to a thread
        connect_args={"timeout": wait},
        **({"isolation_level": "AUTOCOMMIT"} if reads else {}),
    )

    @event.listens_for(engine.sync_engine, "connect")
    def connected(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # transactions begin where SQLAlchemy says so, not where sqlite3 thinks
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA cache_size=-4000")
        if reads:
            cursor.execute("PRAGMA query_only=ON")
        cursor.close()

    if not reads:

        @event.listens_for(engine.sync_engine, "begin")
        def begin(connection: Any) -> None:
            # The lock at once: a transaction that reads first and writes later could not wait for another's.
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _postgresql(location: Location, settings: DatabaseSettings) -> AsyncEngine:
    return create_async_engine(
        location.url,
        pool_size=settings.connections,
        max_overflow=0,
        pool_timeout=settings.timeout,
        connect_args={
            "timeout": float(settings.timeout),
            # A client that has given up must not leave a statement running, nor a lock held.
            "server_settings": {
                "application_name": "llm-gateway",
                "statement_timeout": str(int(settings.timeout * 1000)),
                "idle_in_transaction_session_timeout": str(int(settings.timeout * 2000)),
            },
        },
    )
