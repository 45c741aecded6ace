"""Text filters over events of any dialect: what `Reply.rewrite` does."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
from msgspec import Raw

from gateway.seam.chunk import Chunk
from gateway.seam.errors import UpstreamError
from gateway.wire.parts import Key, Kind
from gateway.wire.verbatim import INVALID, mend

if TYPE_CHECKING:
    from gateway.seam.protocols import TextFilter


class _Running:
    """One running text: its filter, the last event that carried it, and whether it must still be JSON."""

    __slots__ = ("event", "filter", "given", "key", "text")

    def __init__(self, new: "TextFilter", key: Key) -> None:
        self.filter = new
        self.key = key
        self.event: Chunk | None = None
        keep = key.kind == "tool_args"
        self.given: list[str] | None = [] if keep else None
        self.text: list[str] | None = [] if keep else None

    def feed(self, event: Chunk, text: str) -> str:
        self.event = event
        left = self.filter.feed(text)
        return left if self.given is None and type(left) is str else self._passed(text, left)

    def end(self) -> str:
        return self._passed("", self.filter.end())

    def _passed(self, given: str, text: str) -> str:
        if not isinstance(text, str):
            raise TypeError(f"{type(self.filter).__qualname__} gave {text!r} where a text is due")
        if self.given is not None and self.text is not None:
            self.given.append(given)
            self.text.append(text)
        return text

    def check(self) -> None:
        """Arguments that were JSON must be JSON still: a tool must not be called with what a filter broke."""
        if self.given is None or self.text is None:
            return
        given, text = "".join(self.given), "".join(self.text)
        if given != text and _is_json(given) and not _is_json(text):
            raise UpstreamError("A filter left a tool call's arguments that are no JSON; the answer was withheld.")


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(mend(text.encode()), type=Raw)
    except INVALID:
        return False
    return True


class Rewriter:
    """A filter of events that gives each running text to a text filter of its own.

    What a text filter holds back is released before the event that closes its part, since behind that event a client
    no longer reads the part.
    """

    def __init__(self, new: "Callable[[Key], TextFilter]") -> None:
        self._new = new
        self._running: dict[tuple[int, Kind, int], _Running] = {}  # by Key, or a tuple that equals it

    def feed(self, chunk: Chunk) -> list[Chunk]:
        """The event with its texts rewritten, behind what is released because this event closes its part."""
        parts = chunk.parts()
        closing = chunk.whole or ((self._running or parts) and chunk.ends)
        changed = chunk
        for part in parts:
            running = self._running.get(part[:3])
            if running is None:
                running = self._running[part.key] = _Running(self._new(part.key), part.key)
            text = running.feed(chunk, part.text)
            if closing and chunk.closes(running.key):
                text += self._ended(running)
            if text != part.text:
                changed = changed.replace(part, text)
        if not closing:
            return [changed]
        released = []
        for running in [running for running in self._running.values() if chunk.closes(running.key)]:
            released += self._released(running)
        return [*released, changed]

    def end(self) -> list[Chunk]:
        """What is still held, at a clean end without closing events."""
        released = []
        for running in list(self._running.values()):
            released += self._released(running)
        return released

    def _released(self, running: _Running) -> list[Chunk]:
        text = self._ended(running)
        return [running.event.like(running.key, text)] if text and running.event is not None else []

    def _ended(self, running: _Running) -> str:
        del self._running[running.key]
        text = running.end()
        running.check()
        return text
