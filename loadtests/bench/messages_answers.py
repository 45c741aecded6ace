"""The same answers as Anthropic's servers give them: as many tokens, events and characters of text."""

from loadtests.bench.answers import MARK, STREAM_HEAD, TEXT, TOKENS, dump, frame, whole

_USAGE = {"input_tokens": 34, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": TOKENS}
_MESSAGE: dict[str, object] = {
    "id": "msg_01C5fJwYzQ3v8nXh2LrT0mBk",
    "type": "message",
    "role": "assistant",
    "model": "bench",
    "content": [],
    "stop_reason": None,
    "stop_sequence": None,
    "usage": {**_USAGE, "output_tokens": 1},
}


def _event(kind: str, **members: object) -> bytes:
    return frame(b"event: %b\ndata: %b\n\n" % (kind.encode(), dump({"type": kind, **members})))


_CONTENT = [{"type": "text", "text": TEXT}]
WHOLE = dump({**_MESSAGE, "content": _CONTENT, "stop_reason": "end_turn", "usage": _USAGE})
WHOLE_ANSWER = whole(WHOLE)
TOKEN_FRAME = _event("content_block_delta", index=0, delta={"type": "text_delta", "text": " " + MARK.decode()})
STREAM_ANSWER = b"".join(
    [
        STREAM_HEAD,
        _event("message_start", message=_MESSAGE),
        _event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        TOKEN_FRAME * TOKENS,
        _event("content_block_stop", index=0),
        _event("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage=_USAGE),
        _event("message_stop"),
        b"0\r\n\r\n",
    ]
)
