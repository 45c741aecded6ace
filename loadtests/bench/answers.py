"""What the mock upstream answers: bytes made once, so that answering costs next to nothing.

Every token holds `MARK` once. No key of the protocol contains that word, so whoever counts it in a proxy's answer
counts tokens, however the proxy spells its JSON.
"""

import json

MARK = b"lorem"
TOKENS = 100

_ID = "chatcmpl-C5fJwYzQ3v8nXh2LrT0mBkE7aUdSg"
_CREATED = 1_760_000_000
_TEXT = (
    "The sky looks blue because air scatters short wavelengths of sunlight far more strongly than long ones. "
    "At sunset the light crosses much more air, the blue is scattered out of the way, and what arrives is red. "
)
_USAGE = {
    "prompt_tokens": 34,
    "completion_tokens": TOKENS,
    "total_tokens": 134,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
}
WHOLE_SIZE = 674


def dump(document: object) -> bytes:
    """JSON without spaces."""
    return json.dumps(document, separators=(",", ":")).encode()


def _completion(text: str) -> bytes:
    message = {"role": "assistant", "content": text, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return dump(
        {
            "id": _ID,
            "object": "chat.completion",
            "created": _CREATED,
            "model": "bench",
            "choices": [choice],
            "usage": _USAGE,
            "service_tier": "default",
            "system_fingerprint": "fp_44709d6fcb",
        }
    )


def _event(delta: dict[str, object], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return b"data: " + dump(_chunk([choice])) + b"\n\n"


def _chunk(choices: list[dict[str, object]]) -> dict[str, object]:
    return {
        "id": _ID,
        "object": "chat.completion.chunk",
        "created": _CREATED,
        "model": "bench",
        "system_fingerprint": "fp_44709d6fcb",
        "choices": choices,
    }


def frame(body: bytes) -> bytes:
    """One HTTP chunk."""
    return b"%x\r\n%b\r\n" % (len(body), body)


def whole(body: bytes) -> bytes:
    """An answer of JSON, its head included."""
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


TEXT = (_TEXT * 3)[: WHOLE_SIZE - len(_completion(""))]
"""What a whole answer says."""
WHOLE = _completion(TEXT)
WHOLE_ANSWER = whole(WHOLE)
FAILURE = whole(dump({"error": {"message": "No.", "type": "server_error", "param": None, "code": None}})).replace(
    b"200 OK", b"500 Internal Server Error", 1
)

STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"
)
ROLE = _event({"role": "assistant", "content": "", "refusal": None})
TOKEN = _event({"content": " " + MARK.decode()})
FINISH = _event({}, "stop")
USAGE = b"data: " + dump({**_chunk([]), "usage": _USAGE}) + b"\n\n"
DONE = b"data: [DONE]\n\n"

# Each event is an HTTP chunk of its own, as servers that flush token by token send it.
ROLE_FRAME, TOKEN_FRAME = frame(ROLE), frame(TOKEN)
END_FRAMES = frame(FINISH) + frame(DONE) + b"0\r\n\r\n"
END_FRAMES_WITH_USAGE = frame(FINISH) + frame(USAGE) + frame(DONE) + b"0\r\n\r\n"
STREAM_ANSWER = STREAM_HEAD + ROLE_FRAME + TOKEN_FRAME * TOKENS + END_FRAMES
STREAM_ANSWER_WITH_USAGE = STREAM_HEAD + ROLE_FRAME + TOKEN_FRAME * TOKENS + END_FRAMES_WITH_USAGE

_HELD = "held 0000000000 us"
_HELD_ANSWER = whole(_completion((_HELD + " " + _TEXT * 3)[: WHOLE_SIZE - len(_completion(""))]))


def held_answer(seconds: float) -> bytes:
    """A whole answer of the usual size whose text tells how long the upstream itself held the call.

    With it a client knows what a proxy added to *this* call, whatever the timers of the upstream did.
    """
    return _HELD_ANSWER.replace(b"held 0000000000", b"held %010d" % round(seconds * 1e6), 1)


def held_seconds(body: bytes) -> float:
    """What `held_answer` wrote, in seconds. Raises ValueError when the answer does not say."""
    start = body.find(b"held ")
    if start < 0:
        raise ValueError("the answer does not say how long the upstream held the call")
    return int(body[start + 5 : start + 15]) / 1e6
