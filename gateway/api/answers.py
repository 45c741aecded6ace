"""Plain answers over ASGI: JSON, and OpenAI's error object."""

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from gateway.seam import GatewayError
from gateway.wire.verbatim import encode

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

JSON = (b"content-type", b"application/json")


async def respond(
    send: Send, status: int, body: bytes, headers: Sequence[tuple[bytes, bytes]] = (), kind: tuple[bytes, bytes] = JSON
) -> None:
    """Send one whole answer."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [kind, (b"content-length", b"%d" % len(body)), *headers],
        }
    )
    await send({"type": "http.response.body", "body": body})


def openai_error(error: GatewayError) -> bytes:
    """OpenAI's error object: all four keys, always (https://platform.openai.com/docs/guides/error-codes)."""
    return encode({"error": {"message": error.message, "type": error.type, "param": error.param, "code": error.code}})


async def refuse(send: Send, error: GatewayError, request_id: bytes) -> None:
    """Send an error outside of any model call."""
    await respond(send, error.status, openai_error(error), [*error.headers, (b"x-request-id", request_id)])
