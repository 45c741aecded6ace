"""What Anthropic's API answers, for scripts of an upstream."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

Block = Mapping[str, Any]
Texts = str | Sequence[str]


def message(*blocks: Block | Texts, **more: Any) -> dict[str, Any]:
    """A whole message of these blocks; a text, or a sequence of texts, stands for one block of text."""
    content = [
        {"type": "text", "text": "".join(block)} if not isinstance(block, Mapping) else dict(block) for block in blocks
    ]
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "upstream-model",
        "content": content,
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 7, "output_tokens": 3},
    } | more


def messages_event(name: str, **members: Any) -> bytes:
    """One event of a stream of messages, by its name."""
    return f"event: {name}\ndata: {json.dumps({'type': name, **members})}\n\n".encode()


def messages_events(*blocks: Block | Texts, done: bool = True, **more: Any) -> list[bytes]:
    """The events of the same message streamed, one piece each; the last two, which end it, only where `done`.

    Of a sequence of texts each is an event of its own.
    """
    whole = message(*blocks, **more)
    start = whole | {"content": [], "stop_reason": None, "usage": whole["usage"] | {"output_tokens": 1}}
    pieces = [messages_event("message_start", message=start), messages_event("ping")]
    for index, block in enumerate(blocks):
        empty, *deltas = _streamed(block)
        pieces.append(messages_event("content_block_start", index=index, content_block=empty))
        pieces += [messages_event("content_block_delta", index=index, delta=delta) for delta in deltas]
        pieces.append(messages_event("content_block_stop", index=index))
    if done:
        delta = {"stop_reason": whole["stop_reason"], "stop_sequence": whole["stop_sequence"]}
        usage = {"output_tokens": whole["usage"]["output_tokens"]}
        pieces += [messages_event("message_delta", delta=delta, usage=usage), messages_event("message_stop")]
    return pieces


def _streamed(block: Block | Texts) -> Sequence[Block]:
    """A block as it is opened, and its deltas."""
    if not isinstance(block, Mapping):
        texts = (block,) if isinstance(block, str) else block
        return {"type": "text", "text": ""}, *({"type": "text_delta", "text": text} for text in texts)
    match block["type"]:
        case "thinking":
            return _thinking(block)
        case "tool_use":
            return _tool_use(block)
    return (block,)


def _thinking(block: Block) -> Sequence[Block]:
    signature = block.get("signature", "")
    return (
        {**block, "thinking": "", "signature": ""},
        {"type": "thinking_delta", "thinking": block["thinking"]},
        {"type": "signature_delta", "signature": signature},
    )


def _tool_use(block: Block) -> Sequence[Block]:
    source = json.dumps(block["input"])
    half = len(source) // 2
    return (
        {**block, "input": {}},
        *({"type": "input_json_delta", "partial_json": piece} for piece in (source[:half], source[half:])),
    )
