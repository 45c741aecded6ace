"""What a database's connections do: work in one transaction, and telling a loss from a mistake."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Literal, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from gateway.stores.schema import NewerSchema, upgrade

T = TypeVar("T")
Kind = Literal["read", "write"]


class Engine(ABC):
    """The connections of one process to one database."""

    @abstractmethod
    async def run(self, kind: Kind, work: Callable[[Connection], T]) -> T:
        """What the work returns or raises: with a connection that commits each statement, or in one transaction.

        Work is synchronous and stays off the loop. To cancel this is to leave: no connection is broken by it.
        """

    @abstractmethod
    def forget(self) -> None:
        """Use no connection again that is there now: it may be dead."""

    @abstractmethod
    async def aclose(self) -> None:
        """Close all connections, after what is under way."""

    async def prepare(self) -> None:
        """Bring the tables to the version that this gateway knows. Raises `NewerSchema`."""
        await self.run("write", upgrade)

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
    return type(error).__module__.partition(".")[0] in ("asyncpg", "sqlite3")
