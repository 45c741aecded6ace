"""PostgreSQL by way of SQLAlchemy and asyncpg: a pool of connections."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection, event
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.ext.asyncio import create_async_engine

from gateway.config.database import DatabaseSettings, Location
from gateway.seam import Tasks
from gateway.stores.engine import Engine, Kind
from gateway.stores.schema import upgrade

T = TypeVar("T")


class PostgreSQL(Engine):
    """A pool of connections, made as they are needed. Its protocol runs in the loop, and work in a greenlet there."""

    def __init__(self, location: Location, settings: DatabaseSettings, log: logging.Logger) -> None:
        self._timeout = settings.timeout
        self._tasks = Tasks(log)
        self._generation = 0
        self._writer = create_async_engine(
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
        self._reader = self._writer.execution_options(isolation_level="AUTOCOMMIT")
        event.listen(self._writer.sync_engine, "connect", self._connected)
        event.listen(self._writer.sync_engine, "checkout", self._checked_out)

    async def run(self, kind: Kind, work: Callable[[Connection], T]) -> T:
        """What the work returns or raises."""
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        # A task of its own: a caller that leaves must not break off a statement, and with it a connection.
        self._tasks.spawn(self._answer(kind, work, answer))
        return await answer

    async def prepare(self) -> None:
        """Bring the tables to the version that this gateway knows. To cancel it is to break it off."""
        await self._once("write", upgrade)

    def forget(self) -> None:
        """Use no connection again that is there now."""
        self._generation += 1

    async def aclose(self) -> None:
        """Close all connections, after what is under way: it may be of callers that are gone."""
        await self._tasks.drain(self._timeout * 2)  # each has a deadline, and may have to end its connection then
        await self._writer.dispose()

    async def _answer(self, kind: Kind, work: Callable[[Connection], T], answer: "asyncio.Future[T]") -> None:
        try:
            async with asyncio.timeout(self._timeout):
                result = await self._tried(kind, work)
        except Exception as error:
            if not answer.done():
                answer.set_exception(error)
        else:
            if not answer.done():
                answer.set_result(result)

    async def _tried(self, kind: Kind, work: Callable[[Connection], T]) -> T:
        try:
            return await self._once(kind, work)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
            # The server was restarted: its old connections are dead, and a new one may do.
            self.forget()
            return await self._once(kind, work)

    async def _once(self, kind: Kind, work: Callable[[Connection], T]) -> T:
        async with (self._reader if kind == "read" else self._writer).connect() as connection:
            return await connection.run_sync(_whole, work)

    def _connected(self, _: Any, record: Any) -> None:
        record.info["generation"] = self._generation

    def _checked_out(self, _: Any, record: Any, __: Any) -> None:
        # Disposing of a pool instead would leave those that are in use to the garbage collector.
        if record.info["generation"] != self._generation:
            raise DisconnectionError("of an earlier time")


def _whole(connection: Connection, work: Callable[[Connection], T]) -> T:
    # Begun and committed in here: each step from outside would be a greenlet of its own.
    with connection.begin():
        return work(connection)
