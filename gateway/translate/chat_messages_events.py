"""A stream of Anthropic's events as chat completion chunks."""

import time
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw

from gateway.seam.chunk import Chunk
from gateway.seam.errors import UpstreamError
from gateway.translate.chat_messages_answer import completion, custom_input, finish, refusal
from gateway.translate.chat_messages_tools import Shape
from gateway.translate.chat_messages_turns import POSITION
from gateway.translate.messages_views import Block, Delta, Event, Message, decode
from gateway.translate.vocabulary import chat_id, chat_usage, tier
from gateway.wire.chat import CHAT_ANSWER, CHAT_EVENT
from gateway.wire.sse import DONE, payload
from gateway.wire.verbatim import INVALID, encode, hide, inside, is_null, show

PING = b": ping\n\n"


_string = msgspec.json.Decoder(str).decode
_CARRIED = ("text", "thinking", "redacted_thinking", "tool_use")
_NOTHING: tuple[Chunk, ...] = ()


class _Use:
    """A tool's use that is open: the opening of its deltas, and what must be kept of them."""

    __slots__ = ("custom", "head", "sent", "tail")

    def __init__(self, head: bytes, tail: bytes, *, custom: bool = False) -> None:
        self.head = head
        self.tail = tail
        self.custom: list[bytes] | None = [] if custom else None
        self.sent = False


class ChatEvents:
    """The filter: events of Anthropic's in, chunks out; or a whole message in, a completion out.

    The role comes first, then deltas as they come, the finish reason, usage in an event of its own, and the end mark.
    Nothing of the answer is kept but a custom tool's input, which is text inside JSON.
    """

    __slots__ = (
        "_blocks",
        "_calls",
        "_done",
        "_end",
        "_head",
        "_reports",
        "_shape",
        "_tail",
        "_thoughts",
        "_use",
        "_used",
        "_wants_usage",
    )

    def __init__(self, shape: Shape, *, wants_usage: bool) -> None:
        self._shape = shape
        self._wants_usage = wants_usage
        self._head = b""  # of a chunk, up to its delta; empty until the message has started
        self._tail = b""
        self._end = b""
        self._reports: list[Raw] = []
        self._use: _Use | None = None
        self._blocks = -1
        self._calls = -1
        self._thoughts = -1
        self._used = False
        self._done = False

    def feed(self, chunk: Chunk) -> Sequence[Chunk]:
        """The chunks that stand for an event. Raises `UpstreamError` where it does not decode, or comes out of turn."""
        if chunk.whole:
            return self._whole(chunk.raw)
        source = payload(chunk.raw)
        if not source:
            return (Chunk(PING, CHAT_EVENT),) if self._head and not self._done else _NOTHING
        try:
            try:
                return self._told(decode(source))
            except INVALID:
                hidden = hide(source)
                if hidden == source:
                    raise
                return [Chunk(show(made.raw), CHAT_EVENT) for made in self._told(decode(hidden))]
        except (*INVALID, ValueError) as error:
            raise UpstreamError(f"The provider sent an event that is none of Anthropic's: {error}") from error

    def end(self) -> Sequence[Chunk]:
        """The end, where the source ended cleanly without saying so."""
        return self._stopped() if self._head and not self._done else _NOTHING

    def _whole(self, source: bytes) -> Sequence[Chunk]:
        try:
            try:
                made = completion(source, self._shape)
            except INVALID:
                made = show(completion(hide(source), self._shape))
        except (*INVALID, ValueError) as error:
            raise UpstreamError(f"The provider's answer is no message of Anthropic's: {error}") from error
        return (Chunk(made, CHAT_ANSWER),)

    def _told(self, event: Event) -> Sequence[Chunk]:
        kind = event.type
        if kind == "message_start":
            return self._started(event.message or Message())
        if kind == "ping":
            return (Chunk(PING, CHAT_EVENT),) if self._head else _NOTHING
        if not self._head:
            raise UpstreamError(f"The provider's stream begins with {kind[:40] or 'an event'}, not with message_start.")
        if kind == "content_block_delta":
            return self._continued(event.delta or Delta())
        if kind == "content_block_start":
            return self._opened(event.content_block or Block())
        if kind == "content_block_stop":
            return self._closed()
        if kind == "message_delta":
            return self._finished(event.delta or Delta(), event.usage)
        if kind == "message_stop" and not self._done:
            return self._stopped()
        return _NOTHING

    def _chunk(self, delta: bytes) -> tuple[Chunk]:
        return (Chunk(self._head + delta + self._tail, CHAT_EVENT),)

    def _started(self, message: Message) -> Sequence[Chunk]:
        if self._head:
            raise UpstreamError("The provider's stream has a second message_start.")
        self._reports.append(message.usage)
        head: dict[str, Any] = {
            "id": chat_id(message.id),
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": message.model,
        }
        served = tier(message.usage)
        if served is not None:
            head["service_tier"] = served
        if self._wants_usage:
            head["usage"] = None
        self._end = b"data: " + encode(head)[:-1]
        self._head = self._end + b',"choices":[{"index":0,"delta":'
        self._tail = b',"logprobs":null,"finish_reason":null}]}\n\n'
        return self._chunk(b'{"role":"assistant","content":null,"refusal":null}')

    def _continued(self, delta: Delta) -> Sequence[Chunk]:
        kind = delta.type
        if kind == "text_delta":
            return self._text(inside(delta.text))
        if kind == "input_json_delta":
            return self._input(inside(delta.partial_json))
        if kind == "thinking_delta":
            return self._thought(inside(delta.thinking))
        if kind == "signature_delta":
            return self._signed(inside(delta.signature))
        return _NOTHING

    def _text(self, text: bytes) -> Sequence[Chunk]:
        return self._chunk(b'{"content":"%s"}' % text) if text else _NOTHING

    def _thought(self, text: bytes) -> Sequence[Chunk]:
        """A piece of thinking, as text and, so that it can be replayed, as a piece of its block."""
        if not text:
            return _NOTHING
        block = b'{"index":%d,"type":"thinking","thinking":"%s"}' % (self._thoughts, text)
        return self._chunk(b'{"reasoning_content":"%s","thinking_blocks":[%s]}' % (text, block))

    def _signed(self, signature: bytes) -> Sequence[Chunk]:
        if not signature:
            return _NOTHING
        block = b'{"index":%d,"type":"thinking","signature":"%s"}' % (self._thoughts, signature)
        return self._chunk(b'{"thinking_blocks":[%s]}' % block)

    def _opened(self, block: Block) -> Sequence[Chunk]:
        kind = block.type
        self._use = None
        self._blocks += kind in _CARRIED
        if kind == "tool_use":
            return self._opened_use(block)
        if kind == "text":
            return self._text(inside(block.text))
        if kind == "thinking":
            self._thoughts += 1
            opening = b'{"index":%d,"type":"thinking","thinking":"","signature":""%s}' % (self._thoughts, self._place())
            return [
                *self._chunk(b'{"thinking_blocks":[%s]}' % opening),
                *self._thought(inside(block.thinking)),
                *self._signed(inside(block.signature)),
            ]
        if kind == "redacted_thinking":
            self._thoughts += 1
            data = b'{"index":%d,"type":"redacted_thinking","data":"%s"%s}' % (
                self._thoughts,
                inside(block.data),
                self._place(),
            )
            return self._chunk(b'{"thinking_blocks":[%s]}' % data)
        return _NOTHING

    def _place(self) -> bytes:
        """Where a thinking block stands, where it does not lead."""
        return b"" if self._blocks == self._thoughts else b',"%s":%d' % (POSITION.encode(), self._blocks)

    def _opened_use(self, block: Block) -> Sequence[Chunk]:
        name = encode(block.name)
        if block.name == self._shape.answer:
            self._use = _Use(b'{"content":', b"}")
            return self._given(block.input)
        self._used = True
        self._calls += 1
        if self._shape.legacy:
            if self._calls:
                return _NOTHING
            self._use = _Use(b'{"function_call":{"arguments":', b"}}")
            return [*self._chunk(b'{"function_call":{"name":%s,"arguments":""}}' % name), *self._given(block.input)]
        custom = block.name in self._shape.custom
        kind, field = (b"custom", b"input") if custom else (b"function", b"arguments")
        opening = b'{"index":%d,"%s":{"%s":' % (self._calls, kind, field)
        self._use = _Use(b'{"tool_calls":[' + opening, b"}}]}", custom=custom)
        call = b'{"tool_calls":[{"index":%d,"id":%s,"type":"%s","%s":{"name":%s,"%s":""}}]}' % (
            self._calls,
            encode(block.id),
            kind,
            kind,
            name,
            field,
        )
        return [*self._chunk(call), *self._given(block.input)]

    def _given(self, given: Raw) -> Sequence[Chunk]:
        """An input that came whole, with the opening of its block."""
        source = bytes(given)
        return _NOTHING if source in (b"null", b"{}") else self._input(inside(encode(source.decode())))

    def _input(self, piece: bytes) -> Sequence[Chunk]:
        use = self._use
        if use is None or not piece:
            return _NOTHING
        use.sent = True
        if use.custom is not None:
            use.custom.append(piece)
            return _NOTHING
        return self._chunk(b'%s"%s"%s' % (use.head, piece, use.tail))

    def _closed(self) -> Sequence[Chunk]:
        use, self._use = self._use, None
        if use is None:
            return _NOTHING
        if use.custom is not None:
            source = _string(b'"%s"' % b"".join(use.custom)) or "{}"
            return self._chunk(use.head + encode(_custom(source)) + use.tail)
        # Input without members comes without deltas, and is an object all the same.
        return _NOTHING if use.sent else self._chunk(use.head + b'"{}"' + use.tail)

    def _finished(self, delta: Delta, usage: Raw) -> Sequence[Chunk]:
        if not is_null(usage):
            self._reports.append(usage)
        if delta.stop_reason is None:
            return _NOTHING
        made: list[Chunk] = []
        refused = refusal(delta.stop_details)
        if refused is not None:
            made += self._chunk(b'{"refusal":%s}' % bytes(refused))
        word = finish(delta.stop_reason, self._shape, used=self._used)
        tail = b',"logprobs":null,"finish_reason":"%s"' % word.encode()
        if delta.stop_reason == "stop_sequence" and not is_null(delta.stop_sequence):
            tail += b',"stop_reason":%s' % bytes(delta.stop_sequence)
        made.append(Chunk(self._head + b"{}" + tail + b"}]}\n\n", CHAT_EVENT))
        return made

    def _stopped(self) -> Sequence[Chunk]:
        self._done = True
        usage = encode(chat_usage(self._reports))
        start = self._end.removesuffix(b',"usage":null')
        trailer = start + b',"choices":[],"usage":%s}\n\n' % usage
        return (Chunk(trailer, CHAT_EVENT), Chunk(DONE, CHAT_EVENT))


def _custom(source: str) -> str:
    try:
        return custom_input(source.encode())
    except INVALID:  # a limit may cut an input anywhere
        return source
