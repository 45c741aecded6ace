"""`POST /v1/messages` and `/v1/messages/count_tokens` (https://docs.claude.com/en/api/messages)."""

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from gateway.api.anthropic_errors import ID_HEADERS, anthropic_error, anthropic_status
from gateway.api.continued import Continued
from gateway.api.description import MODEL, STREAM, Description, answer, reference
from gateway.api.door import UNCHANGED, Door, param_of
from gateway.api.visit import Visit
from gateway.seam import Batch, GatewayError, InvalidRequest, Request
from gateway.wire.sse import named
from gateway.wire.verbatim import INVALID, encode, mend


class _Look(msgspec.Struct, gc=False):
    """What the door reads of a body; everything else passes through, known or not."""

    messages: msgspec.Raw = msgspec.Raw(b"")
    model: str | None = None
    stream: bool | None = None
    max_tokens: int | None = None


_look = msgspec.json.Decoder(_Look).decode


def _read(body: bytes) -> _Look:
    try:
        look = _look(body)
    except msgspec.ValidationError as error:
        text, param = param_of(str(error))
        raise InvalidRequest(f"{param or 'body'}: {text}.", param=param) from error
    except INVALID as error:
        halves = mend(body) != body
        wrong = "a text holds half of a surrogate pair" if halves else str(error)
        raise InvalidRequest(f"The body is not valid JSON: {wrong}.") from error
    messages = bytes(look.messages)
    if messages[:1] != b"[":
        wrong = "expected an array of messages" if messages else "field required"
        raise InvalidRequest(f"messages: {wrong}.", param="messages")
    return look


class _AnthropicDoor(Door):
    """What both doors share: Anthropic's errors."""

    id_headers = ID_HEADERS

    def status(self, error: GatewayError) -> int:
        """The status under which Anthropic's clients know the error."""
        return anthropic_status(error)

    def error(self, error: GatewayError, request_id: bytes) -> bytes:
        """Anthropic's error object."""
        return anthropic_error(error, request_id)


class MessagesDoor(_AnthropicDoor):
    """Anthropic's messages, whole and streamed."""

    ping = named(b"ping", b'{"type": "ping"}')

    def read(self, body: bytes) -> Request:
        """The request that a body holds; only what the gateway itself needs is looked at."""
        look = _read(body)
        if look.max_tokens is None or look.max_tokens < 1:
            wrong = "field required" if look.max_tokens is None else "expected at least 1"
            raise InvalidRequest(f"max_tokens: {wrong}.", param="max_tokens")
        return Request("messages", body, model=look.model or "", stream=bool(look.stream), wants_usage=True)

    def hold(self, visit: Visit, request: Request) -> None:
        """Begin the stream soon: Anthropic's own does while the model still thinks, and its clients show that."""
        stream = self.house.server.stream
        visit.hold(stream.hold_messages, stream.ping, self.ping, partial(_opening, request.model, visit.id))

    def writer(self, request: Request, *, opened: bool) -> Callable[[Batch], bytes]:  # noqa: ARG002
        """Nothing is stripped; what the door has sent itself does not come twice."""
        return Continued() if opened else UNCHANGED

    def error_event(self, error: GatewayError, request_id: bytes) -> bytes:
        """The event on which Anthropic's SDKs raise; no `message_stop` follows it."""
        return named(b"error", anthropic_error(error, request_id))


class CountTokensDoor(_AnthropicDoor):
    """Anthropic's count of a request's tokens before it is sent: the provider's, else an estimate."""

    def read(self, body: bytes) -> Request:
        """The request that a body holds."""
        return Request("count_tokens", body, model=_read(body).model or "")


def _opening(model: str, request_id: bytes) -> bytes:
    """A `message_start` of the gateway's own."""
    message: dict[str, Any] = {
        "id": f"msg_{request_id.decode().removeprefix('req_')}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {
            "input_tokens": 0,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": 0,
        },
    }
    return named(b"message_start", encode({"type": "message_start", "message": message}))


def _described(operation: str, takes: str, gives: dict[str, Any]) -> dict[str, Any]:
    body = {"required": True, "content": {"application/json": {"schema": reference(takes)}}}
    responses = {"200": gives, "default": answer("An error.", "AnthropicError")}
    return {"post": {"operationId": operation, "requestBody": body, "responses": responses}}


def _taken(required: list[str], **members: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["messages", *required],
        "description": "Anthropic's request. Fields that are not listed here go to the provider as they are.",
        "properties": {"model": MODEL, "messages": {"type": "array", "items": {"type": "object"}}, **members},
    }


DESCRIPTION = Description(
    {
        "/v1/messages": _described(
            "createMessage",
            "MessagesRequest",
            answer("The message, whole; or its events, where `stream` is true.", "AnthropicMessage", **STREAM),
        ),
        "/v1/messages/count_tokens": _described(
            "countTokens",
            "CountTokensRequest",
            answer("The count; an estimate where `x-gateway-estimated` says so.", "TokenCount"),
        ),
    },
    {
        "MessagesRequest": _taken(
            ["max_tokens"],
            max_tokens={"type": "integer", "minimum": 1},
            stream={"type": ["boolean", "null"]},
        ),
        "CountTokensRequest": _taken([]),
        "AnthropicMessage": {
            "type": "object",
            "required": ["type", "role", "content"],
            "properties": {
                "id": {"type": "string"},
                "type": {"const": "message"},
                "role": {"const": "assistant"},
                "model": {"type": "string"},
                "content": {"type": "array", "items": {"type": "object"}},
                "stop_reason": {"type": ["string", "null"]},
                "usage": {"type": "object"},
            },
        },
        "TokenCount": {
            "type": "object",
            "required": ["input_tokens"],
            "properties": {"input_tokens": {"type": "integer"}},
        },
        "AnthropicError": {
            "type": "object",
            "required": ["type", "error", "request_id"],
            "properties": {
                "type": {"const": "error"},
                "error": {
                    "type": "object",
                    "required": ["type", "message"],
                    "properties": {"type": {"type": "string"}, "message": {"type": "string"}},
                },
                "request_id": {"type": "string"},
            },
        },
    },
)
