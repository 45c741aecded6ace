"""What the scripted upstream does."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from gateway.testing import Received, Wire, completion, events
from gateway.testing.upstream import Script


def saying(*texts: str, **more: Any) -> Script:
    """Answer with these texts, streamed or whole, as each request asks; `more` are members of the whole answer."""

    async def script(request: Received, wire: Wire) -> None:
        if request.json.get("stream"):
            await wire.stream(events(*texts))
        else:
            await wire.json(completion("".join(texts), **more))

    return script


def failing(status: int, error: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None) -> Script:
    """Answer with an error."""
    body = {"message": "scripted", "type": "scripted_type", "param": "scripted_param", "code": "scripted_code"}

    async def script(request: Received, wire: Wire) -> None:
        await wire.json({"error": body | dict(error or {})}, status, headers)

    return script


def streaming(pieces: Iterable[bytes]) -> Script:
    """Answer with a stream of exactly these pieces."""
    kept = list(pieces)

    async def script(request: Received, wire: Wire) -> None:
        await wire.stream(kept)

    return script


def stalling(*pieces: bytes) -> Script:
    """Begin a stream with these pieces, then say nothing until the other side leaves; without pieces, say nothing."""

    async def script(request: Received, wire: Wire) -> None:
        if pieces:
            await wire.open()
            await wire.chunk(b"".join(pieces))
        await wire.left()

    return script


def turns(*scripts: Script) -> Script:
    """One script after another, one a request; the last one answers all that follow."""
    left = list(scripts)

    async def script(request: Received, wire: Wire) -> None:
        turn = left.pop(0) if len(left) > 1 else left[0]
        await turn(request, wire)

    return script


def event(document: Any) -> bytes:
    """A document as an event."""
    return b"data: " + json.dumps(document).encode() + b"\n\n"


def error_event(**fields: Any) -> bytes:
    """An error inside a stream."""
    return event({"error": {"message": "scripted", "type": "server_error", "param": None, "code": None} | fields})
