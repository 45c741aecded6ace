"""A run that is watched: its steps are events of the answer, and its answer follows."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable

from gateway.orchestration.run import StepEvent, Tell
from gateway.seam import Batch, Call, Chunk, Reply, Unavailable
from gateway.seam.reply import flow
from gateway.wire.chat import CHAT_EVENT
from gateway.wire.said import chat_chunk
from gateway.wire.sse import frame
from gateway.wire.verbatim import encode

Begin = Callable[[Tell], Awaitable[Reply]]


class Shown:
    """A source: what `begin` tells of steps, then the Reply that it gives. It begins when it is first read.

    Events are chunks with an empty delta and a `gateway` field; where they are `thoughts`, their text stands in
    `reasoning_content`, which chat interfaces show.
    """

    def __init__(self, call: Call, begin: Begin, *, thoughts: bool) -> None:
        self._call = call
        self._begin = begin
        self._thoughts = thoughts
        self._created = int(time.time())
        self._events: deque[Batch] = deque()
        self._task: asyncio.Task[None] | None = None
        self._wake: asyncio.Future[None] | None = None
        self._reply: Reply | None = None
        self._error: Exception | None = None

    def __aiter__(self) -> AsyncIterator[Batch]:
        return self

    async def __anext__(self) -> Batch:
        while True:
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
        self._wake = asyncio.get_running_loop().create_future()
        if self._task is None:
            self._task = self._call.tasks.spawn(self._run())
        await self._wake

    async def _run(self) -> None:
        try:
            self._reply = await self._begin(self._tell)
        except Exception as error:
            self._error = error
        except asyncio.CancelledError:
            self._error = Unavailable("The gateway is shutting down.")  # unless nobody reads any more
            raise
        finally:
            self._woken()

    def _tell(self, event: StepEvent) -> None:
        shown = event._asdict() if event.ms is not None else {"step": event.step, "status": event.status}
        delta = {"reasoning_content": _thought(event)} if self._thoughts else None
        chunk = chat_chunk(self._call.id, self._call.request.model, self._created, delta) | {"gateway": shown}
        self._events.append(Batch.of((Chunk(frame(encode(chunk)), CHAT_EVENT),)))
        self._woken()

    def _woken(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)


def _thought(event: StepEvent) -> str:
    if event.ms is None:
        return f"{event.step} …\n"
    return f"{event.step}: {event.status} after {event.ms / 1000:.1f} s\n"
