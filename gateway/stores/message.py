"""A message as it is kept: its source text, whose it is, and what it says, so that it is known again."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw, Struct

from gateway.wire.verbatim import INVALID, NULL, encode

INSTRUCTIONS = ("system", "developer")
_SIZE = 16
_ORDERED = msgspec.json.Encoder(order="sorted").encode


class Message(NamedTuple):
    """One message. Two that say the same have the same `digest`, however their JSON is spelt.

    What is compared: role, text (one piece or several), other parts but for their `cache_control`, tool calls and the
    id of a tool's result. Other members come back changed or not at all from many clients, and do not count.
    """

    source: bytes
    role: str
    digest: bytes


class _Function(Struct, gc=False):
    name: str = ""
    arguments: str = ""


class _Tool(Struct, gc=False):
    id: str = ""
    function: _Function = msgspec.field(default_factory=_Function)
    custom: Raw = NULL


class _Look(Struct, gc=False):
    role: str = ""
    content: Raw = NULL
    refusal: str | None = None
    tool_calls: list[_Tool] | None = None
    tool_call_id: str | None = None
    function_call: _Function | None = None


_look = msgspec.json.Decoder(_Look).decode
_text = msgspec.json.Decoder(str).decode
_parts = msgspec.json.Decoder(list[dict[str, Any]]).decode


def message(source: bytes) -> Message:
    """Look at one message. What is none gets no role, and is known by its bytes."""
    try:
        look = _look(source)
        said = _content(bytes(look.content)).strip()  # clients trim what they show, and send it back so
        pieces = [look.role, said, look.tool_call_id or ""]
        if look.refusal:
            pieces.append(look.refusal)
        for tool in look.tool_calls or ():
            pieces += (tool.id, tool.function.name, _arguments(tool.function.arguments), bytes(tool.custom).decode())
        if look.function_call is not None:
            pieces += (look.function_call.name, _arguments(look.function_call.arguments))
        return Message(source, look.role, _digest("\0".join(pieces).encode()))
    except INVALID:
        return Message(source, "", _digest(source))


def messages(sources: Sequence[bytes | Raw]) -> list[Message]:
    """Look at messages."""
    return [message(bytes(source)) for source in sources]


def chained(chain: bytes, following: Sequence[Message]) -> bytes:
    """What stands for a whole conversation: the chain of what came before, and all that follows."""
    for one in following:
        chain = _digest(chain + one.digest)
    return chain


def turns_in(following: Sequence[Message]) -> int:
    """How many turns begin in these: one with each user message."""
    return sum([one.role == "user" for one in following])


def _digest(source: bytes) -> bytes:
    return blake2b(source, digest_size=_SIZE).digest()


def _content(source: bytes) -> str:
    if source[:1] == b'"':
        return _text(source)
    if source == b"null":
        return ""
    told = []
    for part in _parts(source):
        if part.get("type") in ("text", "input_text", "output_text") and isinstance(part.get("text"), str):
            told.append(part["text"])
        else:
            part.pop("cache_control", None)
            told.append(_ORDERED(part).decode())
    return "".join(told)


def _arguments(source: str) -> str:
    """Arguments without the spaces that clients take out or put in."""
    try:
        return encode(msgspec.json.decode(source)).decode() if source else ""
    except INVALID:
        return source
