import json
from typing import Any

import pytest

from gateway.seam import Batch, fold
from gateway.testing import message, messages_events
from gateway.wire.messages import MESSAGES_EVENT

BLOCKS: list[Any] = [
    "Hello",
    ("Hel", "lo"),
    {"type": "thinking", "thinking": "Hm.", "signature": "s"},
    {"type": "tool_use", "id": "t", "name": "n", "input": {"a": [1, {"b": None}]}},
    {"type": "redacted_thinking", "data": "x"},
]


@pytest.mark.parametrize("blocks", [[], *([block] for block in BLOCKS), BLOCKS])
def test_both_forms_of_a_message_say_the_same(blocks: list[Any]) -> None:
    more = {"stop_reason": "tool_use", "usage": {"input_tokens": 9, "output_tokens": 8}}
    pieces = messages_events(*blocks, **more)
    folded = fold([Batch(piece, MESSAGES_EVENT) for piece in pieces], "messages")
    assert json.loads(folded.raw) == message(*blocks, **more)


def test_a_stream_may_lack_its_end() -> None:
    assert messages_events("a", done=False) == messages_events("a")[:-2]
