"""What the doors to OpenAI's endpoints share: how a body is looked at, and how streams and their errors are written."""

import re
from collections.abc import Callable
from typing import TypeVar

import msgspec

from gateway.api.answers import openai_error
from gateway.api.door import UNCHANGED, Door, param_of
from gateway.seam import Batch, GatewayError, InvalidRequest, Request
from gateway.wire.sse import frame
from gateway.wire.verbatim import INVALID, mend

T = TypeVar("T")
_EMPTY = re.compile(rb"\[\s*\]")


class StreamOptions(msgspec.Struct, gc=False):
    """What a door reads of `stream_options`."""

    include_usage: bool | None = None


class OpenAIDoor(Door):
    """A door to one of OpenAI's endpoints; a dialect says how it reads requests."""

    ping = b": ping\n\n"

    def writer(self, request: Request, *, opened: bool) -> Callable[[Batch], bytes]:  # noqa: ARG002 (pings leave no trace)
        """A batch's bytes, without the usage event where the client did not ask for it."""
        return UNCHANGED if request.wants_usage else Batch.without_trailers

    def error_event(self, error: GatewayError, request_id: bytes) -> bytes:  # noqa: ARG002 (it has no place for it)
        """The event on which OpenAI's SDKs raise; no end mark follows it."""
        return frame(openai_error(error))


def looked_at(decoder: "msgspec.json.Decoder[T]", body: bytes) -> T:
    """What a door looks at of a body. Raises `InvalidRequest` where it is no JSON object, or a type is wrong."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        text, param = param_of(str(error))
        raise InvalidRequest(f"Invalid body: {text}.", param=param, code="invalid_type") from error
    except INVALID as error:
        halves = mend(body) != body
        wrong = "a text holds half of a surrogate pair" if halves else str(error)
        raise InvalidRequest(f"The body is not valid JSON: {wrong}.", code="invalid_json") from error


def check_input(name: str, source: msgspec.Raw, *, empty: bool = False) -> None:
    """Raise `InvalidRequest` unless a member is a string or a non-empty array; `empty` allows the empty string.

    What stands in an array is the provider's to judge.
    """
    value = memoryview(source)  # it may be large, and is not copied
    start = bytes(value[:5])
    if start in (b"", b"null"):
        raise InvalidRequest(f"Missing required parameter: '{name}'.", param=name, code="missing_required_parameter")
    if start[:1] not in (b'"', b"["):
        message = f"Invalid type for '{name}': expected a string or an array."
        raise InvalidRequest(message, param=name, code="invalid_type")
    if start == b'""' and not empty:
        raise InvalidRequest(f"'{name}' must not be an empty string.", param=name, code="invalid_value")
    if _EMPTY.match(value):
        raise InvalidRequest(f"'{name}' must not be an empty array.", param=name, code="empty_array")
