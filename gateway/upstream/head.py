"""The head of an answer, read strictly: what two readers could take in two ways is refused.

A lenient reader and a strict one that share a connection can be brought to disagree on where an answer ends (RFC 9112
section 11.2). So the whole head is held against the grammar first, in one pass of a regular expression that cannot
backtrack; only the few fields that frame the body are looked at then.
"""

import re

import msgspec

CHUNKED = -1  # in the place of a length: the body is chunked …
UNTIL_CLOSE = -2  # … or ends where the connection does

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_TEXT = rb"[\t\x20-\x7e\x80-\xff]*+"
_grammar = re.compile(
    rb"HTTP/1\.[01] [1-5][0-9][0-9](?: %b)?+\r\n(?:%b:%b\r\n)*+\r\n" % (_TEXT, _TOKEN, _TEXT)
).fullmatch
# The look-ahead spares most lines the try of all names: a fifth off the time of a long head.
_framing = re.compile(
    rb"\n(?=[cktCKT])(content-length|transfer-encoding|connection|content-encoding|keep-alive):[ \t]*+([^\r]*+)",
    re.IGNORECASE,
).findall
_FIELDS = re.compile(rb"\n([^:\r]++):[ \t]*+([^\r]*+)")
_KEEP_FOR = re.compile(rb"(?:^|[,;\s])timeout\s*=\s*\"?(\d{1,6})")
_NAME, _VALUE = re.compile(_TOKEN), re.compile(_TEXT)
_START = b"HTTP/1."
_CODINGS = {b"gzip": "gzip", b"x-gzip": "gzip", b"deflate": "deflate"}
_OURS = frozenset(
    b"content-length transfer-encoding connection keep-alive proxy-connection te trailer upgrade expect".split()
)


class BadHead(ValueError):
    """The head is no HTTP/1 head, or one that could be read in two ways; the text says why."""


class Head(msgspec.Struct, frozen=True, gc=False):
    """What the connection must know: `length` is in bytes, or CHUNKED, or UNTIL_CLOSE.

    `coding` is the content coding to undo (`gzip`, `deflate`, or None), `keep_for` the seconds for which the provider
    says that it keeps an idle connection, or None.
    """

    status: int
    length: int
    keep: bool
    coding: str | None
    keep_for: int | None


def parse_head(raw: bytes, bodiless: bool = False) -> Head:
    """Read a whole head, up to and with its empty line; `bodiless` for the answer to a HEAD request.

    The body's framing is that of RFC 9112 section 6.3, but every combination that section calls an error, or lets a
    recipient mend, is one here. Raises BadHead.
    """
    if _grammar(raw) is None:
        raise BadHead(_complaint(raw))
    status, keep = int(raw[9:12]), raw[7] == 49
    length: int | None = None
    chunked = close = False
    codings: bytes | None = None
    keep_for: int | None = None
    for name, value in _framing(raw):
        name = name.lower()
        if name == b"content-length":
            if length is not None:
                raise BadHead("it has two content-length headers")
            length = _length(value)
            continue
        value = value.rstrip(b" \t").lower()
        if name == b"connection":
            options = {option.strip() for option in value.split(b",")}
            close = close or b"close" in options
            keep = not close and (keep or b"keep-alive" in options)
        elif name == b"transfer-encoding":
            if chunked:
                raise BadHead("it has two transfer-encoding headers")
            if value != b"chunked":
                raise BadHead("its transfer-encoding is another than chunked")
            chunked = True
        elif name == b"content-encoding":
            if codings is not None:
                raise BadHead("it has two content-encoding headers")
            codings = value
        elif found := _KEEP_FOR.search(value):
            keep_for = int(found[1])
    if chunked:
        if length is not None:
            raise BadHead("it has both transfer-encoding and content-length")
        if raw[7] != 49:
            raise BadHead("it has a transfer-encoding in HTTP/1.0")
        length = CHUNKED
    if bodiless or status < 200 or status == 204 or status == 304:
        # A 204 that announces a body may send one: what follows must not be taken for the next answer.
        keep = keep and not (status == 204 and length)
        return Head(status, 0, keep, None, keep_for)
    if length is None:
        length, keep = UNTIL_CLOSE, False
    return Head(status, length, keep, content_coding(codings) if codings and length else None, keep_for)


def parse_fields(raw: bytes) -> list[tuple[bytes, bytes]]:
    """All headers of a head that `parse_head` took, names in lower case, values without white space around them."""
    return [(name.lower(), value.rstrip(b" \t")) for name, value in _FIELDS.findall(raw)]


def check_start(begun: bytearray, new: int) -> None:
    """Refuse early what can no longer become a head: else a server that speaks no HTTP would be waited for.

    `begun` is the head as far as it came, its empty line not yet seen; what stands before `new` has been checked.
    Raises BadHead.
    """
    if not begun.startswith(_START[: len(begun)]):
        raise BadHead("it does not begin with HTTP/1.")
    if begun.count(b"\n", new) != begun.count(b"\r\n", max(0, new - 1)):
        raise BadHead("a line of its head ends without CR")


def check_header(name: bytes, value: bytes) -> None:
    """Hold a configured request header against the grammar of RFC 9110 section 5, before it gets into a request's head.

    Raises ValueError where name or value could break out of its line, and for names that belong to the connection
    (content-length, transfer-encoding, connection and their like), which the client alone may send. The value is not
    shown: it may be a key.
    """
    check_field(name, value)
    if name.lower() in _OURS:
        raise ValueError(f"the header {name.decode()!r} frames the message: the client sends it itself")


def check_field(name: bytes, value: bytes) -> None:
    """Hold any header against the grammar alone. Raises ValueError; the value is not shown, it may be a key."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"expected a header name of letters, digits and hyphens, found {name!r}")
    if not _VALUE.fullmatch(value):
        raise ValueError(f"the value of header {name.decode()!r} holds a line break or another control character")


def _length(value: bytes) -> int:
    if not value.isdigit():
        value = value.rstrip(b" \t")
    if not value.isdigit() or len(value) > 18:
        raise BadHead("its content-length is no plain number")
    return int(value)


def content_coding(value: bytes) -> str | None:
    """The coding that a content-encoding in lower case names: `gzip`, `deflate` or None. Raises BadHead for others."""
    if value in (b"", b"identity"):
        return None
    coding = _CODINGS.get(value)
    if coding is None:
        raise BadHead("its content-encoding is another than gzip or deflate")
    return coding


def _complaint(raw: bytes) -> str:
    """Why the grammar refused; never the bytes themselves, which may hold anything."""
    line, _, rest = raw.partition(b"\r\n")
    if not re.fullmatch(rb"HTTP/1\.[01] [1-5][0-9][0-9](?: .*)?", line, re.DOTALL):
        return "its status line is malformed"
    if raw.count(b"\n") != raw.count(b"\r\n") or raw.count(b"\r") != raw.count(b"\r\n"):
        return "its head holds a bare CR or LF"
    if rest.startswith((b" ", b"\t")) or b"\n " in raw or b"\n\t" in raw:
        return "a header is folded over several lines (obs-fold)"
    if re.search(rb"\n[^:\r]*[ \t]+:", raw):
        return "white space stands between a header's name and its colon"
    if re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", raw):
        return "its head holds control characters"
    return "a line of its head is no header"
