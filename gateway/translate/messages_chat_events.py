"""A stream of chat completion chunks as Anthropic's events."""

from collections.abc import Sequence

from msgspec import Raw

from gateway.seam.chunk import Chunk
from gateway.seam.errors import UpstreamError
from gateway.translate.chat_thoughts import MARK
from gateway.translate.chat_views import Delta, Event, Function, Thought, decode
from gateway.translate.messages_blocks import Block, Blocks
from gateway.translate.messages_chat_answer import message, sequence_of, stop, use_id
from gateway.translate.vocabulary import message_id, messages_usage
from gateway.wire.messages import MESSAGES_ANSWER, MESSAGES_EVENT
from gateway.wire.sse import payload
from gateway.wire.verbatim import INVALID, NULL, encode, hide, inside, is_null, open_objects, show

PING = b'event: ping\ndata: {"type":"ping"}\n\n'
_NOTHING: tuple[Chunk, ...] = ()
_FUNCTION_CALL = -1  # the index of the deprecated function_call among tool calls


class MessagesEvents:
    """The filter: chunks in, Anthropic's events out; or a whole completion in, a whole message out.

    `message_delta` waits for the usage, which comes behind chat's finish reason.
    """

    __slots__ = (
        "_asked",
        "_blocks",
        "_calls",
        "_done",
        "_finish",
        "_id",
        "_refused",
        "_sequence",
        "_started",
        "_usage",
        "_used",
    )

    def __init__(self, asked: str) -> None:
        self._asked = asked
        self._id = ""
        self._started = False
        self._done = False
        self._blocks = Blocks(MARK + asked)
        self._calls: dict[int, Block] = {}
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
            try:
                return self._told(decode(source))
            except INVALID:
                hidden = hide(source)
                if hidden == source:
                    raise
                return [Chunk(show(made.raw), MESSAGES_EVENT) for made in self._told(decode(hidden))]
        except (*INVALID, ValueError) as error:
            raise UpstreamError(f"The provider sent an event that is no chat chunk: {error}") from error

    def end(self) -> Sequence[Chunk]:
        """The end: the stop reason, usage, and the last event."""
        if not self._started or self._done:
            return _NOTHING
        self._done = True
        out: list[bytes] = []
        self._blocks.end(out)
        reason = stop(self._finish, self._sequence, used=self._used > 0, refused=self._refused)
        delta = {"stop_reason": reason, "stop_sequence": self._sequence if reason == "stop_sequence" else None}
        event = encode({"type": "message_delta", "delta": delta, "usage": messages_usage(self._usage)})
        out.append(b"event: message_delta\ndata: %s\n\n" % event)
        out.append(b'event: message_stop\ndata: {"type":"message_stop"}\n\n')
        return [Chunk(raw, MESSAGES_EVENT) for raw in out]

    def _whole(self, source: bytes) -> Sequence[Chunk]:
        try:
            try:
                made = message(source, self._asked)
            except INVALID:
                made = show(message(hide(source), self._asked))
        except (*INVALID, ValueError) as error:
            raise UpstreamError(f"The provider's answer is no chat completion: {error}") from error
        return (Chunk(made, MESSAGES_ANSWER),)

    def _told(self, event: Event) -> Sequence[Chunk]:
        if not is_null(event.usage):
            self._usage = event.usage
        for choice in event.choices or ():
            if not choice.index:
                break
        else:
            return _NOTHING
        if self._done:
            return _NOTHING
        out: list[bytes] = []
        if not self._started:
            out.append(self._start(event))
        if choice.delta is not None:
            self._add(choice.delta, out)
        if choice.finish_reason:
            self._finish = choice.finish_reason
            self._sequence = sequence_of(choice.stop_reason)
            self._blocks.end(out)
        return [Chunk(raw, MESSAGES_EVENT) for raw in out]

    def _start(self, event: Event) -> bytes:
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

    def _add(self, delta: Delta, out: list[bytes]) -> None:
        thoughts = delta.thinking_blocks or ()
        reasoning = inside(delta.reasoning_content) or inside(delta.reasoning)
        if reasoning and not any(inside(thought.thinking) for thought in thoughts):  # else those say the same
            self._blocks.say("thinking", reasoning, out)
        for thought in thoughts:
            self._think(thought, out)
        if bytes(delta.content)[:1] == b"[":
            self._say_pieces(delta.content, out)
        elif content := inside(delta.content):
            self._blocks.say("text", content, out)
        if refusal := inside(delta.refusal):
            self._refused = True
            self._blocks.say("text", refusal, out)
        if delta.tool_calls:
            for position, call in enumerate(delta.tool_calls):
                self._call(position if call.index is None else call.index, call.id, call.function, out)
        if delta.function_call is not None:
            self._call(_FUNCTION_CALL, None, delta.function_call, out)

    def _think(self, thought: Thought, out: list[bytes]) -> None:
        """A piece of a thinking block as another gateway gives it, with its signature."""
        if data := inside(thought.data):
            self._blocks.begin(Block("redacted_thinking", b'{"type":"redacted_thinking","data":"%s"}' % data), out)
        if text := inside(thought.thinking):
            self._blocks.say("thinking", text, out)
        if signature := inside(thought.signature):
            self._blocks.sign(signature, out)

    def _say_pieces(self, content: Raw, out: list[bytes]) -> None:
        """A content in pieces: texts, and thoughts that stand in pieces of their own."""
        for piece in open_objects(content):
            kind = bytes(piece.get("type", NULL))
            if kind == b'"text"' and (text := inside(piece.get("text", NULL))):
                self._blocks.say("text", text, out)
            elif kind == b'"thinking"':
                for thought in open_objects(piece.get("thinking", b"[]")):
                    if text := inside(thought.get("text", NULL)):
                        self._blocks.say("thinking", text, out)

    def _call(self, index: int, name: str | None, function: Function | None, out: list[bytes]) -> None:
        """A piece of a tool call. Some servers give every call index 0: another id is another call."""
        block = self._calls.get(index)
        if block is None or (name and block.call and name != block.call):
            block = self._calls[index] = Block("tool_use", call=name or "")
        if function is None:
            return
        if function.name and not block.start:
            given = block.call or name or use_id(self._id, self._used)
            self._used += 1
            block.start = encode({"type": "tool_use", "id": given, "name": function.name, "input": {}})
            self._blocks.begin(block, out)
        if piece := inside(function.arguments):
            self._blocks.give(block, piece, out)
