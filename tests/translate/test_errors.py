"""A target's errors in the caller's terms."""

import pytest

from gateway.seam import GatewayError, UpstreamError
from gateway.translate.chat_messages import CHAT_ON_MESSAGES
from gateway.translate.messages_chat import MESSAGES_ON_CHAT


@pytest.mark.parametrize(
    ("status", "kind", "told"),
    [
        (400, "invalid_request_error", (400, "invalid_request_error", None)),
        (402, "billing_error", (402, "insufficient_quota", "insufficient_quota")),
        (403, "permission_error", (403, "permission_error", None)),
        (404, "not_found_error", (404, "invalid_request_error", "model_not_found")),
        (413, "request_too_large", (413, "invalid_request_error", "request_too_large")),
        (429, "rate_limit_error", (429, "rate_limit_error", "rate_limit_exceeded")),
        (500, "api_error", (500, "server_error", None)),
        (504, "timeout_error", (504, "server_error", "upstream_timeout")),
        (529, "overloaded_error", (503, "server_error", "overloaded")),
        (529, "whatever", (503, "server_error", "overloaded")),
        (418, "teapot_error", (418, "teapot_error", None)),
    ],
)
def test_anthropics_errors_for_openais_callers(status: int, kind: str, told: tuple[int, str, str | None]) -> None:
    error = GatewayError("m", status=status, type=kind, headers=[(b"retry-after", b"1")])
    error.provider = "p"
    made = CHAT_ON_MESSAGES.error(error)
    assert (made.status, made.type, made.code) == told
    assert (made.message, made.headers, made.provider, made.retryable) == ("m", error.headers, "p", error.retryable)


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (400, (400, "invalid_request_error")),
        (401, (401, "authentication_error")),
        (402, (402, "billing_error")),
        (403, (403, "permission_error")),
        (404, (404, "not_found_error")),
        (413, (413, "request_too_large")),
        (422, (422, "invalid_request_error")),
        (429, (429, "rate_limit_error")),
        (500, (500, "api_error")),
        (502, (502, "api_error")),
        (503, (529, "overloaded_error")),
        (504, (504, "timeout_error")),
        (529, (529, "overloaded_error")),
    ],
)
def test_openais_errors_for_anthropics_callers(status: int, told: tuple[int, str]) -> None:
    error = GatewayError("m", status=status, type="whatever", code="c", param="p")
    made = MESSAGES_ON_CHAT.error(error)
    assert (made.status, made.type) == told
    assert (made.message, made.code, made.param, made.retryable) == ("m", "c", "p", error.retryable)


def test_the_error_itself_is_not_altered_and_its_class_stays() -> None:
    error = UpstreamError("m", status=529, type="overloaded_error")
    made = CHAT_ON_MESSAGES.error(error)
    assert isinstance(made, UpstreamError)
    assert error.status == 529
    assert CHAT_ON_MESSAGES.error(made).status == 503
