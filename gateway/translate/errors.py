"""A target's error in the terms of the caller's dialect.

Anthropic: https://docs.claude.com/en/api/errors; OpenAI: https://platform.openai.com/docs/guides/error-codes.
"""

from copy import copy

from gateway.seam.errors import GatewayError

_ANTHROPIC = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_OPENAI = {
    "invalid_request_error": ("invalid_request_error", None),
    "authentication_error": ("invalid_request_error", "invalid_api_key"),
    "billing_error": ("insufficient_quota", "insufficient_quota"),
    "permission_error": ("permission_error", None),
    "not_found_error": ("invalid_request_error", "model_not_found"),
    "request_too_large": ("invalid_request_error", "request_too_large"),
    "rate_limit_error": ("rate_limit_error", "rate_limit_exceeded"),
    "overloaded_error": ("server_error", "overloaded"),
    "api_error": ("server_error", None),
    "timeout_error": ("server_error", "upstream_timeout"),
}


def in_openai_terms(error: GatewayError) -> GatewayError:
    """An Anthropic target's error for a caller of OpenAI's: 529 is 503, and types and codes are OpenAI's."""
    if error.status != 529 and error.type not in _OPENAI:
        return error
    told = copy(error)
    told.status = 503 if error.status == 529 else error.status
    kind, code = _OPENAI.get("overloaded_error" if error.status == 529 else error.type, (error.type, None))
    told.type, told.code = kind, error.code or code
    return told


def in_anthropic_terms(error: GatewayError) -> GatewayError:
    """An OpenAI target's error for a caller of Anthropic's: 503 is 529, and the type is what the status means."""
    told = copy(error)
    told.status = 529 if error.status == 503 else error.status
    told.type = _ANTHROPIC.get(told.status, "api_error" if told.status >= 500 else "invalid_request_error")
    return told
