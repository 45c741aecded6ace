"""`POST /v1/chat/completions` (https://platform.openai.com/docs/api-reference/chat/create)."""

import msgspec

from gateway.api.description import STREAMED, Description, model_call, reference, taken
from gateway.api.openai_door import OpenAIDoor, StreamOptions, looked_at
from gateway.seam import InvalidRequest, Request


class _Look(msgspec.Struct, gc=False):
    """What the door reads of a body; everything else passes through, known or not."""

    messages: msgspec.Raw = msgspec.Raw(b"")
    model: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None


_look = msgspec.json.Decoder(_Look)


class ChatDoor(OpenAIDoor):
    """OpenAI's chat completions, whole and streamed."""

    def read(self, body: bytes) -> Request:
        """The request that a body holds; only what the gateway itself needs is looked at."""
        look = looked_at(_look, body)
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


DESCRIPTION = Description(
    {"/v1/chat/completions": model_call("createChatCompletion", "ChatRequest", "Completion", streams=True)},
    {
        "ChatRequest": taken("messages", {"messages": {"type": "array", "items": reference("Message")}, **STREAMED}),
        "Message": {
            "type": "object",
            "required": ["role"],
            "properties": {
                "role": {"enum": ["system", "developer", "user", "assistant", "tool", "function"]},
                "content": {
                    "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "object"}}, {"type": "null"}]
                },
                "tool_calls": {"type": "array", "items": {"type": "object"}},
                "tool_call_id": {"type": "string"},
            },
        },
        "Completion": {
            "type": "object",
            "required": ["choices"],
            "properties": {
                "id": {"type": "string"},
                "object": {"type": "string"},
                "created": {"type": "integer"},
                "model": {"type": "string"},
                "choices": {"type": "array", "items": {"type": "object"}},
                "usage": {"type": ["object", "null"]},
            },
        },
    },
)
