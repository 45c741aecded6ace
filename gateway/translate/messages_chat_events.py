"""A stream of chat completion chunks as Anthropic's events."""

from collections.abc import Sequence

import msgspec
from msgspec import Raw, Struct

from gateway.seam.chunk import Chunk
from gateway.seam.errors import UpstreamError
from gateway.translate.messages_chat_answer import message, sequence_of, stop, use_id
from gateway.translate.messages_chat_turns import MARK
from gateway.translate.vocabulary import message_id, messages_usage
from gateway.wire.messages import MESSAGES_ANSWER, MESSAGES_EVENT
from gateway.wire.sse import payload
from gateway.wire.verbatim import INVALID, NULL, encode, hide, inside, is_null, open_object, open_objects, show

PING = b'event: ping\ndata: {"type":"ping"}\n\n'


class _Function(Struct, gc=False):
    name: str | None = None
    arguments: Raw = NULL


class _Call(Struct, gc=False):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Thought(Struct, gc=False):
    type: str = ""
    thinking: Raw = NULL
    signature: Raw = NULL
    data: Raw = NULL


class _Delta(Struct, gc=False):
    content: Raw = NULL
    reasoning_content: Raw = NULL
    reasoning: Raw = NULL
    thinking_blocks: list[_Thought] | None = None
    refusal: Raw = NULL
    tool_calls: list[_Call] | None = None
    function_call: _Function | None = None


class _Choice(Struct, gc=False):
    index: int | None = None
    delta: _Delta | None = None
    finish_reason: str | None = None
    stop_reason: Raw = NULL


class _Event(Struct, gc=False):
    id: str | None = None
    model: Raw = NULL
    choices: list[_Choice] | None = None
    usage: Raw = NULL


_decode = msgspec.json.Decoder(_Event).decode
_string = msgspec.json.Decoder(str).decode
_NOTHING: tuple[Chunk, ...] = ()
_FUNCTION_CALL = -1

_DELTAS = {
    "text": (b'{"type":"text_delta","text":', b'{"type":"text","text":""}'),
    "thinking": (b'{"type":"thinking_delta","thinking":', b'{"type":"thinking","thinking":"","signature":""}'),
    "tool_use": (b'{"type":"input_json_delta","partial_json":', b""),
}


class _Block:
    """One block: open, or waiting until the one before it is complete."""

    __slots__ = ("call", "delta", "kind", "pieces", "signature", "start")

    def __init__(self, kind: str, start: bytes = b"") -> None:
        self.kind = kind
        delta, opening = _DELTAS.get(kind, (b"", b""))
        self.delta = delta
        self.start = start or opening
        self.pieces: list[bytes] = []
        """Of a tool's use, all of its input; of others, what waits."""
        self.signature = b""
        self.call = ""
        """The id of the call."""

    def complete(self) -> bool:
        """Whether another block may begin: text may stop anywhere, a tool's input where it is an object."""
        if self.kind != "tool_use":
            return True
        try:
            open_object(_string(b'"%s"' % b"".join(self.pieces)).encode())
        except INVALID:
            return False
        return True


class MessagesEvents:
    """The filter: chunks in, Anthropic's events out; or a whole completion in, a whole message out.

    Blocks never overlap and their indices rise: what comes for another block while a tool's input is not complete
    waits until it is, at the latest for the finish reason. `message_delta` waits for the usage, which comes behind
    that. What is kept is the input of the tool's use that is open, and what waits.
    """

    __slots__ = (
        "_asked",
        "_calls",
        "_done",
        "_finish",
        "_id",
        "_index",
        "_open",
        "_prefix",
        "_refused",
        "_sequence",
        "_started",
        "_usage",
        "_used",
        "_waiting",
    )

    def __init__(self, asked: str) -> None:
        self._asked = asked
        self._id = ""
        self._started = False
        self._done = False
        self._index = -1
        self._open: _Block | None = None
        self._prefix = b""  # of a delta of the open block
        self._waiting: list[_Block] = []
        self._calls: dict[int, _Block] = {}
        self._used = 0
        self._refused = False
        self._finish = ""
        self._sequence: str | None = None
        self._usage: Raw = NULL

    def feed(self, chunk: Chunk) -> Sequence[Chunk]:
        """The events that stand for a chunk. Raises `UpstreamError` where it does not decode."""
        if chunk.whole:
            return self._whole(chunk.raw)
        source = payload(chunk.raw)
        if source == b"[DONE]":
            return self.end()
        if not source:
            return (Chunk(PING, MESSAGES_EVENT),) if self._started and not self._done else _NOTHING
        try:
            return self._told(_decode(source))
        except (*INVALID, ValueError) as error:
            hidden = hide(source)
            if hidden == source:
                raise UpstreamError(f"The provider sent an event that is no chat chunk: {error}") from error
        try:
            return [Chunk(show(made.raw), MESSAGES_EVENT) for made in self._told(_decode(hidden))]
        except (*INVALID, ValueError) as error:
            raise UpstreamError(f"The provider sent an event that is no chat chunk: {error}") from error

    def end(self) -> Sequence[Chunk]:
        """The end: the stop reason, usage, and the last event."""
        if not self._started or self._done:
            return _NOTHING
        self._done = True
        out = self._flushed()
        reason = stop(self._finish, self._sequence, used=self._used > 0, refused=self._refused)
        delta = {"stop_reason": reason, "stop_sequence": self._sequence if reason == "stop_sequence" else None}
        event = encode({"type": "message_delta", "delta": delta, "usage": messages_usage(self._usage)})
        out.append(b"event: message_delta\ndata: %s\n\n" % event)
        out.append(b'event: message_stop\ndata: {"type":"message_stop"}\n\n')
        return [Chunk(raw, MESSAGES_EVENT) for raw in out]

    def _whole(self, source: bytes) -> Sequence[Chunk]:
        self._done = True
        try:
            try:
                made = message(source, self._asked)
            except INVALID:
                made = show(message(hide(source), self._asked))
        except (*INVALID, ValueError) as error:
            raise UpstreamError(f"The provider's answer is no chat completion: {error}") from error
        return (Chunk(made, MESSAGES_ANSWER),)

    def _told(self, event: _Event) -> Sequence[Chunk]:
        if not is_null(event.usage):
            self._usage = event.usage
        choice = next((one for one in event.choices or () if not one.index), None)
        if choice is None or self._done:
            return _NOTHING
        out: list[bytes] = []
        if not self._started:
            out.append(self._start(event))
        delta = choice.delta
        if delta is not None:
            self._add(delta, out)
        if choice.finish_reason:
            self._finish = choice.finish_reason
            self._sequence = sequence_of(choice.stop_reason)
            out += self._flushed()
        return [Chunk(raw, MESSAGES_EVENT) for raw in out]

    def _start(self, event: _Event) -> bytes:
        self._started = True
        self._id = event.id or ""
        head: dict[str, object] = {
            "id": message_id(self._id),
            "type": "message",
            "role": "assistant",
            "model": event.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": messages_usage(NULL),
        }
        return b"event: message_start\ndata: %s\n\n" % encode({"type": "message_start", "message": head})

    def _add(self, delta: _Delta, out: list[bytes]) -> None:
        if delta.thinking_blocks:
            self._think(delta.thinking_blocks, out)
        elif reasoning := inside(delta.reasoning_content) or inside(delta.reasoning):
            self._say("thinking", reasoning, out)
        if bytes(delta.content)[:1] == b"[":
            self._say_pieces(delta.content, out)
        elif content := inside(delta.content):
            self._say("text", content, out)
        if refusal := inside(delta.refusal):
            self._refused = True
            self._say("text", refusal, out)
        if delta.tool_calls:
            for position, call in enumerate(delta.tool_calls):
                self._call(position if call.index is None else call.index, call.id, call.function, out)
        if delta.function_call is not None:
            self._call(_FUNCTION_CALL, None, delta.function_call, out)

    def _think(self, thoughts: list[_Thought], out: list[bytes]) -> None:
        """Pieces of thinking blocks as another gateway gives them, with their signatures."""
        for thought in thoughts:
            if not is_null(thought.data):
                redacted = b'{"type":"redacted_thinking","data":%s}' % bytes(thought.data)
                self._begin(_Block("redacted_thinking", redacted), out)
                continue
            if text := inside(thought.thinking):
                self._say("thinking", text, out)
            if signature := inside(thought.signature):
                block = self._last("thinking", out)
                block.signature = signature

    def _say_pieces(self, content: Raw, out: list[bytes]) -> None:
        for piece in open_objects(content):
            kind = bytes(piece.get("type", NULL))
            if kind == b'"text"' and (text := inside(piece.get("text", NULL))):
                self._say("text", text, out)
            elif kind == b'"thinking"':
                for thought in open_objects(piece.get("thinking", b"[]")):
                    if text := inside(thought.get("text", NULL)):
                        self._say("thinking", text, out)

    def _say(self, kind: str, text: bytes, out: list[bytes]) -> None:
        """A piece of text or thinking: to the open block, or to one that waits."""
        opened = self._open
        if opened is None or opened.kind != kind or self._waiting or opened.signature:
            opened = self._last(kind, out)
        if opened is self._open:
            out.append(b'%s"%s"}}\n\n' % (self._prefix, text))
        else:
            opened.pieces.append(text)

    def _last(self, kind: str, out: list[bytes]) -> _Block:
        """The block of a kind that more may be added to: the last there is, else a new one."""
        last = self._waiting[-1] if self._waiting else self._open
        if last is None or last.kind != kind or last.signature:
            last = _Block(kind)
            self._begin(last, out)
        return last

    def _call(self, index: int, name: str | None, function: _Function | None, out: list[bytes]) -> None:
        """A piece of a tool call. Some servers give every call index 0: another id is another call."""
        block = self._calls.get(index)
        if block is None or (name and block.call and name != block.call):
            block = self._calls[index] = _Block("tool_use")
            block.call = name or ""
        tool = function.name if function is not None else None
        if tool and not block.start:
            given = block.call or name or use_id(self._id, self._used)
            self._used += 1
            start = {"type": "tool_use", "id": given, "name": tool, "input": {}}
            block.start = encode(start)
            self._begin(block, out)
        piece = inside(function.arguments) if function is not None else b""
        if not piece:
            return
        if block is not self._open and block not in self._waiting and block.start:
            if _string(b'"%s"' % piece).strip():
                raise UpstreamError("The provider goes on with a tool call whose arguments were complete.")
            return
        block.pieces.append(piece)
        if block is self._open:
            out.append(b'%s"%s"}}\n\n' % (self._prefix, piece))
            if self._waiting:
                self._advance(out)

    def _begin(self, block: _Block, out: list[bytes]) -> None:
        self._waiting.append(block)
        self._advance(out)

    def _advance(self, out: list[bytes]) -> None:
        """Open the blocks that wait, as far as the one before each is complete."""
        while self._waiting and (self._open is None or self._open.complete()):
            self._next(out)

    def _flushed(self) -> list[bytes]:
        """Nothing more will come: every block that waits is written, and the last one closed."""
        out: list[bytes] = []
        while self._waiting:
            self._next(out)
        self._close(out)
        return out

    def _next(self, out: list[bytes]) -> None:
        self._close(out)
        block = self._open = self._waiting.pop(0)
        self._index += 1
        index = b"%d" % self._index
        out.append(
            b'event: content_block_start\ndata: {"type":"content_block_start","index":%s,"content_block":%s}\n\n'
            % (index, block.start)
        )
        self._prefix = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%s,"delta":%s' % (
            index,
            block.delta,
        )
        if block.pieces:
            out.append(self._prefix + b'"%s"}}\n\n' % b"".join(block.pieces))

    def _close(self, out: list[bytes]) -> None:
        block, self._open = self._open, None
        if block is None:
            return
        index = b"%d" % self._index
        if block.kind == "thinking":
            signature = b'"%s"' % block.signature if block.signature else encode(MARK + self._asked)
            out.append(
                b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%s,'
                b'"delta":{"type":"signature_delta","signature":%s}}\n\n' % (index, signature)
            )
        out.append(b'event: content_block_stop\ndata: {"type":"content_block_stop","index":%s}\n\n' % index)
