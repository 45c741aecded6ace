"""One of Anthropic's requests served by a target that speaks OpenAI's chat completions."""

from gateway.seam.call import Call
from gateway.seam.errors import GatewayError
from gateway.seam.reply import Reply
from gateway.seam.request import Request
from gateway.translate.contract import Translated
from gateway.translate.errors import in_anthropic_terms
from gateway.translate.fields import Reading, too_deep
from gateway.translate.messages_chat_events import MessagesEvents
from gateway.translate.messages_chat_request import chat_body
from gateway.translate.openai_models import spoken
from gateway.wire.verbatim import encode


class MessagesOnChat:
    """The translation. `cache_control` says that the target knows Anthropic's field of that name; OpenAI refuses it."""

    front = "messages"
    back = "chat"

    def __init__(self, *, cache_control: bool = False) -> None:
        self._caches = cache_control

    def request(self, request: Request) -> Translated:
        """The request as a chat request. Raises `InvalidRequest` for what is wrong in itself."""
        reading = Reading(request)
        try:
            source = encode(chat_body(reading, spoken(request.model), request.model, caches=self._caches))
        except RecursionError as error:
            raise too_deep() from error
        headers = [header for header in request.headers if not header[0].startswith(b"anthropic-")]
        made = Request("chat", source, model=request.model, stream=request.stream, headers=headers)
        return Translated(made, reading.dropped())

    def reply(self, call: Call, reply: Reply) -> Reply:
        """The completion, whole or as chunks, as a message, whole or as events."""
        return Reply(call, reply, reply.head, surface="messages", inner=reply).pipe(MessagesEvents(call.request.model))

    def error(self, error: GatewayError) -> GatewayError:
        """The target's error in Anthropic's terms."""
        return in_anthropic_terms(error)


MESSAGES_ON_CHAT = MessagesOnChat()
