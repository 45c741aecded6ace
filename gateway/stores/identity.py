"""Which conversation a request is of."""

import re
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any, Literal, NamedTuple, Self

import msgspec

from gateway.seam import Call, Inbound, InvalidRequest
from gateway.wire.verbatim import INVALID, open_object

HEADER = b"x-gateway-conversation-id"
MEMBER = "conversation_id"
"""In the request's `metadata`."""
NAME = re.compile(r"[A-Za-z0-9._:@~+=-]{1,128}")
EXPECTED = "1 to 128 of A-Z a-z 0-9 . _ : @ ~ + = -"
WITHIN = "/"
"""Stands in the names of conversations that are within another, which is no sign that a caller's id can have."""
Asked = Callable[[str, Sequence[Any]], str]
"""What a model is asked to sum up, made of the summary so far and the messages that follow it."""
Change = Callable[[bytes | None], bytes | None]
"""The value of a variable, as JSON, made of the one that is kept; None for either: there is none, there is none new."""


class Named(NamedTuple):
    """Which conversation: the key that it belongs to, and its name there."""

    owner: str
    name: str

    def within(self, model: str) -> "Named":
        """The conversation that a chain or graph has within this one."""
        return Named(self.owner, f"{self.name}{WITHIN}{model}")

    @property
    def around(self) -> "Named | None":
        """The conversation that this one is within, with which it is deleted."""
        outer, within, _ = self.name.partition(WITHIN)
        return Named(self.owner, outer) if within else None


class Subject(NamedTuple):
    """What a client says of its conversation, not looked at yet: carried by its call to all that runs for it."""

    model: str
    """The chain or graph that the client asked for, as a model."""
    header: bytes | None
    metadata: Any
    user: Any

    @classmethod
    def of(cls, call: Call, members: Mapping[str, Any]) -> Self:
        """What a client's request says; `members` are those of its body, unopened."""
        inbound = call.get(Inbound)
        header = None if inbound is None else inbound.header(HEADER)
        metadata = members.get("metadata")
        user = _member(metadata, "user_id") if call.request.surface == "messages" else members.get("user")
        return cls(call.request.model, header, metadata, user)


class Memory(NamedTuple):
    """What of a conversation a model sees, and how long it is kept."""

    last: int | None = None
    """How many turns."""
    tokens: int | None = None
    """How many tokens at most, about."""
    summarise: str | None = None
    """The model that sums up what falls out."""
    asked: Asked | None = None
    """What it is asked; None: the stock prompt."""
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
    """The conversation of a call, or None. Raises `InvalidRequest` for a name that cannot be one.

    The client's request names it. What the client asked for has that conversation; a chain or graph that this runs has
    one of its own within it. Users are known to each for itself, wherever it runs.
    """
    subject = call.get(Subject) or Subject.of(call, members)
    owner, model = owner_of(call), call.request.model
    if by == "user":
        user = _text(subject.user)
        return None if not user else Named(owner, _of_user(model, user))
    header = subject.header
    name = header.decode("latin-1") if header else _text(_member(subject.metadata, MEMBER))
    if name is None:
        return None
    named = Named(owner, checked(name))
    return named if model == subject.model else named.within(model)


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


def _member(source: Any, name: str) -> Any:
    """A member of what should be an object, unopened."""
    if source is None:
        return None
    try:
        return open_object(source).get(name)
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
