"""Heads that do not come as one piece, and the interim answers before them."""

from gateway.upstream.head import BadHead, Head, check_start, parse_head

_INTERIM = 16  # 1xx answers before the real one


class HeadBuffer:
    """Gathers bytes until an answer's head is whole; skips interim answers (RFC 9110 section 15.2)."""

    __slots__ = ("_interim", "_limit", "_partial")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._interim = 0
        self._partial = bytearray()

    def feed(self, data: bytes, bodiless: bool) -> tuple[bytes, Head, bytes] | None:
        """Take bytes; return the raw head, what it says, and what follows it, or None as long as it is not whole.

        Raises BadHead, also as soon as what came cannot become a head.
        """
        while True:
            partial = self._partial
            seen = len(partial)
            partial += data
            end = partial.find(b"\r\n\r\n", max(0, seen - 3), self._limit) + 4
            if end < 4:
                if len(partial) >= self._limit:
                    raise BadHead(f"its head is larger than {self._limit} bytes")
                check_start(partial, seen)
                return None
            raw, data = bytes(partial[:end]), bytes(partial[end:])
            partial.clear()
            head = parse_head(raw, bodiless)
            if head.status >= 200:
                return raw, head, data
            if head.status == 101:
                raise BadHead("it switches protocols unasked (101)")
            self._interim += 1
            if self._interim > _INTERIM:
                raise BadHead(f"it sends more than {_INTERIM} interim answers")
