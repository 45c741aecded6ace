"""One event, or one whole answer; and the events that one read brought."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from gateway.seam.errors import UpstreamError
from gateway.wire.codec import Codec
from gateway.wire.parts import Key, Part, Usage
from gateway.wire.verbatim import INVALID, mend

T = TypeVar("T")


class Chunk:
    """One event of its surface's dialect, or a whole answer. Immutable: what changes it returns another.

    `raw` is what leaves, to the byte. It is decoded on first look, and a look at an event that does not decode raises
    `UpstreamError`: a filter must not wave through what it could not read.
    """

    __slots__ = ("_doc", "codec", "raw")

    def __init__(self, raw: bytes, codec: Codec) -> None:
        self.raw = raw
        self.codec = codec
        self._doc: Any = None

    def __repr__(self) -> str:
        return f"Chunk({self.codec.surface}, {self.raw!r})"

    @property
    def whole(self) -> bool:
        """Whether this is a whole answer rather than one event of a stream."""
        return self.codec.whole

    @property
    def doc(self) -> Any:
        """What the codec decoded. For codecs; everybody else reads `parts()`."""
        doc = self._doc
        if doc is None:
            codec = self.codec
            try:
                doc = self._doc = codec.decode(self.raw)
            except INVALID as error:
                wrong = f"The provider sent what is no {codec.surface} answer"
                doc = self._doc = self._mended(codec.decode, error, wrong)
        return doc

    def _edited(self, edit: Callable[[bytes], bytes], wrong: str) -> bytes:
        try:
            return edit(self.raw)
        except INVALID as error:
            return self._mended(edit, error, wrong)

    def _mended(self, read: Callable[[bytes], T], error: Exception, wrong: str) -> T:
        # Half of a surrogate pair is JSON, though no text: whoever must read it sees a replacement character.
        mended = mend(self.raw)
        if mended != self.raw:
            try:
                return read(mended)
            except INVALID as again:
                error = again
        raise UpstreamError(f"{wrong}: {error}") from error

    def parts(self) -> Sequence[Part]:
        """The texts that it carries."""
        return self.codec.parts(self.doc)

    @property
    def usage(self) -> Usage | None:
        """The tokens that it reports, if it does."""
        return self.codec.usage(self.doc)

    @property
    def finish(self) -> str | None:
        """Why the answer stopped, in its dialect's own word, where this says so."""
        return self.codec.finish(self.doc)

    @property
    def has_content(self) -> bool:
        """Whether it brings anything of the answer itself (a tool call's opening does, a role does not)."""
        return self.codec.has_content(self.doc)

    @property
    def ends(self) -> bool:
        """Whether it closes any part."""
        return self.codec.ends(self.doc)

    def closes(self, key: Key) -> bool:
        """Whether it closes the part `key`."""
        return self.codec.closes(self.doc, key)

    @property
    def trailer(self) -> bool:
        """Whether it is there for its usage alone."""
        return self.codec.trailer(self.doc)

    def replace(self, part: Part, text: str) -> "Chunk":
        """The same with `part`'s text changed. Raises `UpstreamError` where the result would not be of the dialect."""
        codec, key = self.codec, part.key
        wrong = "A filter's text does not fit where it stood"
        return Chunk(self._edited(lambda raw: codec.replace(raw, key, text), wrong), codec)

    def like(self, key: Key, text: str) -> "Chunk":
        """A new event of the same answer that carries only this text."""
        codec = self.codec
        return Chunk(self._edited(lambda raw: codec.like(raw, key, text), _NO_ANSWER), codec.event())

    def with_usage(self, usage: Usage) -> "Chunk":
        """The same with its usage changed."""
        codec = self.codec
        return Chunk(self._edited(lambda raw: codec.with_usage(raw, usage), _NO_ANSWER), codec)


_NO_ANSWER = "The provider sent an event that carries no answer"
REPORTED = b'"usage"'
"""What stands in every event that may report usage."""
_REPORT = re.compile(rb'usage"\s*:\s*\{')


class Batch:
    """The whole events that one read brought, or one whole answer: bytes until somebody looks."""

    __slots__ = ("_chunks", "_reports", "_usage", "codec", "raw")

    def __init__(self, raw: bytes, codec: Codec) -> None:
        self.raw = raw
        """What leaves: whole events, or a whole answer's JSON."""
        self._chunks: list[Chunk] | None = None
        self._reports: list[tuple[int, Chunk]] | None = None
        self._usage: Usage | None = None
        self.codec = codec

    @classmethod
    def of(cls, chunks: Sequence[Chunk]) -> "Batch":
        """A batch of these chunks, at least one."""
        raw = chunks[0].raw if len(chunks) == 1 else b"".join([chunk.raw for chunk in chunks])
        batch = cls(raw, chunks[0].codec)
        batch._chunks = list(chunks)
        return batch

    @property
    def whole(self) -> bool:
        """Whether this is a whole answer rather than events."""
        return self.codec.whole

    @property
    def chunks(self) -> list[Chunk]:
        """The events, split on first look."""
        if self._chunks is None:
            self._chunks = list(self._split())
        return self._chunks

    def __iter__(self) -> Iterator[Chunk]:
        """Each event in turn, without splitting those behind it."""
        return iter(self._chunks) if self._chunks is not None else self._split()

    @property
    def reports_usage(self) -> bool:
        """Whether any of it may report usage."""
        return self.raw.rfind(REPORTED) >= 0  # from behind: where usage stands, it is near the end

    @property
    def usage(self) -> Usage | None:
        """What its events report of the answer's tokens. Only events that name usage are decoded."""
        if self._usage is None and self.reports_usage:
            for _, chunk in self._reporting():
                usage = chunk.usage
                if usage is not None:
                    self._usage = usage if self._usage is None else self._usage.merge(usage)
        return self._usage

    def without_trailers(self) -> bytes:
        """`raw` without the events that are there for their usage alone."""
        raw = self.raw
        if raw.rfind(REPORTED) < 0:
            return raw
        left, position = [], 0
        for start, chunk in self._reporting():
            if chunk.trailer:
                left.append(raw[position:start])
                position = start + len(chunk.raw)
        return b"".join([*left, raw[position:]]) if left else raw

    def _reporting(self) -> list[tuple[int, Chunk]]:
        """The events that name usage, and where in `raw` they stand; found in one pass, without splitting the rest."""
        if self._reports is not None:
            return self._reports
        raw, codec = self.raw, self.codec
        found = self._reports = [(0, Chunk(raw, codec))] if codec.whole else []
        if found:
            return found
        stop = 0
        for match in _REPORT.finditer(raw, max(0, raw.find(b'usage"'))):
            at = match.start()
            if at < stop:
                continue
            start = raw.rfind(b"\n\n", 0, at) + 2
            start = 0 if start == 1 else start
            stop = raw.find(b"\n\n", at) + 2
            stop = len(raw) if stop == 1 else stop
            found.append((start, Chunk(raw[start:stop], codec)))
        return found

    def _split(self) -> Iterator[Chunk]:
        raw, codec = self.raw, self.codec
        if codec.whole:
            yield Chunk(raw, codec)
            return
        start = 0
        while start < len(raw):
            end = raw.find(b"\n\n", start) + 2
            if end == 1:
                end = len(raw)
            yield Chunk(raw[start:end], codec)
            start = end
