"""What the seam asks of a dialect: how to read one event, or one whole answer, and how to change its text."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from gateway.wire.parts import Key, Part, Usage
from gateway.wire.sse import payload


class Codec(ABC):
    """One dialect in one form. Stateless; a `doc` is what `decode` returned, and nobody else looks into it."""

    surface: ClassVar[str]
    whole: ClassVar[bool]
    """Whether this reads whole answers (`raw` is JSON) or events of a stream (`raw` is an SSE event)."""

    def source(self, raw: bytes) -> bytes:
        """The JSON text in `raw`; empty where an event carries none (a comment, the end mark)."""
        if self.whole:
            return raw
        text = payload(raw)
        return b"" if text == b"[DONE]" else text

    def event(self) -> "Codec":
        """The codec of this dialect's events: of what `like` returns."""
        return self

    @abstractmethod
    def decode(self, raw: bytes) -> Any:
        """Open `raw`. Raises what `verbatim.INVALID` lists where it is not JSON of this dialect."""

    @abstractmethod
    def parts(self, doc: Any) -> Sequence[Part]:
        """The texts that it carries."""

    @abstractmethod
    def usage(self, doc: Any) -> Usage | None:
        """The tokens that it reports."""

    @abstractmethod
    def finish(self, doc: Any) -> str | None:
        """Why the answer stopped, in the dialect's own word, where it says so."""

    @abstractmethod
    def has_content(self, doc: Any) -> bool:
        """Whether it brings anything of the answer itself: a non-empty part, a tool call's opening, audio."""

    @abstractmethod
    def ends(self, doc: Any) -> bool:
        """Whether it closes any part."""

    @abstractmethod
    def closes(self, doc: Any, key: Key) -> bool:
        """Whether it closes the part `key`."""

    @abstractmethod
    def trailer(self, doc: Any) -> bool:
        """Whether it is there for its usage alone, so that a client which did not ask for usage must not see it."""

    @abstractmethod
    def replace(self, raw: bytes, key: Key, text: str) -> bytes:
        """`raw` with the text of `key` changed, and without what would give the old text away (its logprobs)."""

    @abstractmethod
    def like(self, raw: bytes, key: Key, text: str) -> bytes:
        """A new event beside `raw`, of the same answer, that carries only this text."""

    @abstractmethod
    def with_usage(self, raw: bytes, usage: Usage) -> bytes:
        """`raw` with its usage changed."""
