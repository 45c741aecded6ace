"""A whole answer that says one text, by dialect: for whoever answers in a model's place."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from gateway.wire.chat import CHAT_ANSWER
from gateway.wire.codec import Codec
from gateway.wire.messages import MESSAGES_ANSWER
from gateway.wire.verbatim import encode

Say = Callable[[str, str, str], bytes]
"""The answer's JSON, of an id, a model's name and a text."""


def chat(call_id: str, model: str, text: str) -> bytes:
    """A chat completion (https://platform.openai.com/docs/api-reference/chat/object)."""
    message = {"role": "assistant", "content": text, "refusal": None}
    return encode(
        {
            "id": f"chatcmpl-{call_id}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": model,
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
        }
    )


def chat_events(call_id: str, model: str, text: str) -> list[bytes]:
    """The same as the JSON of a stream's chunks: role, content, finish reason
    (https://platform.openai.com/docs/api-reference/chat/streaming).
    """
    created = int(time.time())
    opening, content = {"role": "assistant", "content": "", "refusal": None}, {"content": text}
    return [
        encode(chat_chunk(call_id, model, created, opening)),
        encode(chat_chunk(call_id, model, created, content)),
        encode(chat_chunk(call_id, model, created, finish="stop")),
    ]


def chat_chunk(
    call_id: str, model: str, created: int, delta: Mapping[str, Any] | None = None, finish: str | None = None
) -> dict[str, Any]:
    """One chunk of a stream, as a document."""
    return {
        "id": f"chatcmpl-{call_id}",
        "object": "chat.completion.chunk",
        "created": created,
        "model": model,
        "choices": [{"index": 0, "delta": delta or {}, "logprobs": None, "finish_reason": finish}],
    }


def messages(call_id: str, model: str, text: str) -> bytes:
    """A message (https://docs.claude.com/en/api/messages)."""
    return encode(
        {
            "id": f"msg_{call_id}",
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [{"type": "text", "text": text}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": 0, "output_tokens": 0},
        }
    )


SAID: Mapping[str, tuple[Codec, Say]] = {"chat": (CHAT_ANSWER, chat), "messages": (MESSAGES_ANSWER, messages)}
