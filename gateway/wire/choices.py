"""What OpenAI's chat completions and its text completions share: choices, usage beside them, and `data: [DONE]`."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol

from msgspec import Raw, Struct

from gateway.wire.codec import Codec
from gateway.wire.parts import Key, Usage
from gateway.wire.sse import frame, payload
from gateway.wire.usage import read_usage, written_usage
from gateway.wire.verbatim import NULL, Object, encode, is_null, open_object


class Choice(Protocol):
    """What is common to the choices of both."""

    index: int | None
    finish_reason: str | None


class Document(Protocol):
    """What is common to the documents of both."""

    choices: Sequence[Choice] | None
    usage: Raw


class _Empty(Struct, gc=False):
    choices: None = None
    usage: Raw = NULL


_NOTHING = _Empty()
_DONE: Any = _Empty()


def numbered(position: int, choice: Choice) -> int:
    """A choice's number; some servers leave it out."""
    return position if choice.index is None else choice.index


class ChoicesCodec(Codec):
    """A dialect whose answers are choices, each with an index and a finish reason."""

    @abstractmethod
    def view(self, source: bytes) -> Any:
        """The JSON text, opened as far as this dialect looks."""

    def decode(self, raw: bytes) -> Any:
        """The document; of an event without one, an empty one."""
        source = raw if self.whole else payload(raw)
        if source[:1] == b"{":
            return self.view(source)
        if source == b"[DONE]" and not self.whole:
            return _DONE
        return self.view(source) if source else _NOTHING

    def usage(self, doc: Document) -> Usage | None:
        """The tokens that it reports."""
        return read_usage(doc.usage)

    def finish(self, doc: Document) -> str | None:
        """The first finish reason."""
        for choice in doc.choices or ():
            if choice.finish_reason:
                return choice.finish_reason
        return None

    def ends(self, doc: Document) -> bool:
        """Whether a choice is finished, or all of it."""
        return doc is _DONE or self.finish(doc) is not None

    def closes(self, doc: Document, key: Key) -> bool:
        """Whether the choice of `key` is finished."""
        return (
            self.whole
            or doc is _DONE
            or any(
                choice.finish_reason and key.choice == numbered(position, choice)
                for position, choice in enumerate(doc.choices or ())
            )
        )

    def trailer(self, doc: Document) -> bool:
        """Whether it has usage, and no choices."""
        return not self.whole and not is_null(doc.usage) and not doc.choices

    def with_usage(self, raw: bytes, usage: Usage) -> bytes:
        """`raw` with its usage changed."""
        doc: Object = dict(open_object(self.source(raw)))
        doc["usage"] = written_usage(doc.get("usage", NULL), usage)
        return self.dump(doc)

    def dump(self, doc: Object) -> bytes:
        """A document in this codec's form."""
        return encode(doc) if self.whole else frame(encode(doc))
