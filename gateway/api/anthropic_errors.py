"""Errors in Anthropic's shape (https://docs.claude.com/en/api/errors)."""

from typing import Any

from gateway.api.answers import Send, respond
from gateway.seam import GatewayError
from gateway.translate.errors import in_anthropic_terms
from gateway.wire.verbatim import encode

ID_HEADERS = (b"x-request-id", b"request-id")
"""Anthropic's clients look for the second."""


def anthropic_status(error: GatewayError) -> int:
    """The status under which Anthropic's clients know the error."""
    return in_anthropic_terms(error).status


def anthropic_error(error: GatewayError, request_id: bytes) -> bytes:
    """Anthropic's error object."""
    fields: dict[str, Any] = {"type": in_anthropic_terms(error).type, "message": error.message}
    if error.details is not None:
        fields["details"] = error.details
    return encode({"type": "error", "error": fields, "request_id": request_id.decode()})


async def refuse_anthropic(send: Send, error: GatewayError, request_id: bytes) -> None:
    """Send an error outside of any model call."""
    headers = [*error.headers, *[(name, request_id) for name in ID_HEADERS]]
    await respond(send, anthropic_status(error), anthropic_error(error, request_id), headers)
