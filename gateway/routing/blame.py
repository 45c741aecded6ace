"""Whose fault an error is, what it means for the next try, and how long its target wants to be left alone."""

import re
import time
from email.utils import parsedate_to_datetime
from enum import StrEnum

from gateway.routing.patience import DeadlineExceeded
from gateway.seam import GatewayError, UpstreamTimeout

_BLAMED = frozenset({401, 403, 404, 408, 429})
_REFUSED = frozenset({400, 403, 413, 422})
"""Statuses under which providers say that a request is too long, or its content refused."""
_TOO_LONG = re.compile(
    r"context_length_exceeded|context_window_exceeded|string_above_max_length"
    r"|(maximum|max|model'?s?) context (length|window)|exceeds? (the )?(available )?context (limit|length|window|size)"
    r"|prompt is too long|input is too long|too many (input |prompt )?tokens"
    r"|input token count .{0,40}exceeds the maximum|reduce the length of the (messages|prompt|input)",
    re.IGNORECASE,
)
"""OpenAI and what follows it; Anthropic (`prompt is too long`); Gemini; llama.cpp."""
_FILTERED = re.compile(
    r"content_filter|content_policy|responsibleaipolicy|content filter(ing)?\b|content management policy"
    r"|safety system|usage polic(y|ies)",
    re.IGNORECASE,
)
"""OpenAI (`content_policy_violation`), Azure (`content_filter`), Anthropic (`content filtering policy`)."""
_LONGEST = 512
"""Characters of a message that are searched: what follows may be the caller's own text."""


class Cause(StrEnum):
    """Why a try failed, where another target or model may do better."""

    RATE_LIMIT = "rate_limit"
    TIMEOUT = "timeout"
    UNAVAILABLE = "unavailable"
    CONTEXT_WINDOW = "context_window"
    CONTENT_FILTER = "content_filter"


def blames(error: GatewayError) -> bool:
    """Whether the target is at fault: refuses us, is overloaded, broken, silent. A caller's bad request never is.

    An error that names no provider came from a layer of the attempt ring: no target's fault. Nor is a deadline that
    left a target less time than is its due.
    """
    if error.provider is None or isinstance(error, DeadlineExceeded):
        return False
    return error.status in _BLAMED or error.status >= 500


def cause_of(error: GatewayError) -> Cause | None:
    """Why a try failed; None where nobody else would do better: the caller's own fault, or a final denial."""
    if error.status in _REFUSED:
        told = f"{error.code} {error.type} {error.message[:_LONGEST]}"
        if _TOO_LONG.search(told):
            return Cause.CONTEXT_WINDOW
        if _FILTERED.search(told):
            return Cause.CONTENT_FILTER
    # Of 401 to 404 the same target will not think better, but another one may.
    if isinstance(error, DeadlineExceeded) or not (error.retryable or (blames(error) and error.status < 429)):
        return None
    if error.status == 429:
        return Cause.RATE_LIMIT
    return Cause.TIMEOUT if error.status in (408, 504) or isinstance(error, UpstreamTimeout) else Cause.UNAVAILABLE


def moves_on(error: GatewayError) -> bool:
    """Whether another target of the same model may do better."""
    return cause_of(error) in (Cause.RATE_LIMIT, Cause.TIMEOUT, Cause.UNAVAILABLE)


def may_repeat(error: GatewayError) -> bool:
    """Whether the same target may do better a moment later.

    Not one that stayed silent for as long as it may: it may be at work, and charge for it, and the caller has waited.
    """
    if isinstance(error, UpstreamTimeout) or error.code == "upstream_auth":
        return False
    return error.retryable and (b"x-should-retry", b"false") not in error.headers


def asked_rest(error: GatewayError) -> float | None:
    """For how many seconds the target wants to be left alone (`retry-after-ms`, `retry-after`), where it says so."""
    for name, value in error.headers:
        if name in (b"retry-after", b"retry-after-ms"):
            seconds = _seconds(value.decode("latin-1"), 0.001 if name == b"retry-after-ms" else 1)
            if seconds > 0:
                return seconds
    return None


def _seconds(text: str, unit: float) -> float:
    """Of a number, or of a date (RFC 9110, 10.2.3); 0 where it is neither."""
    try:
        return float(text) * unit if re.fullmatch(r"\s*\d{1,12}(\.\d{1,6})?\s*", text) else _until(text)
    except (ValueError, OverflowError):
        return 0.0


def _until(date: str) -> float:
    return parsedate_to_datetime(date).timestamp() - time.time()
