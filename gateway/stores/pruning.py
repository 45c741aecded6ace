"""What has outlived its time is deleted: in the background, a few rows at a time."""

import asyncio
import logging
import random
import time
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import Connection, delete, or_, select

from gateway.stores.tables import conversations, items, run_events, runs, variables

if TYPE_CHECKING:
    from gateway.stores.database import Database

PERIOD = 60.0
"""Seconds between two looks, about."""
BATCH = 100
"""Conversations, or runs, in one transaction: nobody waits long behind it."""


async def prune(database: "Database", log: logging.Logger) -> None:
    """Look for what is to go, for ever."""
    while True:
        await asyncio.sleep(PERIOD * random.uniform(0.5, 1.5))  # noqa: S311 (so that replicas do not all come at once)
        try:
            gone = await prune_once(database)
        except Exception as error:  # the database is lost, which is told elsewhere; or busy: the next look will do
            log.debug("database: nothing was pruned: %s", error)
        else:
            if gone:
                log.info("database: %d conversations and runs have outlived their time", gone)


async def prune_once(database: "Database") -> int:
    """Delete what has outlived its time, conversations also `retention`, and return how many rows those were."""
    gone = 0
    for work in (partial(_conversations, retention=database.settings.retention.conversations), _runs):
        while True:
            count = await database.write(work)
            gone += count
            if count < BATCH:
                break
            await asyncio.sleep(0.05)  # let others write
    return gone


def _runs(connection: Connection) -> int:
    wanted = select(runs.c.id).where(runs.c.expires_at <= time.time()).limit(BATCH).with_for_update(skip_locked=True)
    gone = list(connection.execute(wanted).scalars())
    if gone:
        connection.execute(delete(run_events).where(run_events.c.run.in_(gone)))
        connection.execute(delete(runs).where(runs.c.id.in_(gone)))
    return len(gone)


def _conversations(connection: Connection, retention: float | None) -> int:
    now, table = time.time(), conversations.c
    over = table.expires_at <= now
    if retention is not None:
        over = or_(over, table.updated_at <= now - retention)
    # Those that a turn is being written to, or that another process deletes, are passed over.
    wanted = select(table.key).where(over).order_by(table.key).limit(BATCH).with_for_update(skip_locked=True)
    keys = list(connection.execute(wanted).scalars())
    if keys:
        erase(connection, keys)
    return len(keys)


def erase(connection: Connection, keys: list[int]) -> None:
    """Delete conversations with all that belongs to them."""
    for table in (items, variables):
        connection.execute(delete(table).where(table.c.conversation.in_(keys)))
    connection.execute(delete(conversations).where(conversations.c.key.in_(keys)))
