"""Chunked bodies: whole chunks are cut out here, whatever else comes is llhttp's."""

import re

import httptools

# llhttp takes a body only after a head; ours has been read already, strictly. `close` makes llhttp refuse whatever
# follows the last chunk, where else it would begin another message.
_PREAMBLE = b"HTTP/1.1 200 OK\r\ntransfer-encoding:chunked\r\nconnection:close\r\n\r\n"
_DRY = 16 * 1024  # bytes of chunk extensions and trailers in a row that bring no body
_FEW = 4096  # bytes of which the chunks are cut out here about as fast as llhttp does it
_SIZE = re.compile(rb"([1-9a-f][0-9a-f]{0,6})\r\n").match
_LAST = b"0\r\n\r\n"


class BadChunk(ValueError):
    """The chunked coding is malformed; the text says why."""


class _Sink:
    """What llhttp calls. It knows the list, not the parser: no reference cycle."""

    __slots__ = ("ended", "on_body")

    def __init__(self, pieces: list[bytes]) -> None:
        self.on_body = pieces.append  # a built-in: no Python runs for a chunk
        self.ended = False

    def on_message_complete(self) -> None:
        self.ended = True


class ChunkedBody:
    """Takes the chunked coding off, as the bytes come, and puts the data into `pieces` (RFC 9112 section 7.1).

    Of a model's stream a read mostly brings one chunk, or a few, all whole: they are cut out here, which touches fewer
    objects than a parser does. From the first read on that brings anything else, or very much, llhttp takes over. It is
    strict: sizes are plain hexadecimal digits, lines end in CR LF. Trailers are read and dropped.
    """

    __slots__ = ("_dry", "_parser", "_pieces", "_sink", "_tail", "ended")

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces
        self._parser: httptools.HttpResponseParser | None = None
        self.ended = False
        """Whether the last chunk has been seen."""

    def one(self, data: bytes) -> bytes | None:
        """The chunk that the next bytes are, if they are one chunk exactly; else None, and they are still to be fed."""
        if self._parser is None:
            size, _, rest = data.partition(b"\r\n")
            length = len(rest) - 2
            if length > 0 and size == b"%x" % length and rest.endswith(b"\r\n"):
                return rest[:-2]
        return None

    def feed(self, data: bytes) -> bool:
        """Take the next bytes; return whether the body ended with them.

        Raises BadChunk, also where something follows the end; what came before is in `pieces` all the same.
        """
        if self._parser is None:
            if len(data) <= _FEW:
                data = self._cut(data)
            if not data or self.ended:
                return self.ended
            self._dry = 0
            self._tail = b""
            self._sink = _Sink(self._pieces)
            self._parser = httptools.HttpResponseParser(self._sink)
            self._parser.feed_data(_PREAMBLE)
        return self._parse(self._parser, data)

    def _cut(self, data: bytes) -> bytes:
        """Take the whole chunks in front; return what is left."""
        at = 0
        while (size := _SIZE(data, at)) is not None:
            start = size.end()
            end = start + int(size[1], 16)
            if data[end : end + 2] != b"\r\n":
                break
            self._pieces.append(data[start:end])
            at = end + 2
        self.ended = data.endswith(_LAST) and at == len(data) - len(_LAST)
        return data[at:]

    def _parse(self, parser: httptools.HttpResponseParser, data: bytes) -> bool:
        before = len(self._pieces)
        try:
            parser.feed_data(data)
        except httptools.HttpParserError as error:
            self.ended = self._sink.ended
            raise BadChunk(str(error)) from None
        tail = data[-5:] if len(data) >= 5 else (self._tail + data)[-5:]
        self.ended = self._sink.ended
        if self.ended:
            # llhttp skips line ends after the message; here they are bytes that nobody asked for.
            if tail[1:] != b"\r\n\r\n" or tail[:1] == b"\n":
                raise BadChunk("data after the last chunk")
            return True
        self._tail = tail
        if len(self._pieces) != before:
            self._dry = 0
        else:
            self._dry += len(data)
            if self._dry > _DRY:
                raise BadChunk("too many bytes of chunk extensions or trailers")
        return False
