"""Server-sent events as model streams use them (https://html.spec.whatwg.org/multipage/server-sent-events.html).

Bytes come in reads that end anywhere and leave as whole events in one plain form: `data: {…}` on one line, or a
comment, then a blank line. Never `id:` or `retry:`, and `event:` only in streams whose events have names (Anthropic's):
the OpenAI SDK raises on some of their uses.
"""

import re

import msgspec

DONE = b"data: [DONE]\n\n"
"""The event that ends a chat stream."""
MESSAGE_STOP = b"event: message_stop\n"
"""How the event begins that ends a stream of messages."""

_BOM = b"\xef\xbb\xbf"
_ERROR = re.compile(rb'"error"\s*:')
_NAMED = re.compile(rb"(?:event: (?!error\n)[^\n]+\ndata: \{[^\n]*\n\n)*+").fullmatch


class StreamTooWide(ValueError):
    """One event is larger than the limit."""


def frame(source: bytes) -> bytes:
    """One JSON text as an event."""
    return b"data: %s\n\n" % source


def named(event: bytes, source: bytes) -> bytes:
    """One JSON text as an event with a name."""
    return b"event: %s\ndata: %s\n\n" % (event, source)


def find_event(events: bytes, start: bytes) -> int:
    """Where the first event stands that begins with `start`; -1 where none does."""
    if events.startswith(start):
        return 0
    at = events.find(b"\n" + start)  # no line of a text: those stand escaped in JSON
    return at if at < 0 else at + 1


def payload(event: bytes) -> bytes:
    """What an event's `data:` lines hold, joined by newlines; empty where there are none."""
    text = event.rstrip(b"\n")
    start = text.find(b"\n") + 1 if text.startswith(b"event:") else 0
    if text.startswith(b"data: ", start) and text.find(b"\n", start) < 0:
        return text[start + 6 :]
    return b"\n".join([line[5:].removeprefix(b" ") for line in event.split(b"\n") if line.startswith(b"data:")])


class EventReader:
    """Bytes of reads in, whole plain events out.

    `mark` is how the event begins that ends the stream; where it is a name, all events keep theirs. `limit` bounds one
    event's size in bytes: a stream that never ends its event must not fill the memory.
    """

    __slots__ = ("_held", "_limit", "_mark", "_named", "_size", "_started")

    def __init__(self, limit: int = 16 * 2**20, mark: bytes = DONE) -> None:
        self._mark = mark
        self._named = mark.startswith(b"event:")
        self._held: list[bytes] = []
        self._size = 0
        self._limit = limit
        self._started = False

    def one(self, data: bytes) -> bool:
        """Whether `data` is one event exactly, in the plain form and not the last: then it need not be fed."""
        start = 0
        if self._named:
            if data.startswith((self._mark, b"event: error\n", b"event: \n")) or not data.startswith(b"event: "):
                return False
            start = data.find(b"\n") + 1
        return (
            data.find(b"\n", start) == len(data) - 2
            and data.startswith(b"data: {", start)
            and data.endswith(b"\n\n")
            and b"\r" not in data
            and not self._held
            and self._started
        )

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
        plain = _NAMED(data) if self._named else _plain_data(data)
        return data if plain else normalise(data, names=self._named)

    def end(self) -> bytes:
        """The end mark, where the upstream closed without the blank line after it; else nothing.

        Any other unfinished event is dropped, as the standard asks: it may be cut.
        """
        rest = b"".join(self._held)
        self._held.clear()
        self._size = 0
        if rest.endswith(b"\n\r"):  # no other half came: the carriage return was a newline, and the event is whole
            return normalise(rest[:-1], names=self._named)
        last = normalise(rest.strip(), names=self._named)
        mark = find_event(last, self._mark)
        return last[mark:] if mark >= 0 else b""

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


def _plain_data(events: bytes) -> bool:
    """Whether each is one line, `data: {…`, but for the end mark behind them."""
    events = events.removesuffix(DONE)
    if not events or not events.startswith(b"data: {") or not events.endswith(b"\n\n"):
        return not events
    # Without all beginnings but the first it is one event, if it is plain: that is seen twice as fast as a match is.
    one = events.replace(b"\n\ndata: {", b"")
    return one.find(b"\n") == len(one) - 2


def normalise(events: bytes, *, names: bool = False) -> bytes:
    """Events in any allowed spelling in the plain form; what carries neither data nor a comment is dropped."""
    return b"".join([_plain(event, names) for event in events.split(b"\n\n")])


def _plain(event: bytes, names: bool) -> bytes:
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
        name = (kind or _type(text)) if names else b""
        return b"".join(comments) + (named(name, text) if name else frame(text))
    return b"".join(comments) + b"\n" if comments else b""


class _Typed(msgspec.Struct, gc=False):
    type: str = ""


_decode_type = msgspec.json.Decoder(_Typed).decode


def _type(source: bytes) -> bytes:
    """The name that an event lacks: by rule the `type` of its document; what is none is told when it is decoded."""
    try:
        name = _decode_type(source).type
    except (msgspec.MsgspecError, UnicodeError):
        return b""
    return name.encode() if name.isidentifier() else b""
