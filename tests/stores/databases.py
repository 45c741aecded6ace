"""Databases under test: a file of SQLite's, and a database on a real PostgreSQL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from gateway.config.database import DatabaseSettings
from gateway.seam import Env
from gateway.stores.database import Database
from tests.postgres import new_database

KINDS = ("sqlite", "postgresql")


def url_of(kind: str, folder: Path) -> str:
    """The URL of an empty database."""
    return f"sqlite:///{folder / 'gateway.db'}" if kind == "sqlite" else new_database()


def env() -> Env:
    http: Any = None
    return Env(http=http, metrics=CollectorRegistry())


@asynccontextmanager
async def opened(url: str, *, lazy: bool = False, **settings: Any) -> AsyncIterator[Database]:
    """A database as a process has it, closed after what is still under way."""
    around = env()
    database = Database(DatabaseSettings(url=url, **settings), lazy=lazy)
    try:
        await database.start(around)
        yield database
    finally:
        await database.aclose()
        await around.tasks.drain(5)
        around.threads.close()
