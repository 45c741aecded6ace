"""The content blocks of a stream of Anthropic's events, as they are written: one after the other."""

import msgspec

from gateway.wire.verbatim import INVALID, encode, open_object

_string = msgspec.json.Decoder(str).decode

_DELTAS = {
    "text": (b'{"type":"text_delta","text":', b'{"type":"text","text":""}'),
    "thinking": (b'{"type":"thinking_delta","thinking":', b'{"type":"thinking","thinking":"","signature":""}'),
    "tool_use": (b'{"type":"input_json_delta","partial_json":', b""),
}
_START = b'event: content_block_start\ndata: {"type":"content_block_start","index":%d,"content_block":%s}\n\n'
_DELTA = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":%s'
_STOP = b'event: content_block_stop\ndata: {"type":"content_block_stop","index":%d}\n\n'


class Block:
    """One block: open, or waiting until the one before it is complete."""

    __slots__ = ("call", "delta", "kind", "pieces", "signature", "start")

    def __init__(self, kind: str, start: bytes = b"", *, call: str = "") -> None:
        self.kind = kind
        self.delta, opening = _DELTAS.get(kind, (b"", b""))
        self.start = start or opening
        """What opens it, as JSON; empty where that is not known yet."""
        self.pieces: list[bytes] = []
        """Of a tool's use all of its input, of others what waits: source between quotes."""
        self.signature = b""
        self.call = call
        """The id of the tool call that it is."""

    def complete(self) -> bool:
        """Whether another block may begin: text may stop anywhere, a tool's input where it is an object."""
        if self.kind != "tool_use":
            return True
        try:
            open_object(_string(b'"%s"' % b"".join(self.pieces)).encode())
        except INVALID:
            return False
        return True


class Blocks:
    """All blocks of one answer. Methods append the events that are ready to `out`.

    They never overlap and their indices rise: what comes for another block while a tool's input is not complete waits
    until it is, at the latest for the end. Kept are the input of the tool's use that is open, and what waits.
    """

    __slots__ = ("_index", "_mark", "_open", "_prefix", "_waiting")

    def __init__(self, mark: str) -> None:
        self._mark = mark  # signs thoughts that come without a signature
        self._index = -1
        self._open: Block | None = None
        self._prefix = b""  # of a delta of the open block
        self._waiting: list[Block] = []

    def say(self, kind: str, text: bytes, out: list[bytes]) -> None:
        """A piece of text or thinking, as source between quotes."""
        block = self._open
        if block is None or block.kind != kind or self._waiting or block.signature:
            block = self._last(kind, out)
        if block is self._open:
            out.append(b'%s"%s"}}\n\n' % (self._prefix, text))
        else:
            block.pieces.append(text)

    def sign(self, signature: bytes, out: list[bytes]) -> None:
        """The signature of the thoughts that came last."""
        self._last("thinking", out).signature = signature

    def give(self, block: Block, piece: bytes, out: list[bytes]) -> None:
        """A piece of a tool's input, as source between quotes. Raises ValueError where that was complete."""
        if block is not self._open and block not in self._waiting and block.start:
            if _string(b'"%s"' % piece).strip():
                raise ValueError("it goes on with a tool call whose arguments were complete")
            return
        block.pieces.append(piece)
        if block is self._open:
            out.append(b'%s"%s"}}\n\n' % (self._prefix, piece))
            if self._waiting:
                self._advance(out)

    def begin(self, block: Block, out: list[bytes]) -> None:
        """A further block."""
        self._waiting.append(block)
        self._advance(out)

    def end(self, out: list[bytes]) -> None:
        """Nothing more will come: every block that waits is written, and the last one closed."""
        while self._waiting:
            self._next(out)
        self._close(out)

    def _last(self, kind: str, out: list[bytes]) -> Block:
        """The block of a kind that more may be added to: the last there is, else a new one."""
        last = self._waiting[-1] if self._waiting else self._open
        if last is None or last.kind != kind or last.signature:
            last = Block(kind)
            self.begin(last, out)
        return last

    def _advance(self, out: list[bytes]) -> None:
        while self._waiting and (self._open is None or self._open.complete()):
            self._next(out)

    def _next(self, out: list[bytes]) -> None:
        self._close(out)
        block = self._open = self._waiting.pop(0)
        self._index += 1
        out.append(_START % (self._index, block.start))
        self._prefix = _DELTA % (self._index, block.delta)
        if block.pieces:
            out.append(self._prefix + b'"%s"}}\n\n' % b"".join(block.pieces))

    def _close(self, out: list[bytes]) -> None:
        block, self._open = self._open, None
        if block is None:
            return
        if block.kind == "thinking":
            signature = b'"%s"' % block.signature if block.signature else encode(self._mark)
            out.append(_DELTA % (self._index, b'{"type":"signature_delta","signature":%s}}\n\n' % signature))
        out.append(_STOP % self._index)
