"""Server-sent events as chat streams use them (https://html.spec.whatwg.org/multipage/server-sent-events.html).

Bytes come in reads that end anywhere and leave as whole events in one plain form: `data: {…}` on one line, or a
comment, then a blank line. Never `id:`, `retry:` or `event:`: the OpenAI SDK raises on some of their uses.
"""

import re

import msgspec

DONE = b"data: [DONE]\n\n"
"""The event that ends a chat stream."""

_BOM = b"\xef\xbb\xbf"
_ERROR = re.compile(rb'"error"\s*:')
_PLAIN = re.compile(rb"(?:data: \{[^\n]*\n\n)*+(?:data: \[DONE\]\n\n)?")


class StreamTooWide(ValueError):
    """One event is larger than the limit."""


def frame(source: bytes) -> bytes:
    """One JSON text as an event."""
    return b"data: %s\n\n" % source


def payload(event: bytes) -> bytes:
    """What an event's `data:` lines hold, joined by newlines; empty where there are none."""
    if event.startswith(b"data: ") and event.find(b"\n") >= len(event) - 2:
        return event[6:].rstrip(b"\n")
    return b"\n".join([line[5:].removeprefix(b" ") for line in event.split(b"\n") if line.startswith(b"data:")])


class EventReader:
    """Bytes of reads in, whole plain events out.

    `limit` bounds one event's size in bytes: a stream that never ends its event must not fill the memory.
    """

    __slots__ = ("_held", "_limit", "_size", "_started")

    def __init__(self, limit: int = 16 * 2**20) -> None:
        self._held: list[bytes] = []
        self._size = 0
        self._limit = limit
        self._started = False

    def feed(self, data: bytes) -> bytes:
        """The events that `data` completes; empty where it completes none. Raises `StreamTooWide`."""
        if self._held:
            data = self._join(data)
        if not self._started:
            data = self._begin(data)
        if b"\r" in data:
            data = self._newlines(data)
        end = data.rfind(b"\n\n") + 2
        if end == 1:
            self._hold(data)
            return b""
        if end < len(data):
            self._hold(data[end:])
            data = data[:end]
        return data if _PLAIN.fullmatch(data) else normalise(data)

    def end(self) -> bytes:
        """The end mark, where the upstream closed without the blank line after it; else nothing.

        Any other unfinished event is dropped, as the standard asks: it may be cut.
        """
        rest = b"".join(self._held)
        self._held.clear()
        self._size = 0
        if rest.endswith(b"\n\r"):  # no other half came: the carriage return was a newline, and the event is whole
            return normalise(rest[:-1])
        return DONE if payload(rest.strip()) == b"[DONE]" else b""

    def _begin(self, data: bytes) -> bytes:
        if len(data) < len(_BOM) and _BOM.startswith(data):
            self._hold(data)
            return b""
        self._started = True
        return data.removeprefix(_BOM)

    def _join(self, data: bytes) -> bytes:
        # Pieces are joined only where an event may end: a long event in many reads is not copied once for each.
        last = self._held[-1][-1:]
        if b"\n\n" not in data and b"\r" not in data and last != b"\r" and (last != b"\n" or data[:1] != b"\n"):
            self._hold(data)
            return b""
        self._held.append(data)
        data = b"".join(self._held)
        self._held.clear()
        self._size = 0
        return data

    def _hold(self, data: bytes) -> None:
        if data:
            self._held.append(data)
            self._size += len(data)
            if self._size > self._limit:
                raise StreamTooWide(f"one event of the stream is larger than {self._limit} bytes")

    @staticmethod
    def _newlines(data: bytes) -> bytes:
        # A carriage return at the very end may be half of a pair: it stays until more comes.
        last = data.endswith(b"\r")
        if last:
            data = data[:-1]
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return data + b"\r" if last else data


def normalise(events: bytes) -> bytes:
    """Events in any allowed spelling in the plain form; what carries neither data nor a comment is dropped."""
    return b"".join([_plain(event) for event in events.split(b"\n\n")])


def _plain(event: bytes) -> bytes:
    comments = []
    kind = b""
    for line in event.split(b"\n"):
        if line.startswith(b":"):
            comments.append(line + b"\n")
        elif line.startswith(b"event:"):
            kind = line[6:].strip()
    text = payload(event.lstrip(b"\n")).strip().replace(b"\n", b" ")
    if kind == b"error" and text and not _ERROR.search(text):
        message = text if text.startswith(b"{") else msgspec.json.encode({"message": text.decode(errors="replace")})
        text = b'{"error":%s}' % message
    if text:
        return b"".join(comments) + frame(text)
    return b"".join(comments) + b"\n" if comments else b""
