"""`POST /v1/completions`, the legacy one (https://platform.openai.com/docs/api-reference/completions/create)."""

import msgspec

from gateway.api.description import STREAMED, Description, model_call, taken, text_or_list
from gateway.api.openai_door import OpenAIDoor, StreamOptions, check_input, looked_at
from gateway.seam import Request


class _Look(msgspec.Struct, gc=False):
    prompt: msgspec.Raw = msgspec.Raw(b"")
    model: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None


_look = msgspec.json.Decoder(_Look)


class CompletionsDoor(OpenAIDoor):
    """OpenAI's text completions, whole and streamed."""

    def read(self, body: bytes) -> Request:
        """The request that a body holds; of `prompt` only that it is a text, or an array with something in it."""
        look = looked_at(_look, body)
        check_input("prompt", look.prompt, empty=True)
        options = look.stream_options
        return Request(
            "completions",
            body,
            model=look.model or "",
            stream=bool(look.stream),
            wants_usage=options is not None and bool(options.include_usage),
        )


DESCRIPTION = Description(
    {"/v1/completions": model_call("createCompletion", "CompletionRequest", "TextCompletion", streams=True)},
    {
        "CompletionRequest": taken("prompt", {"prompt": text_or_list(empty=True), **STREAMED}),
        "TextCompletion": {
            "type": "object",
            "required": ["choices"],
            "properties": {
                "id": {"type": "string"},
                "object": {"type": "string"},
                "created": {"type": "integer"},
                "model": {"type": "string"},
                "choices": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["text"],
                        "properties": {
                            "index": {"type": "integer"},
                            "text": {"type": "string"},
                            "logprobs": {"type": ["object", "null"]},
                            "finish_reason": {"type": ["string", "null"]},
                        },
                    },
                },
                "usage": {"type": ["object", "null"]},
            },
        },
    },
)
