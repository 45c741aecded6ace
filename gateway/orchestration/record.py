"""What a run tells of itself: one record, which its steps write and whoever is interested reads.

Nobody is called when something is told. Readers keep their own place in the list of events and wait until it has grown
(`grown`), so that a slow one delays nothing and misses nothing.
"""

import asyncio
import os
import time
from collections.abc import Callable
from typing import Any, TypeVar

from msgspec import UNSET, UnsetType

from gateway.orchestration.events import (
    Content,
    Event,
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunStarted,
    StepCancelled,
    StepCompleted,
    StepFailed,
    StepStarted,
    Tokens,
    Told,
    Trouble,
    held,
)
from gateway.orchestration.stop import Stop
from gateway.seam import GatewayError, Usage
from gateway.stores.run_row import RunRow, Status
from gateway.wire.verbatim import encode

E = TypeVar("E", bound=Event)
EVENT_WEIGHT = 400
"""About how many bytes an event takes, beside its contents."""
MOST_EVENTS = 10_000
"""Events of one run; what else happens in it is not recorded but for its end."""
MOST_CONTENTS = 8 * 2**20
"""Bytes of contents of one run; what comes after has none."""
_NOTHING = Usage()


class Record:
    """One run, from its beginning to its end: its events, and what they come to.

    `contents` is how many bytes of an input or output are recorded; 0: none at all.
    """

    __slots__ = (
        "_began",
        "_tell_end",
        "_waiting",
        "completed_at",
        "contents",
        "conversation",
        "created_at",
        "error",
        "events",
        "id",
        "model",
        "ms",
        "owner",
        "part",
        "status",
        "steps",
        "stop",
        "usage",
        "weight",
    )

    def __init__(
        self, model: str, owner: str = "", contents: int = 0, ended: "Callable[[Record], None] | None" = None
    ) -> None:
        """`ended` is told when the run is over."""
        # It grows with time, so that runs are listed by it, and new rows are neighbours in the database.
        self.id = f"run_{time.time_ns() // 1000:014x}{os.urandom(5).hex()}"
        self.model = model
        self.owner = owner
        self.contents = contents
        self.conversation: str | None = None
        self.created_at = time.time()
        self.completed_at: float | None = None
        self.status: Status = "running"
        self.ms: float | None = None
        self.usage = _NOTHING
        self.error: Trouble | None = None
        self.steps = 0
        self.events: list[Event] = []
        self.weight = 0
        self.stop = Stop(self.id)
        self.part: Part | None = Part(self)
        """What the run is a tree of, while it goes on."""
        self._began = time.monotonic()
        self._tell_end = ended
        self._waiting: list[asyncio.Future[None]] = []

    # ---- what is told

    def tell(self, make: type[E], *fields: Any) -> E:
        """Something has happened. Of what happens after the run's end nothing is recorded."""
        event = make(len(self.events) + 1, time.time(), *fields)
        if len(self.events) < MOST_EVENTS and self.status == "running":
            self._add(event)
        return event

    def content(self, value: Any) -> Content:
        """An input or output as it is recorded."""
        if not self.contents or value is None or self.weight > MOST_CONTENTS:
            return UNSET
        found = held(value, self.contents)
        if found is None:
            return UNSET
        self.weight += len(found) if isinstance(found, str) else len(bytes(found))
        return found

    def begin(self, value: Any) -> None:
        """The run has begun, with that for its input."""
        self.tell(RunStarted, self.model, self.content(value))

    def end(self, status: Status, usage: Usage, error: BaseException | None = None, output: Any = None) -> None:
        """The run is over; a second time does nothing. One that somebody cancelled is that, whatever came of it."""
        if self.status != "running":
            return
        if not self.events:  # it was refused before it began
            self.begin(None)
        if self.stop.asked and status != "completed":
            status = "cancelled"
        self.status, self.usage, self.part, self.stop.close = status, usage, None, None
        self.completed_at = time.time()
        self.ms = _since(self._began)
        number, tokens = len(self.events) + 1, Tokens.of(usage)
        if status == "completed":
            self._add(RunCompleted(number, self.completed_at, self.ms, tokens, self.content(output)))
        elif status == "cancelled":
            self._add(RunCancelled(number, self.completed_at, self.ms, tokens))
        else:
            self.error = Trouble.of(error if error is not None else GatewayError("The run failed."))
            self._add(RunFailed(number, self.completed_at, self.ms, tokens, self.error))
        if self._tell_end is not None:
            self._tell_end(self)

    def cancel(self) -> None:
        """End the run: what it has asked for is closed, and its caller reads that it was cancelled."""
        if self.status == "running":
            self.stop.ask()

    # ---- who reads

    @property
    def over(self) -> bool:
        """Whether the run has ended: no event will follow."""
        return self.status != "running"

    async def grown(self, seen: int) -> None:
        """Wait until there are more events than `seen`, or the run is over."""
        while len(self.events) <= seen and self.status == "running":
            following = self.following()
            try:
                await following
            finally:
                if following in self._waiting:  # who waited has left
                    self._waiting.remove(following)

    async def ended(self) -> None:
        """Wait until the run is over."""
        while not self.over:
            await self.grown(len(self.events))

    def following(self) -> "asyncio.Future[None]":
        """Done when the next event is there: for a reader that waits for something else as well, and may set it."""
        following: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(following)
        return following

    def spent(self) -> Usage:
        """What it has cost so far."""
        return self.usage if self.part is None else self.part.spent

    def row(self) -> RunRow:
        """The run as it is listed."""
        usage = self.spent()
        error = None if self.error is None else encode(self.error)
        return RunRow(
            self.id,
            self.owner,
            self.model,
            self.conversation,
            self.status,
            self.created_at,
            self.completed_at,
            self.ms,
            usage.input,
            usage.output,
            self.steps,
            error,
        )

    def _add(self, event: Event) -> None:
        self.events.append(event)
        self.weight += EVENT_WEIGHT
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            for one in waiting:
                if not one.done():
                    one.set_result(None)


class Part:
    """A part of a run: the run itself, a step of it, a step of that. It knows where it stands, and what it has cost."""

    __slots__ = ("_began", "_outer", "_started", "estimated", "path", "record", "spent")

    def __init__(self, record: Record, path: str = "", outer: "Part | None" = None) -> None:
        """What it costs, `outer` costs too."""
        self.record = record
        self.path = path
        self.spent = _NOTHING
        self.estimated = False
        self._outer = outer
        self._began = 0.0
        self._started: StepStarted | None = None

    def step(self, told: Told) -> "Part":
        """A step of it that begins now."""
        record = self.record
        part = Part(record, f"{self.path}/{told.name}" if self.path else told.name, self)
        record.steps += 1
        part._started = record.tell(StepStarted, part.path, told.kind, told.node, told.model)
        part._began = time.monotonic()
        return part

    def within(self) -> "Part":
        """The same place, for a chain or graph that runs there and reports what it has cost when it ends."""
        return Part(self.record, self.path)

    def takes(self, value: Any) -> None:
        """What the step does its work with: its input. It says so before it first waits; the first time counts."""
        started = self._started
        if started is not None and self.record.contents and isinstance(started.input, UnsetType):
            started.input = self.record.content(value)

    def spend(self, usage: Usage, estimated: bool) -> None:
        """It has cost that."""
        self.spent = usage if self.spent is _NOTHING else self.spent.plus(usage)
        self.estimated = self.estimated or estimated
        if self._outer is not None:
            self._outer.spend(usage, estimated)

    def done(self, usage: Usage, output: Any) -> None:
        """The step is done."""
        tokens = None if usage == _NOTHING else Tokens.of(usage)
        self.record.tell(StepCompleted, self.path, _since(self._began), tokens, self.record.content(output))

    def broke(self, error: BaseException | None) -> None:
        """The step has ended in an error, or was broken off."""
        ms = _since(self._began)
        if isinstance(error, Exception) and not self.record.stop.asked:
            self.record.tell(StepFailed, self.path, ms, Trouble.of(error))
        else:
            self.record.tell(StepCancelled, self.path, ms)


def _since(began: float) -> float:
    return round((time.monotonic() - began) * 1000, 1)
