"""An answer that is one text, whole and as events."""

import json

from gateway.wire.chat_fold import fold
from gateway.wire.said import chat, chat_chunk, chat_events


def test_events_fold_to_the_whole_answer() -> None:
    events = chat_events("1", "m", "Hällo\n")
    folded, whole = json.loads(fold(events)), json.loads(chat("1", "m", "Hällo\n"))
    del whole["usage"], whole["created"], folded["created"]
    assert folded == whole


def test_role_content_and_finish_stand_apart() -> None:
    choices = [json.loads(event)["choices"][0] for event in chat_events("1", "m", "x")]
    assert [list(choice["delta"]) for choice in choices] == [["role", "content", "refusal"], ["content"], []]
    assert [choice["finish_reason"] for choice in choices] == [None, None, "stop"]


def test_a_chunk_of_nothing() -> None:
    assert chat_chunk("1", "m", 5) == {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 5,
        "model": "m",
        "choices": [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": None}],
    }
