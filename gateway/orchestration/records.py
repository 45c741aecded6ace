"""The runs of this process: those that go on, and the newest of those that are over."""

import time
from collections import OrderedDict
from typing import NamedTuple, Protocol

from gateway.config.runs import Runs
from gateway.orchestration.record import Record
from gateway.seam import Call, GatewayError
from gateway.stores.identity import owner_of
from gateway.stores.run_row import RunRow, Wanted
from gateway.wire.verbatim import encode

RUN_ID = b"x-gateway-run-id"
"""The header that names the run, on answers and errors."""
MOST = 1000
"""Runs that are over and stay in memory."""
MOST_WEIGHT = 64 * 2**20
"""Bytes that those take, about."""
LONGEST = 3600.0
"""Seconds for which they stay."""
_AT_ONCE = 200
"""Events that a follower is given at one time."""
NOT_KEPT = Runs(keep=False)
"""What holds where nothing is said of runs."""


class RunNotRunning(GatewayError):
    """A run that is over already cannot be cancelled."""

    status, type, code = 409, "invalid_request_error", "run_not_running"

    def __init__(self, run: str, status: str) -> None:
        super().__init__(f"The run {run} is over: it is {status}.", retryable=False)


class Story(NamedTuple):
    """A run, and the JSON of each of its events."""

    row: RunRow
    events: list[bytes]


class Follower(Protocol):
    """Reads a run's events as they come."""

    async def more(self) -> list[bytes]:
        """The JSON of the next events, as soon as there are any; none: the run is over. May be broken off."""
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


class Records:
    """Begins the record of each run, and finds it again."""

    def __init__(self, settings: Runs = NOT_KEPT) -> None:
        content = settings.keep if settings.content is None else settings.content
        self._contents = int(settings.max_size) if content else 0
        self._live: dict[str, Record] = {}
        self._over: OrderedDict[str, Record] = OrderedDict()
        self._weight = 0

    def begin(self, model: str, call: Call) -> Record:
        """The record of a run that begins."""
        record = Record(model, owner_of(call), self._contents, self._ended)
        self._live[record.id] = record
        return record

    def get(self, run: str, owner: str | None) -> Record | None:
        """A run of this process that a key may see (None: any key)."""
        record = self._live.get(run)
        if record is None:
            self._forget()
            record = self._over.get(run)
        return record if record is not None and owner in (None, record.owner) else None

    async def rows(self, wanted: Wanted) -> list[RunRow]:
        """The first of the runs that are wanted."""
        self._forget()
        rows = [record.row() for records in (self._live, self._over) for record in records.values()]
        return wanted.first([row for row in rows if wanted.has(row)])

    async def row(self, run: str, owner: str | None) -> RunRow | None:
        """A run that a key may see, as it is listed."""
        record = self.get(run, owner)
        return None if record is None else record.row()

    async def story(self, run: str, owner: str | None) -> Story | None:
        """A run that a key may see, with the JSON of all its events."""
        record = self.get(run, owner)
        return None if record is None else Story(record.row(), [encode(event) for event in record.events])

    async def follower(self, run: str, owner: str | None, after: int = 0) -> "Follower | None":
        """Whoever reads the events of a run that a key may see: those behind the number `after`, and what follows."""
        record = self.get(run, owner)
        return None if record is None else RecordFollower(record, after)

    async def cancel(self, run: str, owner: str | None) -> RunRow | None:
        """End a run that a key may see, and wait until it has ended. Raises `RunNotRunning`."""
        record = self.get(run, owner)
        if record is None:
            return None
        if record.over:
            raise RunNotRunning(run, record.status)
        record.cancel()
        await record.ended()
        return record.row()

    def _ended(self, record: Record) -> None:
        del self._live[record.id]
        self._over[record.id] = record
        self._weight += record.weight
        self._forget()

    def _forget(self) -> None:
        """Let go what is too old, or too much."""
        since = time.time() - LONGEST
        while self._over:
            oldest = next(iter(self._over.values()))
            old = oldest.completed_at is not None and oldest.completed_at < since
            if not old and len(self._over) <= MOST and self._weight <= MOST_WEIGHT:
                return
            self._over.popitem(last=False)
            self._weight -= oldest.weight
