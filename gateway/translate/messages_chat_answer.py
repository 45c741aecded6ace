"""A whole chat completion as a message of Anthropic's."""

from typing import Any

import msgspec
from msgspec import Raw

from gateway.translate.chat_messages_turns import CUSTOM_INPUT, POSITION, input_of
from gateway.translate.chat_thoughts import MARK
from gateway.translate.vocabulary import STOP, TIERS, message_id, messages_usage
from gateway.wire.verbatim import NULL, Object, encode, inside, integer, is_null, open_array, open_object, open_objects

Block = dict[str, Any]

_string = msgspec.json.Decoder(str).decode
_SERVED = {chat: messages for messages, chat in TIERS.items()}


def message(source: bytes, asked: str) -> bytes:
    """The message that a completion is; `asked` is the model that was asked.

    Raises what `verbatim.INVALID` lists, and ValueError.
    """
    completion = open_object(source)
    choices = open_objects(completion.get("choices", NULL))
    if not choices:
        raise ValueError("it has no choices")
    choice = choices[0]
    said: Object = open_object(choice.get("message", NULL))
    answer = _word(completion.get("id", NULL))
    uses = _uses(said, answer)
    blocks = [*_texts(said), *uses]
    for number, thought in enumerate(_thoughts(said, asked)):
        blocks.insert(max(0, integer(thought.pop(POSITION, None), number)), thought)
    sequence = sequence_of(choice.get("stop_reason", NULL))
    refused = not _empty(said.get("refusal", NULL))
    reason = stop(_word(choice.get("finish_reason", NULL)), sequence, used=bool(uses), refused=refused)
    usage = messages_usage(completion.get("usage", NULL))
    served = _SERVED.get(_word(completion.get("service_tier", NULL)))
    made: Block = {
        "id": message_id(answer),
        "type": "message",
        "role": "assistant",
        "model": completion.get("model", NULL),
        "content": blocks,
        "stop_reason": reason,
        "stop_sequence": sequence if reason == "stop_sequence" else None,
        "usage": usage if served is None else {**usage, "service_tier": served},
    }
    return encode(made)


def _thoughts(said: Object, asked: str) -> list[Any]:
    """Thinking blocks that the target gave, verbatim; else its reasoning as one, marked as its."""
    blocks = said.get("thinking_blocks", NULL)
    if not is_null(blocks) and bytes(blocks) != b"[]":
        return [{name: value for name, value in block.items() if name != "index"} for block in open_objects(blocks)]
    for name in ("reasoning_content", "reasoning"):
        text = said.get(name, NULL)
        if not _empty(text):
            return [{"type": "thinking", "thinking": text, "signature": MARK + asked}]
    content = said.get("content", NULL)
    if bytes(content)[:1] != b"[":
        return []
    text = b"".join(_pieces(content, b'"thinking"'))
    return [{"type": "thinking", "thinking": Raw(b'"%s"' % text), "signature": MARK + asked}] if text else []


def _texts(said: Object) -> list[Block]:
    content, refusal = said.get("content", NULL), said.get("refusal", NULL)
    if bytes(content)[:1] == b"[":
        content = Raw(b'"%s"' % b"".join(_pieces(content, b'"text"')))
    return [{"type": "text", "text": text} for text in (content, refusal) if not _empty(text)]


def _pieces(content: Raw, kind: bytes) -> list[bytes]:
    """The texts of a content in pieces, as source between quotes; thoughts stand in pieces of their own."""
    found: list[bytes] = []
    for piece in open_objects(content):
        if bytes(piece.get("type", NULL)) == kind:
            text = piece.get(_string(kind), NULL)
            if bytes(text)[:1] == b"[":
                found += _pieces(text, b'"text"')
            else:
                found.append(inside(text))
    return found


def _uses(said: Object, answer: str) -> list[Block]:
    calls = said.get("tool_calls", NULL)
    uses = [_use(call, answer, number) for number, call in enumerate([] if is_null(calls) else open_array(calls))]
    by_name = said.get("function_call", NULL)
    if not is_null(by_name):
        uses.append(_use(Raw(b'{"function":%s}' % bytes(by_name)), answer, len(uses)))
    return uses


def _use(source: Raw, answer: str, number: int) -> Block:
    call: Object = open_object(source)
    custom = call.get("custom", NULL)
    if is_null(custom):
        function: Object = open_object(call.get("function", NULL))
        given = input_of(_word(function.get("arguments", NULL)))
    else:
        function = open_object(custom)
        given = {CUSTOM_INPUT: function.get("input", "")}
    name = _word(call.get("id", NULL)) or use_id(answer, number)
    return {"type": "tool_use", "id": name, "name": function.get("name", ""), "input": given}


def use_id(answer: str, number: int) -> str:
    """An id for a tool's use that came without one."""
    return f"toolu_{message_id(answer).removeprefix('msg_')}_{number}"


def stop(reason: str, sequence: str | None, *, used: bool, refused: bool) -> str:
    """Why the answer stopped, in Anthropic's word. Clients run tools by that word, so it must fit the content."""
    word = STOP.get(reason, "end_turn")
    if word in ("end_turn", "tool_use"):
        if used:
            return "tool_use"
        if refused:
            return "refusal"
        return "end_turn" if sequence is None else "stop_sequence"
    return word


def sequence_of(reason: Raw) -> str | None:
    """The stop sequence that was met, where the server tells it beside the finish reason (vLLM does)."""
    return _string(reason) if bytes(reason)[:1] == b'"' else None


def _empty(text: Raw) -> bool:
    return not inside(text)


def _word(value: Raw) -> str:
    return "" if is_null(value) else _string(value)
