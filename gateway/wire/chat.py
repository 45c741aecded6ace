"""OpenAI's chat completions, whole and as chunks (https://platform.openai.com/docs/api-reference/chat)."""

from typing import Any, ClassVar

import msgspec
from msgspec import Raw, Struct

from gateway.wire.choices import ChoicesCodec, numbered
from gateway.wire.codec import Codec
from gateway.wire.parts import Key, Kind, Part
from gateway.wire.sse import frame
from gateway.wire.verbatim import NULL, Object, encode, integer, is_null, open_array, open_object, open_objects

# Only what the gateway itself reads stands in these views; everything else stays bytes.


class _Function(Struct, gc=False):
    arguments: str | None = None


class _Custom(Struct, gc=False):
    input: str | None = None


class _ToolCall(Struct, gc=False):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None
    custom: _Custom | None = None

    @property
    def source(self) -> str | None:
        call = self.function
        return call.arguments if call is not None else self.custom.input if self.custom is not None else None


class _Piece(Struct, gc=False):
    type: str = ""
    text: str | None = None


class _Message(Struct, gc=False):
    content: str | list[_Piece] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None
    function_call: _Function | None = None
    audio: Raw = NULL  # a union with None would be one of None alone: msgspec leaves Raw out


class _Choice(Struct, gc=False):
    index: int | None = None
    delta: _Message | None = None
    message: _Message | None = None
    finish_reason: str | None = None


class _Document(Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: Raw = NULL


_decode = msgspec.json.Decoder(_Document).decode
_open_calls = msgspec.json.Decoder(list[_ToolCall]).decode
FUNCTION_CALL = -1
"""The index under which the deprecated `function_call` stands among `tool_args`."""


def _add_parts(parts: list[Part], choice: int, message: _Message) -> None:
    content = message.content
    if content:
        if isinstance(content, str):
            parts.append(Part(choice, "text", 0, content))
        else:
            parts += [Part(choice, "text", index, piece.text) for index, piece in enumerate(content) if piece.text]
    if message.reasoning_content:
        parts.append(Part(choice, "reasoning", 0, message.reasoning_content))
    if message.reasoning:
        parts.append(Part(choice, "reasoning", 1, message.reasoning))
    if message.refusal:
        parts.append(Part(choice, "refusal", 0, message.refusal))
    if message.tool_calls:
        for index, call in zip(_slots(message.tool_calls), message.tool_calls, strict=True):
            if source := call.source:
                parts.append(Part(choice, "tool_args", index, source))
    if message.function_call is not None and message.function_call.arguments:
        parts.append(Part(choice, "tool_args", FUNCTION_CALL, message.function_call.arguments))


def _slots(calls: list[_ToolCall]) -> list[int]:
    """Each call's index. Some servers give every call of one event index 0: another id is another call."""
    slots: dict[int, str | None] = {}
    found = []
    for position, call in enumerate(calls):
        index = position if call.index is None else call.index
        if index in slots and call.id and call.id != slots[index]:
            index = max(slots) + 1
        slots.setdefault(index, call.id)
        found.append(index)
    return found


def _joined(parts: list[Part]) -> list[Part]:
    """One part for each running text, also where one event continues it twice."""
    texts: dict[Key, Part] = {}
    for part in parts:
        known = texts.get(part.key)
        texts[part.key] = part if known is None else known._replace(text=known.text + part.text)
    return list(texts.values())


class _Chat(ChoicesCodec):
    surface: ClassVar[str] = "chat"

    def event(self) -> Codec:
        return CHAT_EVENT

    def view(self, source: bytes) -> _Document:
        return _decode(source)

    def parts(self, doc: _Document) -> list[Part]:
        parts: list[Part] = []
        for position, choice in enumerate(doc.choices or ()):
            message = choice.delta or choice.message
            if message is not None:
                _add_parts(parts, numbered(position, choice), message)
        return parts if len(parts) < 2 else _joined(parts)

    def has_content(self, doc: _Document) -> bool:
        for choice in doc.choices or ():
            message = choice.delta or choice.message
            if message is not None and (
                message.content
                or message.tool_calls
                or message.reasoning_content
                or message.reasoning
                or message.refusal
                or message.function_call is not None
                or not is_null(message.audio)
            ):
                return True
        return False

    def replace(self, raw: bytes, key: Key, text: str) -> bytes:
        doc: Object = dict(open_object(self.source(raw)))
        choices: list[Object] = list(open_objects(doc["choices"]))
        for position, choice in enumerate(choices):
            if integer(choice.get("index"), position) != key.choice:
                continue
            side = "message" if is_null(choice.get("delta", NULL)) else "delta"
            message: Object = dict(open_object(choice[side]))
            if _set_text(message, key, text):
                text = ""  # what one event continues twice is one text, and stands where it began
            choice[side] = message
            if "logprobs" in choice:  # they spell the old text out, token by token
                choice["logprobs"] = NULL
        doc["choices"] = choices
        return self.dump(doc)

    def like(self, raw: bytes, key: Key, text: str) -> bytes:
        doc: Object = dict(open_object(self.source(raw)))
        for name in ("usage", "obfuscation"):
            doc.pop(name, None)
        doc["object"] = "chat.completion.chunk"
        doc["choices"] = [{"index": key.choice, "delta": _delta(key, text), "finish_reason": None}]
        return frame(encode(doc))


class ChatEvent(_Chat):
    """One event of a stream of chat completion chunks."""

    whole: ClassVar[bool] = False


class ChatAnswer(_Chat):
    """A whole chat completion."""

    whole: ClassVar[bool] = True


CHAT_EVENT = ChatEvent()
CHAT_ANSWER = ChatAnswer()

_FIELDS: dict[Kind, tuple[str, ...]] = {
    "text": ("content",),
    "reasoning": ("reasoning_content", "reasoning"),
    "refusal": ("refusal",),
}


_REASONING_COPIES = ("reasoning_details", "thinking_blocks")
"""Where some servers repeat the reasoning, in pieces of their own shape."""


def _set_text(message: Object, key: Key, text: str) -> bool:
    """Change one text of a message; False where it does not carry that text."""
    if key.kind == "tool_args":
        return _set_arguments(message, key.index, text)
    field = _FIELDS[key.kind][key.index if key.kind == "reasoning" else 0]
    old = message.get(field, NULL)
    if is_null(old):
        return False
    if key.kind == "text" and bytes(old)[:1] == b"[":
        pieces = open_array(old)
        piece: Object = dict(open_object(pieces[key.index]))
        piece["text"] = text
        message[field] = [*pieces[: key.index], piece, *pieces[key.index + 1 :]]
        return True
    message[field] = text
    if key.kind == "reasoning":
        for copy in _REASONING_COPIES:
            message.pop(copy, None)
    return True


def _set_arguments(message: Object, index: int, text: str) -> bool:
    if index == FUNCTION_CALL:
        call = message.get("function_call", NULL)
        if not is_null(call):
            message["function_call"] = open_object(call) | {"arguments": text}
        return not is_null(call)
    source = message.get("tool_calls", NULL)
    if is_null(source):
        return False
    found = False
    calls: list[Object] = list(open_objects(source))
    for slot, call in zip(_slots(_open_calls(source)), calls, strict=True):
        name, field = ("custom", "input") if is_null(call.get("function", NULL)) else ("function", "arguments")
        if slot == index and not is_null(call.get(name, NULL)):
            call[name] = open_object(call[name]) | {field: "" if found else text}
            found = True
    message["tool_calls"] = calls
    return found


def _delta(key: Key, text: str) -> dict[str, Any]:
    if key.kind != "tool_args":
        return {_FIELDS[key.kind][key.index if key.kind == "reasoning" else 0]: text}
    if key.index == FUNCTION_CALL:
        return {"function_call": {"arguments": text}}
    return {"tool_calls": [{"index": key.index, "function": {"arguments": text}}]}
