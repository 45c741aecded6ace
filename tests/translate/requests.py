"""Requests through a translation, each validated by the published types of the dialect that it is in then."""

import json
from collections.abc import Iterator
from typing import Any

from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from pydantic import TypeAdapter

from gateway.seam import Request
from gateway.translate.chat_messages import CHAT_ON_MESSAGES
from gateway.translate.contract import Translation
from gateway.translate.messages_chat import MESSAGES_ON_CHAT

Doc = dict[str, Any]

ASK = [{"role": "user", "content": "q"}]
OLD, MIDDLE, NEW, NEWEST = "claude-haiku-4-5", "claude-opus-4-6", "claude-opus-5", "claude-opus-5-5"
OTHER = "some-model"

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
TOOL = {"type": "function", "function": {"name": "f", "parameters": SCHEMA}}
MADE = {"name": "f", "input_schema": SCHEMA}

USE = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
USED = {"type": "tool_use", "id": "call_1", "name": "f", "input": {"a": 1}}
CALLS = {"role": "assistant", "content": None, "tool_calls": [USE]}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "r"}
RESULTED = {"type": "tool_result", "tool_use_id": "call_1", "content": "r"}
ASKED = {"role": "user", "content": "q"}
CACHE = {"type": "ephemeral"}
PNG = {"type": "base64", "media_type": "image/png", "data": "iVBORw0="}
PDF = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}
THOUGHT = {"type": "thinking", "thinking": "t", "signature": "s"}

_TYPES: dict[str, TypeAdapter[Any]] = {
    "messages": TypeAdapter(MessageCreateParamsNonStreaming),
    "chat": TypeAdapter(CompletionCreateParamsNonStreaming),
}


def translated(translation: Translation, body: Doc | bytes, model: str = "m") -> tuple[Any, tuple[str, ...]]:
    """The back's body, and what was dropped."""
    raw = body if isinstance(body, bytes) else json.dumps({"model": model, **body}).encode()
    made = translation.request(Request(translation.front, raw, model=model))
    assert made.request.surface == translation.back
    assert made.request.model == model
    out = json.loads(made.request.raw)
    assert out["model"] == model
    return out, made.dropped


def to_messages(model: str = OLD, /, **body: Any) -> tuple[Any, tuple[str, ...]]:
    """A chat request as one of Anthropic's, without what always stands there."""
    out, dropped = translated(CHAT_ON_MESSAGES, {"messages": ASK, **body}, model)
    valid(out, "messages")
    return out, dropped


def to_chat(model: str = "gpt-4o", /, **body: Any) -> tuple[Any, tuple[str, ...]]:
    """One of Anthropic's requests as a chat request."""
    out, dropped = translated(MESSAGES_ON_CHAT, {"max_tokens": 100, "messages": ASK, **body}, model)
    valid(out, "chat")
    return out, dropped


def valid(body: Doc, surface: str) -> None:
    """Raise where a request is not of its published type."""
    plain = {name: value for name, value in body.items() if name != "stream"}
    _exhaust(_TYPES[surface].validate_python(plain))


def _exhaust(value: Any) -> None:
    """Look at everything: pydantic validates what an Iterable brings as it comes."""
    if isinstance(value, dict):
        value = value.values()
    if isinstance(value, Iterator | list) or type(value).__name__ in ("dict_values", "ValidatorIterator"):
        for item in value:
            _exhaust(item)
