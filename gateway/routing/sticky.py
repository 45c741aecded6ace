"""Calls of one session go to one target, so that what the provider keeps of a conversation serves it again."""

import math
from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

import msgspec

from gateway.routing.route import Route
from gateway.seam import Call, Inbound
from gateway.wire.verbatim import INVALID

_HEADER = b"x-gateway-session"
_MARK = b'"prompt_cache_key"'


class _Body(msgspec.Struct, gc=False):
    prompt_cache_key: Any = None


_decode = msgspec.json.Decoder(_Body).decode


def session_of(call: Call) -> bytes | None:
    """What names the session of a call: the header `x-gateway-session`, else `prompt_cache_key` in the body."""
    inbound = call.get(Inbound)
    if inbound is not None and (named := inbound.header(_HEADER)):
        return named
    if _MARK in call.request.raw:
        try:
            key = _decode(call.request.raw).prompt_cache_key
        except INVALID:  # the provider may think otherwise: that is not ours to refuse
            return None
        return key.encode() or None if isinstance(key, str) else None
    return None


def favourite(session: bytes, routes: Iterable[Route]) -> Route:
    """The target of a session among these, by weighted rendezvous hashing.

    A target that is lost moves its own sessions and no others, and gets them back.
    (https://www.snia.org/sites/default/files/SDC15_presentations/dist_sys/Jason_Resch_New_Consistent_Hashings_Rev.pdf)
    """
    return max(routes, key=lambda route: route.weight / -math.log(luck(session, route.backend.name)))


def luck(session: bytes, name: str = "") -> float:
    """A number between 0 and 1, always the same for the same session and name."""
    digest = blake2b(session, digest_size=8, person=blake2b(name.encode(), digest_size=16).digest()).digest()
    return (int.from_bytes(digest) + 1) / (2**64 + 2)
