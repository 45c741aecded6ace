"""Anthropic's messages, whole and as events (https://docs.claude.com/en/api/messages-streaming)."""

from typing import ClassVar

import msgspec
from msgspec import Raw, Struct

from gateway.wire.codec import Codec
from gateway.wire.parts import Key, Kind, Part, Usage
from gateway.wire.verbatim import INVALID, NULL, Object, encode, is_null, open_object, open_objects


class _Delta(Struct, gc=False):
    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None
    stop_reason: str | None = None


class _Block(Struct, gc=False):
    type: str = ""
    text: str | None = None
    thinking: str | None = None
    input: Raw = Raw(b"")


Count = int | float | None


class _OutputDetails(Struct, gc=False):
    thinking_tokens: Count = None


class _Usage(Struct, gc=False):
    input_tokens: Count = None
    output_tokens: Count = None
    cache_read_input_tokens: Count = None
    cache_creation_input_tokens: Count = None
    output_tokens_details: _OutputDetails | None = None


class _Message(Struct, gc=False):
    usage: Raw = NULL


class _Document(Struct, gc=False):
    type: str = ""
    index: int = 0
    delta: _Delta | None = None
    content_block: _Block | None = None
    message: _Message | None = None
    content: list[_Block] | None = None
    usage: Raw = NULL
    stop_reason: str | None = None


_decode = msgspec.json.Decoder(_Document).decode
_decode_usage = msgspec.json.Decoder(_Usage).decode
_NOTHING = _Document()
_EMPTY = ("", "text", "thinking")
"""Blocks that say nothing by being opened; all others (a tool's use, a search's result) are content by themselves."""


def _block_part(index: int, block: _Block) -> Part | None:
    if block.text:
        return Part(0, "text", index, block.text)
    if block.thinking:
        return Part(0, "reasoning", index, block.thinking)
    source = bytes(block.input)
    return Part(0, "tool_args", index, source.decode()) if source not in (b"", b"{}") else None


def _delta_part(index: int, delta: _Delta) -> Part | None:
    if delta.text:
        return Part(0, "text", index, delta.text)
    if delta.partial_json:
        return Part(0, "tool_args", index, delta.partial_json)
    return Part(0, "reasoning", index, delta.thinking) if delta.thinking else None


class _Messages(Codec):
    surface: ClassVar[str] = "messages"

    def event(self) -> Codec:
        return MESSAGES_EVENT

    def decode(self, raw: bytes) -> _Document:
        source = self.source(raw)
        return _decode(source) if source else _NOTHING

    def parts(self, doc: _Document) -> list[Part]:
        found: list[Part | None] = []
        if doc.delta is not None:
            found = [_delta_part(doc.index, doc.delta)]
        elif doc.content_block is not None:
            found = [_block_part(doc.index, doc.content_block)]
        elif doc.content:
            found = [_block_part(index, block) for index, block in enumerate(doc.content)]
        return [part for part in found if part is not None]

    def usage(self, doc: _Document) -> Usage | None:
        source = doc.message.usage if doc.message is not None and is_null(doc.usage) else doc.usage
        if is_null(source):
            return None
        try:
            usage = _decode_usage(source)
        except INVALID:  # no reason to lose an answer: its usage is estimated
            return None
        cached, written = int(usage.cache_read_input_tokens or 0), int(usage.cache_creation_input_tokens or 0)
        thinking = usage.output_tokens_details.thinking_tokens if usage.output_tokens_details is not None else None
        return Usage(
            int(usage.input_tokens or 0) + cached + written,
            int(usage.output_tokens or 0),
            cached,
            written,
            int(thinking or 0),
        )

    def finish(self, doc: _Document) -> str | None:
        return doc.stop_reason or (doc.delta.stop_reason if doc.delta is not None else None)

    def has_content(self, doc: _Document) -> bool:
        opened = doc.content_block is not None and doc.content_block.type not in _EMPTY
        return opened or bool(self.parts(doc)) or any(block.type not in _EMPTY for block in doc.content or ())

    def ends(self, doc: _Document) -> bool:
        return doc.type in ("content_block_stop", "message_delta", "message_stop")

    def closes(self, doc: _Document, key: Key) -> bool:
        # `message_delta` tells the stop reason: a block that was never closed is closed by it.
        if self.whole or doc.type in ("message_delta", "message_stop"):
            return True
        return doc.type == "content_block_stop" and doc.index == key.index

    def trailer(self, doc: _Document) -> bool:  # noqa: ARG002 (every event of this dialect has a place of its own)
        return False

    def replace(self, raw: bytes, key: Key, text: str) -> bytes:
        doc: Object = dict(open_object(self.source(raw)))
        if "delta" in doc:
            doc["delta"] = open_object(doc["delta"]) | {_DELTAS[key.kind][1]: text}
        elif "content_block" in doc:
            doc["content_block"] = _block(open_object(doc["content_block"]), key.kind, text)
        else:
            blocks: list[Object] = list(open_objects(doc["content"]))
            blocks[key.index] = _block(blocks[key.index], key.kind, text)
            doc["content"] = blocks
        return self._dump(doc)

    def like(self, raw: bytes, key: Key, text: str) -> bytes:  # noqa: ARG002 (a delta repeats nothing of its answer)
        kind, field = _DELTAS[key.kind]
        doc = {"type": "content_block_delta", "index": key.index, "delta": {"type": kind, field: text}}
        return _frame("content_block_delta", encode(doc))

    def with_usage(self, raw: bytes, usage: Usage) -> bytes:
        doc: Object = dict(open_object(self.source(raw)))
        holder: Object = dict(open_object(doc["message"])) if "message" in doc else doc
        old = holder.get("usage", NULL)
        report: Object = {} if is_null(old) else dict(open_object(old))
        report["input_tokens"] = usage.input - usage.cached - usage.written
        report["output_tokens"] = usage.output
        for field, tokens in (
            ("cache_read_input_tokens", usage.cached),
            ("cache_creation_input_tokens", usage.written),
        ):
            if tokens or field in report:
                report[field] = tokens
        if usage.reasoning:
            report["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
        holder["usage"] = report
        if holder is not doc:
            doc["message"] = holder
        return self._dump(doc)

    def _dump(self, doc: Object) -> bytes:
        source = encode(doc)
        return source if self.whole else _frame(msgspec.json.decode(doc["type"], type=str), source)


class MessagesEvent(_Messages):
    """One event of a stream of messages."""

    whole: ClassVar[bool] = False


class MessagesAnswer(_Messages):
    """A whole message."""

    whole: ClassVar[bool] = True


MESSAGES_EVENT = MessagesEvent()
MESSAGES_ANSWER = MessagesAnswer()

_DELTAS: dict[Kind, tuple[str, str]] = {
    "text": ("text_delta", "text"),
    "reasoning": ("thinking_delta", "thinking"),
    "tool_args": ("input_json_delta", "partial_json"),
}


def _block(block: Object, kind: Kind, text: str) -> Object:
    if kind == "tool_args":  # the whole input is an object, not its source in a string: what does not parse is refused
        source = text.encode()
        open_object(source)
        return block | {"input": Raw(source)}
    return block | {"text" if kind == "text" else "thinking": text}


def _frame(event: str, source: bytes) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (event.encode(), source)
