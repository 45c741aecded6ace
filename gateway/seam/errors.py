"""The errors that travel through the rings; doors alone render them."""

from collections.abc import Mapping, Sequence
from typing import Any

Headers = Sequence[tuple[bytes, bytes]]


class GatewayError(Exception):
    """A refusal or failure that the client will read.

    `message` says what was wrong, where, and what to do. `type`, `param` and `code` are those of OpenAI's error
    object (https://platform.openai.com/docs/guides/error-codes); `headers` go out with the answer.
    `retryable` tells the router whether another try, or another target, could do better; `details` is what a provider
    adds to its error for programs to read (Anthropic does), for callers of its dialect.
    """

    status = 500
    type = "server_error"
    code: str | None = None

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        type: str | None = None,  # noqa: A002 (the wire's own name)
        code: str | None = None,
        param: str | None = None,
        headers: Headers = (),
        retryable: bool | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.headers = list(headers)
        self.details = details
        self.provider: str | None = None  # who failed; the router fills it in
        if status is not None:
            self.status = status
        if type is not None:
            self.type = type
        if code is not None:
            self.code = code
        if retryable is None:
            retryable = self.status in (408, 409, 429) or self.status >= 500
        self.retryable = retryable


class InvalidRequest(GatewayError):
    """The request itself is wrong; no other target would take it."""

    status, type = 400, "invalid_request_error"


class Unauthorized(GatewayError):
    """No key, or none that we know."""

    status, type, code = 401, "invalid_request_error", "invalid_api_key"


class ModelNotFound(GatewayError):
    """The model is unknown, or this key may not use it: the same answer, so that names do not leak."""

    status, type, code = 404, "invalid_request_error", "model_not_found"

    def __init__(self, name: str, near: Sequence[str] = ()) -> None:
        hint = (
            f" Did you mean {' or '.join(repr(n) for n in near)}?"
            if near
            else " GET /v1/models lists those it may use."
        )
        super().__init__(f"The model {name!r} does not exist or this key may not use it.{hint}", param="model")
        self.name = name


class TooLarge(GatewayError):
    """The request's body is larger than the gateway takes."""

    status, type, code = 413, "invalid_request_error", "request_too_large"


class Unavailable(GatewayError):
    """The gateway cannot serve this now: no connection free, a provider switched off."""

    status, type, code = 503, "server_error", "service_unavailable"


class UpstreamError(GatewayError):
    """The provider failed, or answered what is no answer."""

    status, type, code = 502, "upstream_error", "upstream_error"


class UpstreamTimeout(UpstreamError):
    """The provider did not answer within one of the timeouts; the message names which."""

    status, code = 504, "upstream_timeout"


class PluginFailed(GatewayError):
    """A plugin failed, or did what its contract does not allow; the message names it, the log has the rest."""

    def __init__(self, message: str, *, status: int = 500, code: str = "plugin_failed") -> None:
        # Not retryable: it stands before every target.
        super().__init__(message, status=status, code=code, retryable=False)
