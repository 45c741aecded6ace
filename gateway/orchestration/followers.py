"""Who reads a run's events as they come: from its record, or from the database where another process serves it."""

import asyncio
from typing import TYPE_CHECKING, Protocol

from gateway.orchestration.record import Record
from gateway.stores.database import Database, DatabaseUnavailable
from gateway.wire.verbatim import encode

if TYPE_CHECKING:
    from gateway.stores.runs import KeptRuns

POLL = 0.5
"""Seconds between two looks into the database."""
_AT_ONCE = 200
"""Events that a follower is given at one time."""


class Follower(Protocol):
    """Reads a run's events."""

    async def more(self) -> list[bytes]:
        """The JSON of the next events, as soon as there are any; none: the run is over. It may be broken off."""
        ...


class RecordFollower:
    """Reads the events of a run of this process."""

    def __init__(self, record: Record, after: int) -> None:
        self._record = record
        self._seen = after

    async def more(self) -> list[bytes]:
        """The next events."""
        await self._record.grown(self._seen)
        events = self._record.events[self._seen : self._seen + _AT_ONCE]
        self._seen += len(events)
        return [encode(event) for event in events]


class KeptFollower:
    """Reads the events of a run that is kept. While the database is lost, it waits."""

    def __init__(self, runs: "KeptRuns", database: Database, run: str, after: int) -> None:
        self._runs = runs
        self._database = database
        self._run = run
        self._seen = after

    async def more(self) -> list[bytes]:
        """The next events."""
        while True:
            try:
                story = await self._runs.story(self._run, None, self._seen)
            except DatabaseUnavailable:
                await self._database.back()
                continue
            events = [] if story is None else story.events
            if events or story is None or story.row.status != "running":
                self._seen += len(events)
                return events
            await asyncio.sleep(POLL)
