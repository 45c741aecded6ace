"""A conversation with a graph that remembers: the thread of its checkpointer, and what of a request is new there."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import dropwhile
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.pregel import Pregel
from langgraph.types import Command, StateSnapshot

from gateway.seam import Conversation


class Turn(NamedTuple):
    """One request in a thread."""

    thread: Mapping[str, Any]
    """What a config's `configurable` says of it: the thread, and the checkpoint from where it goes on."""
    messages: Sequence[BaseMessage]
    """What of the request is new there."""
    resume: Command[Any] | None = None
    """The caller's answer, where the graph has asked one (`interrupt`)."""


class Threads:
    """The threads of one graph. The turns of a thread are taken one after the other."""

    def __init__(self, graph: Pregel[Any, Any, Any, Any], checkpointer: BaseCheckpointSaver[Any]) -> None:
        self._graph = graph
        self._checkpointer = checkpointer
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def turn(self, conversation: Conversation, messages: Sequence[BaseMessage]) -> AsyncIterator[Turn]:
        """The next turn of a conversation, which nobody else takes meanwhile."""
        name = thread_id(conversation)
        lock = self._locks.get(name)
        if lock is None:
            lock = self._locks[name] = asyncio.Lock()
        async with lock:
            yield await self._opened(name, messages)

    async def _opened(self, name: str, messages: Sequence[BaseMessage]) -> Turn:
        thread: dict[str, Any] = {"thread_id": name}
        state = await self._graph.aget_state({"configurable": thread})
        if not _whole(state):
            last = await self._last_whole(thread)
            if last is None:  # the first turn did not end well: it leaves nothing
                await self._checkpointer.adelete_thread(name)
                return Turn(thread, messages)
            state, thread = last, dict(last.config["configurable"])
        if state.interrupts:
            given = _answer(messages)
            return Turn(thread, (), Command(resume={one.id: given for one in state.interrupts}))
        return Turn(thread, _new(messages) if state.values else messages)

    async def _last_whole(self, thread: Mapping[str, Any]) -> StateSnapshot | None:
        """Where the last turn that ended well has left the thread."""
        async for state in self._graph.aget_state_history({"configurable": dict(thread)}):
            if _whole(state):
                return state
        return None


def thread_id(conversation: Conversation) -> str:
    """The thread of a conversation: of each key its own."""
    owner, name = conversation
    return f"{owner}/{name}" if owner else name


def _whole(state: StateSnapshot) -> bool:
    """Whether a turn has ended there: with an answer, or with a question."""
    return not state.next or bool(state.interrupts)


def _new(messages: Sequence[BaseMessage]) -> Sequence[BaseMessage]:
    """What the thread does not have: what follows the last answer. Instructions in front it has had with the first."""
    answered = max((number for number, one in enumerate(messages) if isinstance(one, AIMessage)), default=-1)
    if answered >= 0:
        return messages[answered + 1 :]
    return [*dropwhile(lambda one: isinstance(one, SystemMessage), messages)]


def _answer(messages: Sequence[BaseMessage]) -> Any:
    """What the caller answers: the newest user message's text; where that is a JSON object or list, what it holds."""
    text = next((str(one.text) for one in reversed(messages) if isinstance(one, HumanMessage)), "")
    if text.lstrip()[:1] not in ("{", "["):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
