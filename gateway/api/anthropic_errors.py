"""Errors in Anthropic's shape (https://docs.claude.com/en/api/errors)."""

from typing import Any

from gateway.api.answers import Send, respond
from gateway.seam import GatewayError
from gateway.wire.verbatim import encode

ID_HEADERS = (b"x-request-id", b"request-id")
"""Anthropic's clients look for the second."""
_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    422: "invalid_request_error",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
"""The type that a status means; it follows the status, since clients tell errors inside a stream apart by it."""
OVERLOADED = 529
"""Anthropic's own status for what others tell by 503."""


def anthropic_status(error: GatewayError) -> int:
    """The status under which Anthropic's clients know the error."""
    return OVERLOADED if error.status == 503 else error.status


def anthropic_error(error: GatewayError, request_id: bytes) -> bytes:
    """Anthropic's error object."""
    status = anthropic_status(error)
    kind = _TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
    fields: dict[str, Any] = {"type": kind, "message": error.message}
    if error.details is not None:
        fields["details"] = error.details
    return encode({"type": "error", "error": fields, "request_id": request_id.decode()})


async def refuse_anthropic(send: Send, error: GatewayError, request_id: bytes) -> None:
    """Send an error outside of any model call."""
    headers = [*error.headers, *[(name, request_id) for name in ID_HEADERS]]
    await respond(send, anthropic_status(error), anthropic_error(error, request_id), headers)
