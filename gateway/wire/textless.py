"""Answers that are always whole and carry no texts: embeddings, moderations."""

from collections.abc import Iterable
from typing import ClassVar

import msgspec
from msgspec import Raw, Struct

from gateway.wire.codec import Codec
from gateway.wire.parts import Key, Part, Usage
from gateway.wire.usage import read_usage, written_usage
from gateway.wire.verbatim import NULL, encode, open_object, splice


class _Document(Struct, gc=False):
    usage: Raw = NULL


_decode = msgspec.json.Decoder(_Document).decode


class TextlessCodec(Codec):
    """A dialect of answers that only report usage, as far as the seam looks."""

    whole: ClassVar[bool] = True

    def decode(self, raw: bytes) -> _Document:
        """The document's usage; all else is passed over."""
        return _decode(raw)

    def parts(self, doc: _Document) -> tuple[Part, ...]:  # noqa: ARG002 (there are none)
        """None."""
        return ()

    def usage(self, doc: _Document) -> Usage | None:
        """The tokens that it reports."""
        return read_usage(doc.usage)

    def finish(self, doc: _Document) -> str | None:  # noqa: ARG002 (these answers do not say)
        """None."""
        return None

    def has_content(self, doc: _Document) -> bool:  # noqa: ARG002 (all of it is)
        """Always."""
        return True

    def ends(self, doc: _Document) -> bool:  # noqa: ARG002 (there is nothing behind it)
        """Always."""
        return True

    def closes(self, doc: _Document, key: Key) -> bool:  # noqa: ARG002 (there is nothing behind it)
        """Always."""
        return True

    def trailer(self, doc: _Document) -> bool:  # noqa: ARG002 (it is the answer)
        """Never."""
        return False

    def replace(self, raw: bytes, key: Key, text: str) -> bytes:  # noqa: ARG002 (nobody found a text to replace)
        """Raises LookupError: there is no text to change."""
        raise LookupError(f"an answer of {self.surface} carries no texts")

    def like(self, raw: bytes, key: Key, text: str) -> bytes:  # noqa: ARG002 (nobody found a text to add to)
        """Raises LookupError: there is no text to add to."""
        raise LookupError(f"an answer of {self.surface} carries no texts")

    def with_usage(self, raw: bytes, usage: Usage) -> bytes:
        """`raw` with its usage changed."""
        report = written_usage(open_object(raw).get("usage", NULL), usage)
        if not usage.output:
            report.pop("completion_tokens", None)
        return splice(raw, {"usage": encode(report)})


def alone(sources: Iterable[bytes]) -> bytes:
    """What "folding" comes to where an answer is always whole. Raises ValueError where there are several."""
    source, *more = sources
    if more:
        raise ValueError("several answers came for one call")
    return source
