"""Errors: their statuses, and whether another try could do better."""

import pytest

from gateway.seam import (
    GatewayError,
    InvalidRequest,
    ModelNotFound,
    TooLarge,
    Unauthorized,
    Unavailable,
    UpstreamError,
    UpstreamTimeout,
)


@pytest.mark.parametrize(
    ("error", "status", "kind", "code", "retryable"),
    [
        (GatewayError("x"), 500, "server_error", None, True),
        (InvalidRequest("x"), 400, "invalid_request_error", None, False),
        (Unauthorized("x"), 401, "invalid_request_error", "invalid_api_key", False),
        (ModelNotFound("x"), 404, "invalid_request_error", "model_not_found", False),
        (TooLarge("x"), 413, "invalid_request_error", "request_too_large", False),
        (Unavailable("x"), 503, "server_error", "service_unavailable", True),
        (UpstreamError("x"), 502, "upstream_error", "upstream_error", True),
        (UpstreamTimeout("x"), 504, "upstream_error", "upstream_timeout", True),
        (UpstreamError("x", status=429), 429, "upstream_error", "upstream_error", True),
        (UpstreamError("x", status=408), 408, "upstream_error", "upstream_error", True),
        (UpstreamError("x", status=404), 404, "upstream_error", "upstream_error", False),
        (UpstreamError("x", status=503, retryable=False), 503, "upstream_error", "upstream_error", False),
        (InvalidRequest("x", type="t", code="c", retryable=True), 400, "t", "c", True),
    ],
)
def test_statuses(error: GatewayError, status: int, kind: str, code: str | None, retryable: bool) -> None:
    assert (error.status, error.type, error.code, error.retryable) == (status, kind, code, retryable)
    assert str(error) == error.message
    assert error.headers == []
    assert error.param is None or isinstance(error, ModelNotFound)
    assert error.provider is None


def test_headers_are_each_errors_own() -> None:
    headers = [(b"retry-after", b"1")]
    error = GatewayError("x", headers=headers, param="p")
    error.headers.append((b"a", b"b"))
    assert headers == [(b"retry-after", b"1")]
    assert error.param == "p"


def test_model_not_found_says_what_to_do() -> None:
    assert "GET /v1/models" in ModelNotFound("gpt").message
    near = ModelNotFound("gpt", ["gpt-4o", "gpt-5"])
    assert near.message.endswith("Did you mean 'gpt-4o' or 'gpt-5'?")
    assert (near.param, near.name) == ("model", "gpt")
