"""What translation reads of Anthropic's events; texts stay source."""

import msgspec
from msgspec import Raw, Struct

from gateway.wire.verbatim import NULL


class Delta(Struct, gc=False):
    """What a delta adds, or what a message's end tells."""

    type: str = ""
    text: Raw = NULL
    thinking: Raw = NULL
    signature: Raw = NULL
    partial_json: Raw = NULL
    stop_reason: str | None = None
    stop_sequence: Raw = NULL
    stop_details: Raw = NULL


class Block(Struct, gc=False):
    """A content block as it is opened."""

    type: str = ""
    text: Raw = NULL
    thinking: Raw = NULL
    signature: Raw = NULL
    data: Raw = NULL
    id: str = ""
    name: str = ""
    input: Raw = NULL


class Message(Struct, gc=False):
    """A message as it starts."""

    id: str = ""
    model: Raw = NULL
    usage: Raw = NULL


class Event(Struct, gc=False):
    """One event."""

    type: str = ""
    index: int = 0
    delta: Delta | None = None
    content_block: Block | None = None
    message: Message | None = None
    usage: Raw = NULL


decode = msgspec.json.Decoder(Event).decode
