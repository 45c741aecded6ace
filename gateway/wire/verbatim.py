"""JSON changed in one place and kept byte for byte in all others.

Decoding and encoding alters numbers (`1.00`, integers beyond 64 bits) and escapes. Here a document is opened only
along the path to what changes; the rest stays the source text that came.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

import msgspec
from msgspec import Raw

Object = dict[str, Any]  # values are Raw until somebody opens them, and whatever encodes after

NULL = Raw(b"null")
INVALID = (msgspec.MsgspecError, UnicodeError, RecursionError)
"""What msgspec raises on input that is not the JSON asked for, and on text that no JSON can carry."""

open_object = msgspec.json.Decoder(dict[str, Raw]).decode
open_array = msgspec.json.Decoder(list[Raw]).decode
open_objects = msgspec.json.Decoder(list[dict[str, Raw]]).decode
encode = msgspec.json.Encoder().encode


def is_null(value: Any) -> bool:
    """Whether a still unopened value is `null`."""
    return bytes(value) == b"null"


def integer(value: Any, default: int) -> int:
    """An unopened value as an integer; `default` where it is absent or null. Raises ValueError where it is none."""
    return default if value is None or is_null(value) else int(bytes(value))


def inside(value: Any) -> bytes:
    """What an unopened string's quotes hold; empty where it is null. Raises ValueError where it is no string."""
    if value is NULL:  # it is absent, as most are
        return b""
    source = bytes(value)
    if source[:1] == b'"':
        return source[1:-1]
    if source == b"null":
        return b""
    raise ValueError("a text is no string")


def put(value: Any, path: Sequence[str | int], new: Any) -> Any:
    """`value` opened along `path` and no further, with `new` at its end; `value` itself is not altered."""
    if not path:
        return new
    step = path[0]
    if isinstance(value, Raw):
        value = open_array(value) if isinstance(step, int) else open_object(value)
    copy: Any = value.copy()
    copy[step] = put(copy[step], path[1:], new)
    return copy


# Halves of a surrogate pair (`\ud83d` without its other half) are JSON by its grammar, and msgspec refuses them.
_ESCAPE = re.compile(rb"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL)
_HIDDEN = re.compile(rb"\xed([\xa0-\xbf])([\x80-\xbf])")


def mend(source: bytes) -> bytes:
    """`source` with the replacement character for each half of a surrogate pair that stands alone."""
    return _ESCAPE.sub(lambda found: rb"\ufffd" if found[1] else found[0], source)


def hide(source: bytes) -> bytes:
    """`source` with the halves of surrogate pairs that stand alone as bytes that UTF-8 does not have."""
    return _ESCAPE.sub(lambda found: _hidden(int(found[1][1:], 16)) if found[1] else found[0], source)


def _hidden(half: int) -> bytes:
    return bytes((0xED, 0x80 | half >> 6 & 0x3F, 0x80 | half & 0x3F))


def show(source: bytes) -> bytes:
    """Undo `hide`."""
    return _HIDDEN.sub(lambda found: rb"\u%04x" % (0xD000 | (found[1][0] & 0x3F) << 6 | found[2][0] & 0x3F), source)


def sheltered(edit: Callable[[list[bytes]], list[bytes]], sources: Iterable[bytes]) -> list[bytes]:
    """What `edit` makes of JSON texts; halves of surrogate pairs are hidden from it where it refuses them."""
    kept = list(sources)
    try:
        return edit(kept)
    except INVALID:
        hidden = [hide(source) for source in kept]
        if hidden == kept:
            raise
        return [show(text) for text in edit(hidden)]


def splice(source: bytes, members: Mapping[str, bytes]) -> bytes:
    """Set top-level members of the object `source` to JSON values; everything else keeps its bytes.

    A member that is absent is added at the end; one that stands there twice is replaced twice, since readers differ in
    which of the two they believe. `source` must be a valid JSON object.
    """
    there = open_object(source)
    spans = _only(source, there, members)
    if spans is None:
        spans = [span for span in _spans(source, there) if span[0] in members]
    pieces: list[bytes] = []
    copied = 0
    for name, start, end in spans:
        pieces += (source[copied:start], members[name])
        copied = end
    added = [b'"%s":%s' % (name.encode(), value) for name, value in members.items() if name not in there]
    if added:
        close = source.rindex(b"}")
        pieces += (source[copied:close], b"," if there else b"", b",".join(added))
        copied = close
    pieces.append(source[copied:])
    return b"".join(pieces)


_Span = tuple[str, int, int]
"""A top-level member's name, and where its value starts and ends."""


def _only(source: bytes, there: Object, members: Mapping[str, bytes]) -> list[_Span] | None:
    """The members to set, where each one's name stands but once in the whole source; else None.

    A name that is known to be a top-level member's, and stands there once, is that member's: no need to look at others.
    """
    if b"\\u00" in source:  # a name may be spelt with escapes, and then stands there unseen
        return None
    spans = []
    for name in members:
        value = there.get(name)
        if value is not None:
            quoted = b'"%s"' % name.encode()
            at = source.find(quoted)
            found = _COLON.match(source, at + len(quoted)) if at >= 0 and source.find(quoted, at + 1) < 0 else None
            if found is None:
                return None
            start = found.end()
            spans.append((name, start, start + memoryview(value).nbytes))
    spans.sort(key=itemgetter(1))
    return spans


def _spans(source: bytes, there: Object) -> list[_Span]:
    """All top-level members, in their order."""
    spans = []
    position = source.index(b"{") + 1
    for name, value in there.items():
        found = _NAME.match(source, position)
        # A name met again lost its first value above, so that values no longer fit: then every byte is looked at.
        if found is None or (found[1] != name.encode() and msgspec.json.decode(b'"%s"' % found[1]) != name):
            return list(_scan(source))
        start = found.end()
        if not source.startswith(value, start):
            return list(_scan(source))
        position = start + memoryview(value).nbytes
        spans.append((name, start, position))
    return spans if _END.fullmatch(source, position) else list(_scan(source))


_STRING = rb'"([^"\\]*+(?:\\.[^"\\]*+)*+)"'
_NAME = re.compile(rb"\s*,?\s*" + _STRING + rb"\s*:\s*", re.DOTALL)
_COLON = re.compile(rb"\s*:\s*")
_END = re.compile(rb"\s*}\s*")
_TOKEN = re.compile(_STRING + rb"|[\[\]{},:]", re.DOTALL)


def _scan(source: bytes) -> Iterator[_Span]:
    """The same as `_spans`, for an object that names a member twice."""
    depth = 0
    name: str | None = None
    string = b""
    start = 0
    for found in _TOKEN.finditer(source):
        token = found[0]
        if token[:1] == b'"':
            string = token
        elif token in b"{[":
            depth += 1
        elif depth == 1 and token == b":" and name is None:
            name, start = msgspec.json.decode(string), found.end()
        else:
            if depth == 1 and name is not None and token in b",}":
                value = source[start : found.start()]
                start += len(value) - len(value.lstrip())
                yield name, start, start + len(value.strip())
                name = None
            if token in b"}]":
                depth -= 1
