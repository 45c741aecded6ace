"""Chunked bodies, taken apart by llhttp."""

import httptools

# llhttp takes a body only after a head; ours has been read already, strictly. `close` makes llhttp refuse whatever
# follows the last chunk, where else it would begin another message.
_PREAMBLE = b"HTTP/1.1 200 OK\r\ntransfer-encoding:chunked\r\nconnection:close\r\n\r\n"
_DRY = 16 * 1024  # bytes of chunk extensions and trailers in a row that bring no body


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

    llhttp is strict here: sizes are plain hexadecimal digits, lines end in CR LF. Trailers are read and dropped.
    """

    __slots__ = ("_dry", "_parser", "_pieces", "_sink", "_tail")

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces
        self._dry = 0
        self._tail = b""
        self._sink = _Sink(pieces)
        self._parser = httptools.HttpResponseParser(self._sink)
        self._parser.feed_data(_PREAMBLE)

    def feed(self, data: bytes) -> bool:
        """Take the next bytes; return whether the body ended with them.

        Raises BadChunk, also where something follows the end; what came before is in `pieces` all the same.
        """
        before = len(self._pieces)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            raise BadChunk(str(error)) from None
        tail = data[-5:] if len(data) >= 5 else (self._tail + data)[-5:]
        if self._sink.ended:
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

    @property
    def ended(self) -> bool:
        """Whether the last chunk has been seen."""
        return self._sink.ended
