"""Content codings undone piece by piece, so that a small answer cannot grow into all of the memory."""

import zlib

STEP = 256 * 1024  # decoded bytes that one call gives at most

_WBITS = {"gzip": 31, "deflate": 15}


class BadCoding(ValueError):
    """The body does not decode; the text says why."""


class Inflater:
    """Undoes `gzip` or `deflate` (RFC 9110 section 8.4.1).

    `deflate` means the zlib format, but some servers send it bare: both are taken. What has not been decoded yet
    waits as compressed bytes.
    """

    __slots__ = ("_coding", "_stream", "_waiting")

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._waiting = b""
        # Which deflate it is, shows in the first two bytes.
        self._stream = None if coding == "deflate" else zlib.decompressobj(_WBITS[coding])

    @property
    def waiting(self) -> bool:
        """Whether compressed bytes are left that no call has decoded yet."""
        return bool(self._waiting) and self._stream is not None

    def feed(self, data: bytes) -> bytes:
        """Take compressed bytes (or none) and give up to STEP decoded ones, perhaps none.

        Raises BadCoding where they do not decode, or where something follows the end.
        """
        data = self._waiting + data if self._waiting else data
        if self._stream is None:
            if len(data) < 2:
                self._waiting = data
                return b""
            zlib_header = data[0] & 15 == 8 and int.from_bytes(data[:2], "big") % 31 == 0
            self._stream = zlib.decompressobj(15 if zlib_header else -15)
        try:
            decoded = self._stream.decompress(data, STEP)
        except zlib.error:
            raise BadCoding(f"its {self._coding} body is corrupt") from None
        self._waiting = self._stream.unconsumed_tail
        if self._stream.unused_data:
            raise BadCoding(f"data follows the end of its {self._coding} body")
        return decoded

    def drain(self) -> bytes:
        """Give what is still held back at the body's end, STEP bytes a call; b"" when all is out.

        Raises BadCoding where the compressed stream breaks off.
        """
        decoded = self.feed(b"") if self._stream is not None else b""
        if not decoded and (self._stream is None or not self._stream.eof):
            raise BadCoding(f"its {self._coding} body breaks off")
        return decoded
