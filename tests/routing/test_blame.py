import time
from email.utils import formatdate

import pytest

from gateway.routing.blame import Cause, asked_rest, blames, cause_of, may_repeat, moves_on
from gateway.routing.patience import DeadlineExceeded
from gateway.seam import GatewayError, InvalidRequest, UpstreamError, UpstreamTimeout


def of(status: int, message: str = "No.", *, provider: str | None = "p", **more: object) -> GatewayError:
    error = GatewayError(message, status=status, **more)  # type: ignore[arg-type]
    error.provider = provider
    return error


@pytest.mark.parametrize("status", [401, 403, 404, 408, 429, 500, 502, 503, 504, 529])
def test_a_target_is_blamed(status: int) -> None:
    assert blames(of(status))
    assert moves_on(of(status))


@pytest.mark.parametrize("status", [400, 402, 405, 413, 415, 422])
def test_a_caller_is_in_the_wrong(status: int) -> None:
    assert not blames(of(status))
    assert cause_of(of(status)) is None


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500])
def test_a_layer_of_the_attempt_ring_blames_no_target(status: int) -> None:
    error = of(status, provider=None)
    assert not blames(error)
    assert moves_on(error) == (status in (429, 500))  # a provider's limit sends the router on


@pytest.mark.parametrize("status", [429, 503])
def test_a_denial_that_says_so_is_final(status: int) -> None:
    assert cause_of(of(status, retryable=False)) is None


def test_a_caller_who_runs_out_of_time_blames_nobody() -> None:
    error = DeadlineExceeded("No.")
    assert cause_of(error) is None
    assert error.status == 504


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (of(429), Cause.RATE_LIMIT),
        (of(408), Cause.TIMEOUT),
        (of(504), Cause.TIMEOUT),
        (UpstreamTimeout("No."), Cause.TIMEOUT),
        (UpstreamError("No."), Cause.UNAVAILABLE),
        (of(503), Cause.UNAVAILABLE),
        (of(403), Cause.UNAVAILABLE),
        (of(400, code="context_length_exceeded"), Cause.CONTEXT_WINDOW),
        (
            of(400, "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000."),
            Cause.CONTEXT_WINDOW,
        ),
        (
            of(400, "prompt is too long: 210000 tokens > 200000 maximum", type="invalid_request_error"),
            Cause.CONTEXT_WINDOW,
        ),
        (
            of(400, "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000"),
            Cause.CONTEXT_WINDOW,
        ),
        (
            of(400, "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."),
            Cause.CONTEXT_WINDOW,
        ),
        (
            of(400, "the request exceeds the available context size. try increasing the context size"),
            Cause.CONTEXT_WINDOW,
        ),
        (of(400, code="content_filter"), Cause.CONTENT_FILTER),
        (of(400, code="content_policy_violation"), Cause.CONTENT_FILTER),
        (of(403, "Your input was refused by our content filtering policy."), Cause.CONTENT_FILTER),
        (
            of(400, "Output blocked by content filtering policy", type="invalid_request_error"),
            Cause.CONTENT_FILTER,
        ),
        (
            of(400, "The response was filtered due to the prompt triggering Azure OpenAI's content management policy."),
            Cause.CONTENT_FILTER,
        ),
        (InvalidRequest("'messages' is missing"), None),
        (of(400, "Invalid value for 'temperature'"), None),
    ],
)
def test_causes(error: GatewayError, cause: Cause | None) -> None:
    assert cause_of(error) == cause


def test_a_callers_words_far_behind_are_no_cause() -> None:
    assert cause_of(of(400, "Invalid message: " + "x" * 600 + " content_filter")) is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ([(b"retry-after", b"20")], 20),
        ([(b"retry-after", b"1.5")], 1.5),
        ([(b"retry-after-ms", b"250")], 0.25),
        ([(b"x", b"y")], None),
        ([(b"retry-after", b"0")], None),
        ([(b"retry-after", b"-3")], None),
        ([(b"retry-after", b"soon")], None),
        ([(b"retry-after", b"")], None),
        ([(b"retry-after", b"nan")], None),
        ([(b"retry-after", b"1e9")], None),
        ([(b"retry-after", "٣".encode())], None),
        ([(b"retry-after", b"Mon, 01 Jan 2001 00:00:00 GMT")], None),
        ([(b"retry-after", b"Mon, 99 Jan 2001 00:00:00 GMT")], None),
    ],
)
def test_how_long_a_target_wants_to_be_left_alone(headers: list[tuple[bytes, bytes]], seconds: float | None) -> None:
    assert asked_rest(of(429, headers=headers)) == seconds


def test_a_date_counts_from_now() -> None:
    date = formatdate(time.time() + 90, usegmt=True).encode()
    asked = asked_rest(of(503, headers=[(b"retry-after", date)]))
    assert asked is not None
    assert 85 < asked <= 90


def test_who_says_that_the_same_will_not_do_better_is_not_asked_again() -> None:
    assert may_repeat(of(503))
    assert not may_repeat(of(404))
    assert not may_repeat(UpstreamTimeout("No."))
    assert not may_repeat(UpstreamError("It refused our key.", code="upstream_auth"))
    assert not may_repeat(of(429, headers=[(b"x-should-retry", b"false")]))
