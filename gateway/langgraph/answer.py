"""What a graph says, as a chat model's answer: its events, and the Reply that brings them."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.tool import ToolCall

from gateway.langgraph.messages import chat_calls
from gateway.seam import Batch, Call, Chunk, Reply, Source, Tasks, Unavailable, Usage
from gateway.wire.chat import CHAT_EVENT
from gateway.wire.said import chat_chunk
from gateway.wire.sse import DONE, frame
from gateway.wire.verbatim import encode

Spent = Callable[[], tuple[Usage, bool]]
_GAP = "\n\n"
"""What stands between one message and the next."""
_FINISHES = {
    "stop": "stop",
    "length": "length",
    "content_filter": "content_filter",
    "max_tokens": "length",
    "refusal": "content_filter",
}
"""Why a model stopped, as OpenAI and as Anthropic tell it; anything else is `stop`."""


class Answer:
    """Makes the events of one chat answer, in their order: role, texts, tool calls, finish, usage, end mark.

    Where several models speak at once, one speaks and the others wait until it has ended.
    """

    def __init__(self, call: Call) -> None:
        self._call = call
        self._created = int(time.time())
        self._opened = False
        self._speaker: str | None = None
        self._waiting: dict[str | None, list[AIMessage]] = {}
        self._last: str | None = None
        self._texts: list[str] = []
        self._finish = "stop"
        self.said = False
        """Whether any text has been said."""
        self.calls: Sequence[ToolCall] = ()
        """The tools that the caller is to run."""

    def message(self, message: AIMessage) -> Batch | None:
        """What a message, or a piece of one, says; None where that is nothing, or must wait."""
        if self._speaker not in (None, message.id):
            self._waiting.setdefault(message.id, []).append(message)
            return None
        chunks = self._spoken(message)
        while self._speaker is None and self._waiting:
            for piece in self._waiting.pop(next(iter(self._waiting))):
                chunks += self._spoken(piece)
        return Batch.of(chunks) if chunks else None

    def text(self, text: str) -> Batch:
        """A text that stands by itself."""
        gap = _GAP if self.said else ""
        return self.piece(gap + text)

    def piece(self, text: str) -> Batch:
        """A text that goes on where the last one ended."""
        self.said = True
        return Batch.of((self._event({"content": str(text)}),))  # LangChain has a text type of its own

    def end(self, usage: Usage) -> Batch:
        """The end of the answer, and what of messages that did not end had to wait."""
        chunks = [chunk for pieces in self._waiting.values() for piece in pieces for chunk in self._spoken(piece)]
        calls = [{"index": number, **call} for number, call in enumerate(chat_calls(self.calls))]
        if calls or not (self._opened or chunks):
            chunks.append(self._event({"tool_calls": calls} if calls else {}))
        trailer = chat_chunk(self._call.id, self._call.request.model, self._created) | {"choices": []}
        chunks += [
            self._chunk({}, "tool_calls" if calls else self._finish),
            Chunk(frame(encode(trailer)), CHAT_EVENT).with_usage(usage),
            Chunk(DONE, CHAT_EVENT),
        ]
        return Batch.of(chunks)

    def _spoken(self, message: AIMessage) -> list[Chunk]:
        whole = not isinstance(message, AIMessageChunk)
        self._speaker = None if whole or getattr(message, "chunk_position", None) == "last" else message.id
        metadata = message.response_metadata
        told = metadata.get("finish_reason") or metadata.get("stop_reason")
        if told is not None:
            self._finish = _FINISHES.get(str(told), "stop")
        text, thought = str(message.text), _reasoning(message)
        if whole and text == "".join(self._texts):
            return []  # a node returns as a message of its own what its model has said
        delta = {"reasoning_content": thought} if thought else {}
        if refusal := message.additional_kwargs.get("refusal"):
            delta["refusal"] = str(refusal)
        if text:
            delta["content"] = self._gap(message.id) + text
            self._texts.append(text)
        return [self._event(delta)] if delta else []

    def _gap(self, message: str | None) -> str:
        """What stands between what was said and what `message` says next."""
        if self.said and message == self._last:
            return ""
        gap = _GAP if self.said else ""
        self._texts = []
        self._last, self.said = message, True
        return gap

    def _event(self, delta: Mapping[str, Any]) -> Chunk:
        if not self._opened:
            self._opened = True
            delta = {"role": "assistant", "content": "", "refusal": None, **delta}
        return self._chunk(delta)

    def _chunk(self, delta: Mapping[str, Any], finish: str | None = None) -> Chunk:
        chunk = chat_chunk(self._call.id, self._call.request.model, self._created, delta, finish)
        return Chunk(frame(encode(chunk)), CHAT_EVENT)


def _reasoning(message: AIMessage) -> str:
    """What a model thought: as chat providers give it, or as a block of its own."""
    thought = message.additional_kwargs.get("reasoning_content")
    if thought or isinstance(message.content, str):
        return str(thought or "")
    blocks = [block for block in message.content if isinstance(block, dict)]
    return "".join([str(block.get("reasoning") or block.get("thinking") or "") for block in blocks])


class Pumped:
    """A source that is read in a task of its own, so that who reads, closes or cancels it may be anybody.

    Graphs know their surroundings by context variables, and those of one task.
    """

    def __init__(self, tasks: Tasks, batches: AsyncIterator[Batch]) -> None:
        self._ready: deque[Batch] = deque()
        self._wake: asyncio.Future[None] | None = None
        self._error: Exception | None = None
        self._over = False
        self._task = tasks.spawn(self._pump(batches))

    def __aiter__(self) -> AsyncIterator[Batch]:
        return self

    async def __anext__(self) -> Batch:
        while not self._ready:
            if self._error is not None:
                raise self._error
            if self._over:
                raise StopAsyncIteration
            self._wake = asyncio.get_running_loop().create_future()
            await self._wake
        return self._ready.popleft()

    async def aclose(self) -> None:
        """Cancel what still runs, and wait until it does no longer."""
        if not self._task.done():
            self._task.cancel()
            await asyncio.wait((self._task,))

    async def _pump(self, batches: AsyncIterator[Batch]) -> None:
        try:
            async for batch in batches:
                self._ready.append(batch)
                self._woken()
        except Exception as error:
            self._error = error
        except asyncio.CancelledError:
            self._error = Unavailable("The gateway is shutting down.")  # unless nobody reads any more
            raise
        finally:
            self._over = True
            self._woken()

    def _woken(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)


class Measured(Reply):
    """An answer that has cost what the run has."""

    __slots__ = ("_spent",)

    def __init__(self, call: Call, source: Source, spent: Spent) -> None:
        super().__init__(call, source, surface="chat")
        self._spent = spent

    def usage(self) -> tuple[Usage, bool]:
        """The tokens of all models so far, and whether any of them are estimated."""
        return self._spent()
