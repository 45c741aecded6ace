"""`POST /v1/chat/completions` (https://platform.openai.com/docs/api-reference/chat/create)."""

import msgspec

from gateway.api.answers import openai_error
from gateway.api.door import Door, param_of
from gateway.seam import Batch, GatewayError, InvalidRequest, Request
from gateway.wire.sse import frame
from gateway.wire.verbatim import INVALID, mend


class _Options(msgspec.Struct, gc=False):
    include_usage: bool | None = None


class _Look(msgspec.Struct, gc=False):
    """What the door reads of a body; everything else passes through, known or not."""

    messages: msgspec.Raw = msgspec.Raw(b"")
    model: str | None = None
    stream: bool | None = None
    stream_options: _Options | None = None


_look = msgspec.json.Decoder(_Look).decode


class ChatDoor(Door):
    """OpenAI's chat completions, whole and streamed."""

    ping = b": ping\n\n"

    def read(self, body: bytes) -> Request:
        """The request that a body holds; only what the gateway itself needs is looked at."""
        try:
            look = _look(body)
        except msgspec.ValidationError as error:
            text, param = param_of(str(error))
            raise InvalidRequest(f"Invalid body: {text}.", param=param, code="invalid_type") from error
        except INVALID as error:
            halves = mend(body) != body
            wrong = "a text holds half of a surrogate pair" if halves else str(error)
            raise InvalidRequest(f"The body is not valid JSON: {wrong}.", code="invalid_json") from error
        messages = bytes(look.messages)
        if messages[:1] != b"[":
            missing = not messages
            raise InvalidRequest(
                "Missing required parameter: 'messages'." if missing else "'messages' must be an array of messages.",
                param="messages",
                code="missing_required_parameter" if missing else "invalid_type",
            )
        options = look.stream_options
        return Request(
            "chat",
            body,
            model=look.model or "",
            stream=bool(look.stream),
            wants_usage=options is not None and bool(options.include_usage),
        )

    def events(self, request: Request, batch: Batch) -> bytes:
        """The batch's bytes, without the usage event where the client did not ask for it."""
        return batch.raw if request.wants_usage else batch.without_trailers()

    def error_event(self, error: GatewayError) -> bytes:
        """The event on which OpenAI's SDKs raise; no end mark follows it."""
        return frame(openai_error(error))
