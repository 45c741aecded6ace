"""One request for embeddings as several, where a server takes fewer inputs at a time, and their answers as one."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import msgspec
from msgspec import Raw

from gateway.seam import Call, GatewayError, UpstreamError
from gateway.wire.embeddings import joined
from gateway.wire.verbatim import INVALID, NULL, open_array

AT_ONCE = 4
"""How many parts of one request are under way at a time."""


class _Look(msgspec.Struct, gc=False):
    input: Raw = NULL


_look = msgspec.json.Decoder(_Look).decode


class Part(NamedTuple):
    """Some of a request's inputs: their JSON, and how many they are."""

    source: bytes
    inputs: int


def split(raw: bytes, limit: int) -> list[Part]:
    """A request's inputs in parts of at most `limit`; no parts where it fits as it is."""
    if raw.count(b",") < limit:  # between more inputs than that stand at least so many commas
        return []
    try:
        source = _look(raw).input
        inputs = open_array(source) if bytes(memoryview(source)[:1]) == b"[" else []
    except INVALID:
        return []  # the server's to refuse
    if len(inputs) <= limit or bytes(memoryview(inputs[0])[:1]) not in (b'"', b"[", b"{"):
        return []  # numbers are the tokens of a single input
    pieces = [inputs[start : start + limit] for start in range(0, len(inputs), limit)]
    return [Part(b"[%s]" % b",".join(map(bytes, piece)), len(piece)) for piece in pieces]


async def ask_all(call: Call, parts: Sequence[Part], ask: Callable[[Part], Awaitable[bytes]], host: str) -> bytes:
    """Let `ask` bring the answer to each part, some at a time, and join the answers in order.

    Where one fails, the others are given up and its error is raised.
    """
    answers = [b""] * len(parts)
    left = iter(enumerate(parts))  # one for all workers: each takes what comes next

    async def work() -> GatewayError | None:
        try:
            for number, part in left:
                answers[number] = await ask(part)
        except GatewayError as error:
            return error  # not raised: it is the call's to tell, not the task's
        return None

    tasks = [call.tasks.spawn(work()) for _ in range(min(AT_ONCE, len(parts)))]
    try:
        for over in asyncio.as_completed(tasks):
            error = await over
            if error is not None:
                raise error
    finally:
        for task in tasks:
            task.cancel()
    try:
        return joined(answers, [part.inputs for part in parts])
    except (*INVALID, LookupError, ValueError) as error:
        raise UpstreamError(f"{host} answered a part of the request with what is no list of embeddings: {error}") from (
            error
        )
