"""The Reply of `call_next` as a plugin is handed it."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Any

from gateway.seam import Batch, Chunk, Ending, Filter, Reply

if TYPE_CHECKING:
    from gateway.pipeline.turn import Turn


class Handed(Reply):
    """While it is the plugin's, what its verbs are given is called under the plugin's name.

    Once the plugin has returned it, it is a Reply like any other: what outer layers add is theirs.
    """

    __slots__ = ("_turn",)

    def __init__(self, turn: "Turn", reply: Reply) -> None:
        super().__init__(reply.call, _FurtherIn(turn, reply), reply.head, surface=reply.surface, inner=reply)
        self._turn: Turn | None = turn

    def release(self) -> None:
        """The plugin has returned it."""
        self._turn = None

    def tap(self, see: Callable[[Batch], Any]) -> Reply:
        """See `Reply.tap`."""
        turn = self._turn
        return super().tap(see if turn is None else lambda batch: turn.called(see, batch))

    def pipe(self, events: Filter) -> Reply:
        """See `Reply.pipe`."""
        return super().pipe(events if self._turn is None else _Filter(self._turn, events))

    def on_end(self, ending: Ending) -> Reply:
        """See `Reply.on_end`."""
        turn = self._turn
        return super().on_end(ending if turn is None else lambda outcome: turn.ended(ending, outcome))

    def __del__(self) -> None:
        if not self._ended and self._turn is not None:
            self._turn.dropped()
        super().__del__()


class _FurtherIn:
    """The source of what a plugin is handed."""

    __slots__ = ("_reply", "_turn")

    def __init__(self, turn: "Turn", reply: Reply) -> None:
        self._turn = turn
        self._reply = reply

    def __aiter__(self) -> AsyncIterator[Batch]:
        return self

    async def __anext__(self) -> Batch:
        return await self._turn.inside(self._reply.__anext__())

    async def flow(self, push: Callable[[Batch], bool]) -> bool:
        return await self._turn.inside(self._reply.flow(push))

    async def aclose(self) -> None:
        await self._reply.aclose()


class _Filter:
    """A plugin's filter of events, called under its name."""

    __slots__ = ("_end", "_feed", "_turn")

    def __init__(self, turn: "Turn", events: Filter) -> None:
        self._turn = turn
        self._feed = events.feed
        self._end = events.end

    def feed(self, chunk: Chunk) -> Sequence[Chunk]:
        return self._called(self._feed, chunk)

    def end(self) -> Sequence[Chunk]:
        return self._called(self._end)

    def _called(self, function: Callable[..., Any], *args: Chunk) -> Sequence[Chunk]:
        chunks: Sequence[Chunk] = self._turn.called(_chunks, function, *args)
        return chunks


def _chunks(function: Callable[..., Any], *args: Chunk) -> Sequence[Chunk]:
    found = function(*args)
    if not (isinstance(found, list | tuple) and all(isinstance(one, Chunk) for one in found)):
        raise TypeError(f"{function.__qualname__} gave {found!r} where a list of chunks is due")
    return found
