"""A whole message of Anthropic's as a chat completion."""

import time
from typing import Any

import msgspec
from msgspec import Raw

from gateway.translate.chat_messages_tools import Shape
from gateway.translate.chat_messages_turns import CUSTOM_INPUT, POSITION
from gateway.translate.vocabulary import FINISH, chat_id, chat_usage, tier
from gateway.wire.messages_fold import INVALID_JSON
from gateway.wire.verbatim import NULL, Object, encode, inside, is_null, open_array, open_object, show

_string = msgspec.json.Decoder(str).decode


def completion(source: bytes, shape: Shape) -> bytes:
    """The completion that a message is. Raises what `verbatim.INVALID` lists, and ValueError."""
    message = open_object(source)
    if bytes(message.get("type", NULL)) != b'"message"':
        raise ValueError("it has no type 'message'")
    said = _Said(shape)
    for block in open_array(message.get("content", NULL)):
        said.add(block)
    stop, usage = _word(message.get("stop_reason", NULL)), message.get("usage", NULL)
    choice: Object = {
        "index": 0,
        "message": said.message(refusal(message.get("stop_details", NULL))),
        "logprobs": None,
        "finish_reason": finish(stop, shape, used=said.used),
    }
    if stop == "stop_sequence" and not is_null(sequence := message.get("stop_sequence", NULL)):
        choice["stop_reason"] = sequence
    head: Object = {
        "id": chat_id(_word(message.get("id", NULL))),
        "object": "chat.completion",
        "created": int(time.time()),
        "model": message.get("model", NULL),
        "choices": [choice],
        "usage": chat_usage([usage]) if not is_null(usage) else None,
    }
    served = tier(usage)
    return encode(head if served is None else {**head, "service_tier": served})


class _Said:
    """What an answer's blocks say, gathered under chat's fields."""

    def __init__(self, shape: Shape) -> None:
        self.used = False
        self._shape = shape
        self._texts: list[bytes] = []
        self._thoughts: list[bytes] = []
        self._blocks: list[Any] = []
        self._count = 0
        self._calls: list[dict[str, Any]] = []

    def add(self, source: Raw) -> None:
        block = open_object(source)
        kind = bytes(block.get("type", NULL))
        if kind == b'"text"':
            self._texts.append(inside(block.get("text", NULL)))
        elif kind in (b'"thinking"', b'"redacted_thinking"'):
            self._thoughts.append(inside(block.get("thinking", NULL)))
            leads = self._count == len(self._blocks)
            self._blocks.append(source if leads else {**block, POSITION: self._count})
        elif kind == b'"tool_use"':
            self._use(block)
        else:
            return
        self._count += 1

    def _use(self, block: Object) -> None:
        name = _word(block.get("name", NULL))
        given = block.get("input", Raw(b"{}"))
        if name and name == self._shape.answer:
            self._texts.append(encode(bytes(given).decode())[1:-1])
            return
        self.used = True
        if name in self._shape.custom:
            custom = {"name": name, "input": custom_input(bytes(given))}
            self._calls.append({"id": block.get("id", NULL), "type": "custom", "custom": custom})
        else:
            function = {"name": name, "arguments": arguments(given)}
            self._calls.append({"id": block.get("id", NULL), "type": "function", "function": function})

    def message(self, refused: Any) -> dict[str, Any]:
        text, thought = b"".join(self._texts), b"".join(self._thoughts)
        message: dict[str, Any] = {
            "role": "assistant",
            "content": Raw(b'"%s"' % text) if text else None,
            "refusal": refused,
        }
        if thought:
            message["reasoning_content"] = Raw(b'"%s"' % thought)
        if self._blocks:
            message["thinking_blocks"] = self._blocks
        if self._calls and self._shape.legacy:
            message["function_call"] = self._calls[0]["function"]
        elif self._calls:
            message["tool_calls"] = self._calls
        return message


def finish(stop: str, shape: Shape, *, used: bool) -> str:
    """Why the answer stopped, in OpenAI's word; `used`: whether it uses tools."""
    if stop == "tool_use":
        return ("function_call" if shape.legacy else "tool_calls") if used else "stop"
    return FINISH.get(stop, "stop")


def refusal(details: Raw) -> Any:
    """How a refusal is explained; None where it is not."""
    if is_null(details):
        return None
    explanation = open_object(details).get("explanation", NULL)
    return None if is_null(explanation) else explanation


def custom_input(source: bytes) -> str:
    """The text that a custom tool was given, out of the object that its model gave."""
    given = msgspec.json.decode(source)
    text = given.get(CUSTOM_INPUT, given.get(INVALID_JSON)) if isinstance(given, dict) else None
    return text if isinstance(text, str) else source.decode()


def arguments(given: Raw) -> str:
    """A tool's input as chat's arguments: its source, or what was wrapped because it is no object."""
    if INVALID_JSON.encode() in bytes(given):
        wrapped = open_object(given)
        if wrapped.keys() == {INVALID_JSON} and bytes(wrapped[INVALID_JSON])[:1] == b'"':
            return _string(wrapped[INVALID_JSON])
    return show(bytes(given)).decode()


def _word(value: Raw) -> str:
    return "" if is_null(value) else _string(value)
