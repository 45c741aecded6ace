"""A run that is watched: its steps are events of the answer, and its answer follows."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable

from gateway.orchestration.events import StepCancelled, StepCompleted, StepFailed, StepStarted
from gateway.orchestration.record import Record
from gateway.seam import Batch, Call, Chunk, Reply, Unavailable
from gateway.seam.reply import flow
from gateway.wire.chat import CHAT_EVENT
from gateway.wire.said import chat_chunk
from gateway.wire.sse import frame
from gateway.wire.verbatim import encode

Begin = Callable[[], Awaitable[Reply]]


class Shown:
    """A source: what a run's record tells of steps, then the Reply that `begin` gives. It begins when it is first read.

    Events are chunks with an empty delta and a `gateway` field; where they are `thoughts`, their text stands in
    `reasoning_content`, which chat interfaces show. A step whose answer is the run's is done for the client where that
    answer begins.
    """

    def __init__(self, call: Call, record: Record, begin: Begin, *, thoughts: bool) -> None:
        self._call = call
        self._record = record
        self._begin = begin
        self._thoughts = thoughts
        self._created = int(time.time())
        self._events: deque[Batch] = deque()
        self._seen = 0
        self._open: dict[str, float] = {}
        self._answers = False
        self._task: asyncio.Task[None] | None = None
        self._wake: asyncio.Future[None] | None = None
        self._reply: Reply | None = None
        self._error: Exception | None = None

    def __aiter__(self) -> AsyncIterator[Batch]:
        return self

    async def __anext__(self) -> Batch:
        while True:
            self._look()
            if self._events:
                return self._events.popleft()
            if self._error is not None:
                raise self._error
            if self._reply is not None:
                return await self._reply.__anext__()
            await self._more()

    async def flow(self, push: Callable[[Batch], bool]) -> bool:
        """Hand batches to `push` as they come (see `Reply.flow`)."""
        while True:
            self._look()
            while self._events:
                if not push(self._events.popleft()):
                    return False
            if self._error is not None:
                raise self._error
            if self._reply is not None:
                return await flow(self._reply, push)
            await self._more()

    async def aclose(self) -> None:
        """End the run, or close its answer."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait((self._task,))
        if self._reply is not None:
            await self._reply.aclose()

    async def _more(self) -> None:
        """Wait until there is an event, or the answer."""
        self._wake = self._record.following()
        if self._task is None:
            self._task = self._call.tasks.spawn(self._run())
        await self._wake

    async def _run(self) -> None:
        try:
            self._reply = await self._begin()
        except Exception as error:
            self._error = error
        except asyncio.CancelledError:
            self._error = Unavailable("The gateway is shutting down.")  # unless nobody reads any more
            raise
        finally:
            if self._wake is not None and not self._wake.done():
                self._wake.set_result(None)

    # ---- events

    def _look(self) -> None:
        """Take from the record what has been told of steps before the answer began."""
        if self._answers:
            return
        events = self._record.events
        while self._seen < len(events):
            event = events[self._seen]
            self._seen += 1
            if isinstance(event, StepStarted):
                self._open[event.step] = event.at
                self._show(event.step, "started")
            elif isinstance(event, StepCompleted | StepFailed | StepCancelled) and event.step in self._open:
                del self._open[event.step]
                self._show(event.step, _STATUS[type(event)], round(event.ms))
        if self._reply is not None:
            now = time.time()
            for step, began in reversed(self._open.items()):
                self._show(step, "done", max(0, round((now - began) * 1000)))
            self._answers = True

    def _show(self, step: str, status: str, ms: int | None = None) -> None:
        shown = {"step": step, "status": status} | ({} if ms is None else {"ms": ms})
        delta = {"reasoning_content": _thought(step, status, ms)} if self._thoughts else None
        chunk = chat_chunk(self._call.id, self._call.request.model, self._created, delta) | {"gateway": shown}
        self._events.append(Batch.of((Chunk(frame(encode(chunk)), CHAT_EVENT),)))


_STATUS = {StepCompleted: "done", StepFailed: "failed", StepCancelled: "cancelled"}


def _thought(step: str, status: str, ms: int | None) -> str:
    if ms is None:
        return f"{step} …\n"
    return f"{step}: {status} after {ms / 1000:.1f} s\n"
