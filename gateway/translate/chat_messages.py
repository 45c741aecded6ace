"""A chat request served by a target that speaks Anthropic's messages."""

from gateway.seam.call import Call
from gateway.seam.errors import GatewayError
from gateway.seam.reply import Reply
from gateway.seam.request import Request
from gateway.translate.chat_messages_events import ChatEvents
from gateway.translate.chat_messages_request import messages_body
from gateway.translate.chat_messages_tools import Shape, shape_of
from gateway.translate.claude import claude
from gateway.translate.contract import Translated
from gateway.translate.errors import in_openai_terms
from gateway.translate.fields import Reading, too_deep
from gateway.wire.verbatim import encode

_SHAPING = (b'"response_format"', b'"custom"', b'"functions"')
"""The fields without one of which every answer has the plain shape."""


class ChatOnMessages:
    """The translation. `max_tokens` is for calls that set none; else the model's own most are."""

    front = "chat"
    back = "messages"

    def __init__(self, max_tokens: int | None = None) -> None:
        self._max_tokens = max_tokens

    def request(self, request: Request) -> Translated:
        """The request as one of Anthropic's. Raises `InvalidRequest` for what is wrong in itself."""
        reading = Reading(request)
        try:
            source = encode(messages_body(reading, claude(request.model), request.model, self._max_tokens))
        except RecursionError as error:
            raise too_deep() from error
        headers = [header for header in request.headers if not header[0].startswith(b"openai-")]
        made = Request("messages", source, model=request.model, stream=request.stream, headers=headers)
        return Translated(made, reading.dropped())

    def reply(self, call: Call, reply: Reply) -> Reply:
        """The message, whole or as events, as a completion, whole or as chunks."""
        request = call.request
        events = ChatEvents(_shape(request), wants_usage=request.wants_usage)
        return Reply(call, reply, reply.head, surface="chat", inner=reply).pipe(events)

    def error(self, error: GatewayError) -> GatewayError:
        """The target's error in OpenAI's terms."""
        return in_openai_terms(error)


def _shape(request: Request) -> Shape:
    raw = request.raw
    if not any(name in raw for name in _SHAPING):
        return Shape()
    return shape_of(Reading(request), claude(request.model))


CHAT_ON_MESSAGES = ChatOnMessages()
