"""A stream of messages whose beginning the door has sent itself."""

import msgspec
from msgspec import Raw

from gateway.seam import Batch, Chunk
from gateway.wire.sse import named
from gateway.wire.verbatim import INVALID, NULL, encode, is_null, open_object, splice

_COUNTS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
"""What `message_start` tells and nothing after it need repeat."""


class _Message(msgspec.Struct, gc=False):
    usage: Raw = NULL


class _Event(msgspec.Struct, gc=False):
    type: str = ""
    message: _Message | None = None
    usage: Raw = NULL


_decode = msgspec.json.Decoder(_Event).decode


class Continued:
    """Makes batches the bytes of a stream that has its `message_start` already.

    The provider's own is left out, and its input and cache counts go into the usage of `message_delta`: counts there
    are totals, by which clients replace what `message_start` said.
    """

    def __init__(self) -> None:
        self._counts: dict[str, Raw] = {}

    def __call__(self, batch: Batch) -> bytes:
        """What the client gets of a batch."""
        raw = batch.raw
        if b"message_start" not in raw and b"message_delta" not in raw:
            return raw
        return b"".join([self._event(chunk) for chunk in batch])

    def _event(self, chunk: Chunk) -> bytes:
        source = chunk.codec.source(chunk.raw)
        try:
            event = _decode(source)
            if event.type == "message_start":
                if event.message is not None and not is_null(event.message.usage):
                    usage = open_object(event.message.usage)
                    self._counts = {name: usage[name] for name in _COUNTS if name in usage}
                return b""
            if event.type == "message_delta" and not is_null(event.usage):
                usage = open_object(event.usage)
                lacking = {name: count for name, count in self._counts.items() if is_null(usage.get(name, NULL))}
                return named(b"message_delta", splice(source, {"usage": encode(usage | lacking)}))
        except INVALID:  # what the provider sent is the client's to read
            pass
        return chunk.raw
