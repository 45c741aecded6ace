import pytest

from gateway.providers.failures import from_answer, from_event, from_success
from gateway.seam import UpstreamError


def test_the_error_of_a_status_tells_whether_another_try_may_help() -> None:
    retryable = {
        status: from_answer("h", status, b"", ()).retryable for status in (400, 401, 403, 404, 409, 422, 429, 503)
    }
    assert retryable == {400: False, 401: True, 403: False, 404: False, 409: True, 422: False, 429: True, 503: True}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (403, "permission_error"),
        (404, "invalid_request_error"),
        (418, "api_error"),
        (429, "rate_limit_error"),
        (500, "upstream_error"),
    ],
)
def test_a_type_is_made_up_where_none_was_sent(status: int, kind: str) -> None:
    assert from_answer("h", status, b'{"error":{"message":"No."}}', ()).type == kind


def test_headers_that_help_are_kept() -> None:
    headers = [(b"retry-after", b"3"), (b"set-cookie", b"a=b"), (b"x-should-retry", b"true")]
    for error in (from_answer("h", 429, b"", headers), from_success("h", b'{"error":"No."}', headers)):
        assert error is not None
        assert error.headers == [(b"retry-after", b"3"), (b"x-should-retry", b"true")]


@pytest.mark.parametrize(
    "source", [b"{}", b'{"error":null}', b'{"error":{}}', b'{"error":""}', b'{"choices":[]}', b"[]"]
)
def test_an_event_without_an_error_has_none(source: bytes) -> None:
    assert from_event("h", source) is None


def test_an_event_that_is_no_json_is_an_error() -> None:
    assert isinstance(from_event("h", b'{"error":'), UpstreamError)


@pytest.mark.parametrize("body", [b'{"choices":[]}', b' {"error":null,"choices":[{}],"usage":{}}\n'])
def test_a_completion_is_no_error(body: bytes) -> None:
    assert from_success("h", body, ()) is None


def test_an_error_beside_choices_is_one() -> None:
    error = from_success("h", b'{"error":{"message":"No.","code":502},"choices":[]}', ())
    assert error is not None
    assert (error.status, error.message) == (502, "No.")
