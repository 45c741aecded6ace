"""Thoughts that chat models had, among Anthropic's blocks: how they are marked, and a conversation without them."""

import msgspec

from gateway.wire.verbatim import INVALID, Object, encode, open_array, open_object

MARK = "chat:"
"""What begins the signature of thoughts that a chat target had; the model's name follows.

Anthropic's own are base64, which has no colon. Thoughts so marked go back to that model alone, as its reasoning.
"""
_MARKED = b'"' + MARK.encode()


class _Block(msgspec.Struct, gc=False):
    type: str = ""
    signature: str = ""


_blocks = msgspec.json.Decoder(list[msgspec.Raw]).decode
_block = msgspec.json.Decoder(_Block).decode


def without_chat_thoughts(raw: bytes) -> tuple[bytes, list[str]] | None:
    """A Messages body's `messages` without such thoughts, and the paths of those; None where it has none.

    Anthropic checks signatures and refuses these. A turn that held nothing else is left out whole. All that stays keeps
    its bytes; a body without the mark is not decoded.
    """
    if _MARKED not in raw:
        return None
    try:
        turns = open_array(open_object(raw).get("messages", msgspec.Raw(b"[]")))
        dropped: list[str] = []
        kept = [turn for at, source in enumerate(turns) if (turn := _turn(source, at, dropped)) is not None]
    except INVALID:  # it is no conversation: Anthropic says what is wrong with it
        return None
    return (encode(kept), dropped) if dropped else None


def _turn(source: msgspec.Raw, at: int, dropped: list[str]) -> msgspec.Raw | Object | None:
    if _MARKED not in bytes(source):
        return source
    turn = open_object(source)
    content = turn.get("content")
    if content is None or bytes(memoryview(content)[:1]) != b"[":
        return source
    blocks = _blocks(content)
    kept = []
    for number, block in enumerate(blocks):
        if _is_chats(block):
            dropped.append(f"messages[{at}].content[{number}]")
        else:
            kept.append(block)
    if len(kept) == len(blocks):
        return source
    return {**turn, "content": kept} if kept else None


def _is_chats(source: msgspec.Raw) -> bool:
    if _MARKED not in bytes(source):
        return False
    try:
        block = _block(source)
    except INVALID:  # a signature elsewhere is no text, and no thought's
        return False
    return block.type == "thinking" and block.signature.startswith(MARK)
