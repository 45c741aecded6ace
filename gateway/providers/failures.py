"""A provider's errors as ours: from an answer's status and body, or from an event inside a 200.

OpenAI's servers, those that resemble them, and Anthropic's (https://docs.claude.com/en/api/errors) all tell an `error`
with a message and a type.
"""

import logging
from collections.abc import Sequence
from typing import Any

import msgspec

from gateway.seam import GatewayError, Timeouts, UpstreamError
from gateway.upstream import Client, Exchange, Origin
from gateway.wire.verbatim import INVALID, NULL, is_null, mend

_log = logging.getLogger("gateway")

_STATUS = {
    "invalid_request_error": 400,
    "invalid_request": 400,
    "bad_request": 400,
    "context_length_exceeded": 400,
    "content_filter": 400,
    "content_policy_violation": 400,
    "invalid_api_key": 401,
    "authentication_error": 401,
    "invalid_authentication": 401,
    "permission_error": 403,
    "permission_denied": 403,
    "not_found_error": 404,
    "not_found": 404,
    "model_not_found": 404,
    "request_too_large": 413,
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "rate_limited": 429,
    "too_many_requests": 429,
    "requests": 429,
    "tokens": 429,
    "insufficient_quota": 429,
    "overloaded": 503,
    "overloaded_error": 503,
    "server_overloaded": 503,
    "engine_overloaded": 503,
    "service_unavailable": 503,
    "service_unavailable_error": 503,
    "timeout": 504,
    "timeout_error": 504,
}
"""The status that an error's code or type means, where it came inside a 200."""

_TYPES = {400: "invalid_request_error", 403: "permission_error", 404: "invalid_request_error", 429: "rate_limit_error"}
_KEPT = frozenset({b"retry-after", b"retry-after-ms", b"x-should-retry"})
"""Headers of an upstream's error that help the client."""

_LONGEST = 8192
"""Characters of a provider's message that are passed on: some quote the whole request."""


class _Body(msgspec.Struct):
    error: Any = None
    message: Any = None
    detail: Any = None
    type: Any = None
    code: Any = None
    param: Any = None


class _Success(msgspec.Struct, gc=False):
    error: msgspec.Raw = NULL
    choices: msgspec.Raw = NULL
    data: msgspec.Raw = NULL
    results: msgspec.Raw = NULL
    content: msgspec.Raw = NULL


_ANSWERS = {"choices": "completion", "data": "list of embeddings", "results": "moderation", "content": "message"}
_decode = msgspec.json.Decoder(_Body | list[_Body]).decode
_decode_success = msgspec.json.Decoder(_Success).decode


def check(host: str, exchange: Exchange, kind: bytes, body: bytes, member: str | None) -> None:
    """Raises the error that a whole answer of this `kind` (its content-type) is; `member` as in `from_success`.

    Without a `member` any JSON is an answer.
    """
    if exchange.status != 200:
        raise from_answer(host, exchange.status, body, exchange.headers)
    if not kind.startswith(b"application/json"):
        shown = kind.decode("latin-1") or "no content-type"
        raise UpstreamError(f"{host} answered with {shown} where JSON was asked for.")
    if member is not None and (error := from_success(host, body, exchange.headers, member)) is not None:
        raise error


async def probe(client: Client, origin: Origin, head: bytes, timeouts: Timeouts) -> None:
    """Ask what `head` asks, and read the answer. Raises the error that it is, unless its status is 200."""
    exchange = await client.send(origin, head, b"", timeouts)
    try:
        body = await exchange.whole()
        if exchange.status != 200:
            raise from_answer(origin.host, exchange.status, body, exchange.headers)
    finally:
        await exchange.aclose()


def kind_of(exchange: Exchange) -> bytes:
    """An answer's content-type in lower case."""
    return (exchange.header(b"content-type") or b"").lower()


def from_answer(host: str, status: int, body: bytes, headers: Sequence[tuple[bytes, bytes]]) -> GatewayError:
    """The error that an answer which is no success means."""
    if status < 400:
        return UpstreamError(f"{host} answered with status {status}, which is no answer to a model call.")
    try:
        error = _found(body)
    except INVALID:
        error = None
    if not error:
        error = {"message": f"{host} answered with status {status} and no error that could be read."}
    return _error(host, status, error, _kept(headers))


def from_success(
    host: str, body: bytes, headers: Sequence[tuple[bytes, bytes]], member: str = "choices"
) -> GatewayError | None:
    """The error that a whole answer with status 200 means, or None where it has the array that it should.

    `member` is `choices` of a completion, `data` of embeddings, `results` of moderations, `content` of a message. Some
    servers answer with an error's body and status 200; others are cut without their framing telling.
    """
    try:
        try:
            document = _decode_success(body)
        except INVALID:  # half of a surrogate pair is JSON: an answer that a limit cut may end in one
            document = _decode_success(mend(body))
        if is_null(document.error) and bytes(memoryview(getattr(document, member))[:1]) == b"[":
            return None
        error = _found(body)
    except INVALID as problem:
        return UpstreamError(f"{host} sent what is no {_ANSWERS[member]}: {problem}.")
    if not error:
        what = f"no {_ANSWERS[member]}: it has no {member}"
        return UpstreamError(f"{host} sent a JSON document that is {what}.")
    return _error(host, _status(error), error, _kept(headers))


def from_event(host: str, source: bytes) -> GatewayError | None:
    """The error that an event of a stream carries, or None where it carries none."""
    try:
        document = _decode(source)
    except INVALID as problem:
        return UpstreamError(f"{host} sent an event that is not JSON: {problem}")
    error = document.error if isinstance(document, _Body) else None
    if not error:
        return None
    return _error(host, _status(error), error, ())


def _kept(headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in headers if name in _KEPT]


def _found(body: bytes) -> Any:
    """What a body says of an error: OpenAI's `error`, else `message` (vLLM) or `detail` (FastAPI) beside the rest.

    Google's servers put the document into a list.
    """
    document = _decode(body)
    if isinstance(document, list):
        document = document[0] if document else _Body()
    if document.error:
        return document.error
    message = document.message or document.detail
    fields = {"type": document.type, "code": document.code, "param": document.param}
    return {"message": message, **fields} if message else None


def _status(error: Any) -> int:
    if isinstance(error, dict):
        for name in ("status", "code", "type"):
            word = error.get(name)
            if isinstance(word, str) and word.isascii() and word.isdigit():
                word = int(word)
            if isinstance(word, int) and not isinstance(word, bool) and 400 <= word <= 599:
                return word
            if isinstance(word, str) and word.lower() in _STATUS:
                return _STATUS[word.lower()]
    return 502


def _error(host: str, status: int, error: Any, headers: Sequence[tuple[bytes, bytes]]) -> GatewayError:
    if status == 401:
        # The key is ours, not the client's; what the provider says of it may quote it.
        _log.warning("%s refused the key that is configured for it (status 401)", host)
        return UpstreamError(f"{host} refused the gateway's key. Tell whoever runs the gateway.", code="upstream_auth")
    fields = error if isinstance(error, dict) else {"message": error}
    message = _word(fields.get("message")) or f"{host} answered with status {status}."
    return GatewayError(
        message if len(message) <= _LONGEST else f"{message[:_LONGEST]}…",
        status=status,
        type=_word(fields.get("type")) or _TYPES.get(status, "upstream_error" if status >= 500 else "api_error"),
        code=_word(fields.get("code")),
        param=_word(fields.get("param")),
        headers=headers,
        details=details if isinstance(details := fields.get("details"), dict) else None,
    )


def _word(value: Any) -> str | None:
    """A field of OpenAI's error object: a string or null. Some servers send numbers."""
    if value is None or value == "":
        return None
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
