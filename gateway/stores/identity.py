"""Which conversation a request is of."""

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Literal, NamedTuple

import msgspec

from gateway.seam import Call, Inbound, InvalidRequest
from gateway.wire.verbatim import INVALID, open_object

HEADER = b"x-gateway-conversation-id"
MEMBER = "conversation_id"
"""In the request's `metadata`."""
NAME = re.compile(r"[A-Za-z0-9._:@~+=-]{1,128}")
EXPECTED = "1 to 128 of A-Z a-z 0-9 . _ : @ ~ + = -"


class Named(NamedTuple):
    """Which conversation: the key that it belongs to, and its name there."""

    owner: str
    name: str


class Memory(NamedTuple):
    """What of a conversation a model sees, and how long it is kept."""

    last: int | None = None
    """How many turns."""
    tokens: int | None = None
    """How many tokens at most, about."""
    summarise: str | None = None
    """The model that sums up what falls out."""
    prompt: str | None = None
    """What it is told; None: the stock prompt."""
    by: Literal["conversation", "user"] = "conversation"
    """What names the conversation: its id, or the request's `user`."""
    ttl: float | None = None
    """How many seconds it is kept after its last turn."""

    def reach(self, bound: int | None) -> int | None:
        """A bound of what may be in sight: where what falls out is summed up, it stays there until it is."""
        return bound if bound is None or self.summarise is None else bound * 2


def owner_of(call: Call) -> str:
    """The key that a call's conversations belong to; without keys, everybody's."""
    return "" if call.caller is None else call.caller.name


def identify(call: Call, members: Mapping[str, Any], by: Literal["conversation", "user"]) -> Named | None:
    """The conversation that a request names, or None. Raises `InvalidRequest` for a name that cannot be one."""
    if by == "user":
        user = _text(members.get("user"))
        return None if not user else Named(owner_of(call), _of_user(call.request.model, user))
    inbound = call.get(Inbound)
    header = None if inbound is None else inbound.header(HEADER)
    name = header.decode("latin-1") if header else _in_metadata(members.get("metadata"))
    return None if name is None else Named(owner_of(call), checked(name))


def checked(name: str) -> str:
    """A conversation's name. Raises `InvalidRequest`."""
    if NAME.fullmatch(name) is None:
        raise InvalidRequest(
            f"The conversation's id must be {EXPECTED}, found {name[:140]!r}.",
            param="conversation_id",
            code="invalid_conversation_id",
        )
    return name


def _of_user(model: str, user: str) -> str:
    """Each model knows its users for itself."""
    name = f"user:{model}:{user}"
    return name if NAME.fullmatch(name) else f"user:{sha256(name.encode()).hexdigest()}"


def _in_metadata(source: Any) -> str | None:
    if source is None:
        return None
    try:
        return _text(open_object(source).get(MEMBER))
    except INVALID:
        return None  # what a provider makes of it is the provider's to say


def _text(source: Any) -> str | None:
    if source is None:
        return None
    try:
        found = msgspec.json.decode(source, type=str | None)
    except INVALID as error:
        raise InvalidRequest(
            "The conversation's id, or `user`, must be a string.", param="conversation_id", code="invalid_type"
        ) from error
    return found
