"""The contract: one method each."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from gateway.seam.call import Call
from gateway.seam.chunk import Chunk
from gateway.seam.reply import Reply

Handler = Callable[[Call], Awaitable[Reply]]
"""Answers a call, or raises."""


class Middleware(Protocol):
    """A layer of a ring. `call_next` enters the next one; code after it runs when the answer's head is known."""

    async def __call__(self, call: Call, call_next: Handler, /) -> Reply:
        """Answer the call: by `call_next`, changed on its way down or up, or by oneself, or by raising."""
        ...


class Provider(Protocol):
    """A Handler with a connection."""

    surfaces: Sequence[str]
    """The dialects that it speaks natively."""
    models: Sequence[str]
    """The names that it is known to serve; empty where it serves whatever its upstream does."""

    async def __call__(self, call: Call, /) -> Reply:
        """Answer the call, or raise. `call.target` says under which model's name, and how long it may take."""
        ...


class Node(Protocol):
    """A step of a chain or graph."""

    async def __call__(self, call: Call, run: Handler, /) -> Reply:
        """Answer the call; `run` calls a model."""
        ...


class Component(Protocol):
    """What any of these may have beside its method."""

    async def start(self, env: Any, /) -> None:
        """Called once, before the first call, with the `seam.Env`."""
        ...

    async def aclose(self) -> None:
        """Called once, after the last call."""
        ...


class Filter(Protocol):
    """What `Reply.pipe` takes: whole events in, whole events out. Synchronous."""

    def feed(self, chunk: Chunk, /) -> Sequence[Chunk]:
        """The events that stand for this one; the same object where nothing changes."""
        ...

    def end(self) -> Sequence[Chunk]:
        """What is still to come, at a clean end."""
        ...


class TextFilter(Protocol):
    """What `Reply.rewrite` takes for each running text: pieces in, pieces out. Synchronous."""

    def feed(self, text: str, /) -> str:
        """What may leave now; what must wait is kept."""
        ...

    def end(self) -> str:
        """What was kept: the text is complete."""
        ...
