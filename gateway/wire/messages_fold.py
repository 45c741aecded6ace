"""Messages events into one message, and a message into events, without loss.

As with chat (`chat_fold`), numbers stay source text and strings are joined as source text. What an event means is that
of Anthropic's own SDK: counts of usage in `message_delta` are totals, a later signature stands for an earlier one
(https://docs.claude.com/en/api/messages-streaming).
"""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec import Raw

from gateway.wire.verbatim import (
    INVALID,
    NULL,
    Object,
    encode,
    hide,
    inside,
    integer,
    is_null,
    open_array,
    open_object,
    sheltered,
    show,
)

INVALID_JSON = "INVALID_JSON"
"""The member under which input that is no JSON object is wrapped in one, as Anthropic's documentation suggests
(https://docs.claude.com/en/docs/agents-and-tools/tool-use/fine-grained-tool-streaming)."""

_string = msgspec.json.Decoder(str).decode
_EMPTY = Raw(b"{}")
_QUOTES = Raw(b'""')


class _Typed(msgspec.Struct, gc=False):
    type: str


_type = msgspec.json.Decoder(_Typed).decode


def frame(source: bytes) -> bytes:
    """One JSON text as an event: Anthropic names the type on a line of its own too."""
    try:
        kind = _type(source).type
    except INVALID:
        kind = _type(hide(source)).type
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), source)


# ---- events into a message


class _Block:
    """One content block as it grows: strings as source text in pieces, the input as JSON source."""

    __slots__ = ("fields", "input", "texts")

    def __init__(self, start: Object) -> None:
        self.fields = dict(start)
        self.texts: dict[str, list[bytes]] = {}
        self.input: list[bytes] = []

    def add(self, delta: Object) -> None:
        for name, value in delta.items():
            source = bytes(value)
            if name == "type" or source == b"null":
                continue
            if name == "partial_json":
                self.input.append(inside(value))
            elif name == "citation":
                self._extend("citations", [value])
            elif name == "signature":
                self.fields[name] = value
            elif source[:1] == b'"':
                self._grow(name, source)
            elif source[:1] == b"[":
                self._extend(name, open_array(value))
            else:
                self.fields[name] = value

    def _grow(self, name: str, source: bytes) -> None:
        pieces = self.texts.get(name)
        if pieces is None:
            old = self.fields.get(name)
            begun = bytes(old) if isinstance(old, Raw) else b""
            pieces = self.texts[name] = [begun[1:-1]] if begun[:1] == b'"' else []
            self.fields[name] = NULL  # keeps its place
        pieces.append(source[1:-1])

    def _extend(self, name: str, items: list[Any]) -> None:
        old = self.fields.get(name)
        if not isinstance(old, list):
            old = self.fields[name] = [] if old is None or is_null(old) else list(open_array(old))
        old.extend(items)

    def closed(self) -> Object:
        for name, pieces in self.texts.items():
            self.fields[name] = Raw(b'"' + b"".join(pieces) + b'"')
        source = b"".join(self.input)
        if source:
            self.fields["input"] = _input(b'"' + source + b'"')
        return self.fields


def _input(string: bytes) -> Any:
    """The object that a JSON string spells; wrapped where it spells none, since a limit may cut an input anywhere."""
    try:
        source = _string(show(string)).encode()
        open_object(hide(source))
    except INVALID:
        return {INVALID_JSON: Raw(string)}
    return Raw(source)


def fold(sources: Iterable[bytes]) -> bytes:
    """Join the JSON texts of a stream's events into one message.

    A tool's input that does not parse is wrapped (see `INVALID_JSON`). Raises what `verbatim.INVALID` lists, and
    ValueError where events do not follow each other as they must.
    """
    (message,) = sheltered(lambda events: [_fold(events)], sources)
    return message


def _fold(sources: list[bytes]) -> bytes:
    top: Object | None = None
    blocks: dict[int, _Block] = {}
    for source in sources:
        event = open_object(source)
        kind = bytes(event.get("type", NULL))
        if kind == b'"message_start"':
            if top is not None:
                raise ValueError("a second message_start")
            top = dict(open_object(event["message"])) if "message" in event else {}
        elif kind == b'"content_block_start"':
            blocks[integer(event.get("index"), len(blocks))] = _Block(open_object(event.get("content_block", _EMPTY)))
        elif kind == b'"content_block_delta"':
            index = integer(event.get("index"), len(blocks) - 1)
            if index not in blocks:
                raise ValueError(f"a delta for block {index}, which was not opened")
            blocks[index].add(open_object(event.get("delta", _EMPTY)))
        elif kind == b'"message_delta"':
            if top is None:
                raise ValueError("message_delta before message_start")
            _end(top, event)
    if top is None:
        raise ValueError("no message_start")
    given = top.get("content", NULL)
    content: list[Any] = [] if is_null(given) else list(open_array(given))
    top["content"] = content + [blocks[index].closed() for index in sorted(blocks)]
    return encode(top)


def _end(top: Object, event: Object) -> None:
    """What the end of a message tells: why it stopped, and usage; whatever stands beside those is the message's."""
    for name, value in event.items():
        if name == "delta":
            for field, new in open_object(value).items():
                if field not in top or not is_null(new) or field in ("stop_reason", "stop_sequence"):
                    top[field] = new
        elif name == "usage":
            if not is_null(value):
                old = top.get("usage", NULL)
                if isinstance(old, Raw):
                    old = {} if is_null(old) else open_object(old)
                told = open_object(value)
                top["usage"] = {**told, **old, **{field: count for field, count in told.items() if not is_null(count)}}
        elif name != "type":
            top[name] = value


# ---- a message into events


_AT_END = ("stop_reason", "stop_sequence", "stop_details")
_TOTALS = frozenset(
    {
        "output_tokens",
        "input_tokens",
        "cache_creation_input_tokens",
        "cache_read_input_tokens",
        "server_tool_use",
        "output_tokens_details",
    }
)
"""The counts that the end tells: those of the published type of `message_delta`'s usage."""
_STREAMED = {
    b'"text"': ("text", b"text_delta"),
    b'"thinking"': ("thinking", b"thinking_delta"),
}


def unfold(source: bytes) -> list[bytes]:
    """Split a message into the JSON texts of events that fold to it again.

    Each block's text, thinking, signature, citations and input come as deltas, one for each; all else of a block stands
    in its start, so that blocks of any type survive. Raises what `verbatim.INVALID` lists, and ValueError.
    """
    return sheltered(lambda sources: list(_unfold(*sources)), (source,))


def _unfold(source: bytes) -> Iterator[bytes]:
    message: Object = dict(open_object(source))
    content = message.get("content", NULL)
    blocks = [] if is_null(content) else open_array(content)
    message["content"] = []
    end = {name: message.get(name, NULL) for name in _AT_END if name in message or name != "stop_details"}
    for name in end:
        if name in message:
            message[name] = NULL
    report = message.get("usage", NULL)
    usage: Object = {} if is_null(report) else dict(open_object(report))
    totals = {name: count for name, count in usage.items() if name in _TOTALS}
    if usage:
        message["usage"] = {**usage, "output_tokens": 0} if "output_tokens" in usage else usage
    yield encode({"type": "message_start", "message": message})
    for index, block in enumerate(blocks):
        start, deltas = _taken_apart(dict(open_object(block)))
        yield encode({"type": "content_block_start", "index": index, "content_block": start})
        for delta in deltas:
            yield encode({"type": "content_block_delta", "index": index, "delta": delta})
        yield encode({"type": "content_block_stop", "index": index})
    yield encode({"type": "message_delta", "delta": end, "usage": totals or {"output_tokens": 0}})
    yield encode({"type": "message_stop"})


def _taken_apart(block: Object) -> tuple[Object, list[Object]]:
    """A block as it is opened, and its deltas."""
    kind = bytes(block.get("type", NULL))
    deltas: list[Object] = []
    if kind in _STREAMED:
        field, name = _STREAMED[kind]
        text = bytes(block.get(field, NULL))
        if text[:1] == b'"' and len(text) > 2:
            deltas.append({"type": name.decode(), field: Raw(text)})
            block[field] = _QUOTES
    citations = block.get("citations", NULL)
    if kind == b'"text"' and bytes(citations)[:1] == b"[" and (given := open_array(citations)):
        deltas += [{"type": "citations_delta", "citation": citation} for citation in given]
        block["citations"] = []
    signature = bytes(block.get("signature", NULL))
    if kind == b'"thinking"' and signature[:1] == b'"' and len(signature) > 2:
        deltas.append({"type": "signature_delta", "signature": Raw(signature)})
        block["signature"] = _QUOTES
    source = bytes(block.get("input", NULL))
    if kind.endswith(b'tool_use"') and source[:1] == b"{" and source != b"{}":
        deltas.append({"type": "input_json_delta", "partial_json": show(source).decode()})
        block["input"] = _EMPTY
    return block, deltas
