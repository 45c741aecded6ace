"""A run's answer: the last step's as it comes, or a text that is known, with the usage of all steps."""

import time
from collections.abc import AsyncIterator, Callable

from gateway.seam import Batch, Call, Chunk, Given, Reply, Source, Usage
from gateway.seam.reply import flow
from gateway.wire.chat import CHAT_ANSWER, CHAT_EVENT
from gateway.wire.said import chat, chat_chunk, chat_events
from gateway.wire.sse import DONE, frame
from gateway.wire.verbatim import encode

Spent = Callable[[], tuple[Usage, bool]]
"""What a run has cost so far, and whether any of it is estimated."""


class Transcript:
    """The text of an answer as it is read, up to about `most` bytes: for a run's record."""

    __slots__ = ("_left", "_pieces")

    def __init__(self, most: int) -> None:
        self._pieces: list[str] = []
        self._left = most

    @classmethod
    def of(cls, text: str) -> "Transcript":
        """One that is complete."""
        made = cls(0)
        made._pieces.append(text)
        return made

    @property
    def text(self) -> str:
        """What has been read so far."""
        return "".join(self._pieces)

    def see(self, batch: Batch) -> None:
        """Some of the answer passes. What cannot be read is no affair of the record's, and ends it."""
        if self._left <= 0:
            return
        try:
            for chunk in batch.chunks:
                for part in chunk.parts():
                    if part.kind == "text" and part.choice == 0:
                        self._pieces.append(part.text)
                        self._left -= len(part.text)
        except Exception:  # of whatever the chunk is
            self._left = 0


class Metered(Reply):
    """An answer that has cost what the steps of a run have, not only what it reports of itself."""

    __slots__ = ("_spent", "transcript")

    def __init__(
        self,
        call: Call,
        source: Source,
        spent: Spent,
        inner: Reply | None = None,
        transcript: Transcript | None = None,
    ) -> None:
        super().__init__(call, source, None if inner is None else inner.head, surface="chat", inner=inner)
        self._spent = spent
        self.transcript = transcript

    def usage(self) -> tuple[Usage, bool]:
        """The tokens of all steps so far, and whether any of them are estimated."""
        return self._spent()


class Summed:
    """The batches of the last step's answer; where they report usage, that of the steps before is added."""

    __slots__ = ("_before", "_reply")

    def __init__(self, reply: Reply, before: Usage) -> None:
        self._reply = reply
        self._before = before

    def __aiter__(self) -> AsyncIterator[Batch]:
        return self

    async def __anext__(self) -> Batch:
        return self._summed(await self._reply.__anext__())

    async def flow(self, push: Callable[[Batch], bool]) -> bool:
        """Hand batches to `push` as they come (see `Reply.flow`)."""
        return await flow(self._reply, lambda batch: push(self._summed(batch)))

    async def aclose(self) -> None:
        """Close the answer."""
        await self._reply.aclose()

    def _summed(self, batch: Batch) -> Batch:
        if batch.usage is None:  # the others leave as they came
            return batch
        return Batch.of([self._added(chunk) for chunk in batch.chunks])

    def _added(self, chunk: Chunk) -> Chunk:
        usage = chunk.usage
        return chunk if usage is None else chunk.with_usage(self._before.plus(usage))


def said(call: Call, text: str, spent: Spent) -> Reply:
    """An answer of this text, in the form that the call wants."""
    model, (usage, _) = call.request.model, spent()
    if not call.request.stream:
        chunks = [Chunk(chat(call.id, model, text), CHAT_ANSWER).with_usage(usage)]
    else:
        last = encode(chat_chunk(call.id, model, int(time.time())) | {"choices": []})
        chunks = [Chunk(frame(event), CHAT_EVENT) for event in chat_events(call.id, model, text)]
        chunks += [Chunk(frame(last), CHAT_EVENT).with_usage(usage), Chunk(DONE, CHAT_EVENT)]
    return Metered(call, Given((Batch.of(chunks),)), spent, transcript=Transcript.of(text))


def transcribed(reply: Reply, most: int) -> tuple[Reply, Transcript]:
    """A Reply of which a transcript is kept, and that: the one of whoever was asked within, where there is one."""
    found: Reply | None = reply
    while found is not None:
        if isinstance(found, Metered) and found.transcript is not None:
            return reply, found.transcript
        found = found.inner
    transcript = Transcript(most)
    reply.tap(transcript.see)
    return Metered(reply.call, reply, reply.usage, reply, transcript), transcript
