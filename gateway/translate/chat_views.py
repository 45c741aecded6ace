"""What translation reads of chat completion chunks; texts stay source."""

import msgspec
from msgspec import Raw, Struct

from gateway.wire.verbatim import NULL


class Function(Struct, gc=False):
    """A tool call's name and arguments."""

    name: str | None = None
    arguments: Raw = NULL


class Call(Struct, gc=False):
    """A piece of a tool call."""

    index: int | None = None
    id: str | None = None
    function: Function | None = None


class Thought(Struct, gc=False):
    """A piece of a thinking block, as other gateways give it."""

    type: str = ""
    thinking: Raw = NULL
    signature: Raw = NULL
    data: Raw = NULL


class Delta(Struct, gc=False):
    """What a chunk adds to a choice."""

    content: Raw = NULL
    reasoning_content: Raw = NULL
    reasoning: Raw = NULL
    thinking_blocks: list[Thought] | None = None
    refusal: Raw = NULL
    tool_calls: list[Call] | None = None
    function_call: Function | None = None


class Choice(Struct, gc=False):
    """One choice."""

    index: int | None = None
    delta: Delta | None = None
    finish_reason: str | None = None
    stop_reason: Raw = NULL


class Event(Struct, gc=False):
    """One chunk."""

    id: str | None = None
    model: Raw = NULL
    choices: list[Choice] | None = None
    usage: Raw = NULL


decode = msgspec.json.Decoder(Event).decode
