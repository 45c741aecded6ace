"""A conversation that goes to Anthropic without what chat models thought."""

import json
from typing import Any

import pytest

from gateway.translate.chat_thoughts import without_chat_thoughts

CHATS = {"type": "thinking", "thinking": "Hm.", "signature": "chat:gpt-5"}
OWN = {"type": "thinking", "thinking": "Hm.", "signature": "EqQBCgIYAhIM"}
TEXT = {"type": "text", "text": "4"}


def asked(*contents: Any) -> bytes:
    turns = [{"role": ("user", "assistant")[at % 2], "content": content} for at, content in enumerate(contents)]
    return json.dumps({"model": "m", "messages": turns}).encode()


def test_they_go_and_all_else_keeps_its_bytes() -> None:
    turn = b'{ "content" : [%b,{"text": "4" ,"type":"text","n":1.00}] ,"role":"assistant"}'
    first, last = b'{"role":"user","content":"chat: \\u00e9"}', b'{"role":"user","content":[ ]}'
    raw = b'{"messages":[%b,%b, %b]}' % (first, turn % json.dumps(CHATS).encode(), last)
    made = without_chat_thoughts(raw)
    assert made is not None
    messages, dropped = made
    kept = b'{"content":[{"text": "4" ,"type":"text","n":1.00}],"role":"assistant"}'
    assert messages == b"[%b,%b,%b]" % (first, kept, last)
    assert dropped == ["messages[1].content[0]"]


def test_a_turn_of_nothing_else_goes_whole() -> None:
    made = without_chat_thoughts(asked("a", [CHATS, CHATS], "b", [OWN, TEXT]))
    assert made is not None
    assert [turn["content"] for turn in json.loads(made[0])] == ["a", "b", [OWN, TEXT]]
    assert made[1] == ["messages[1].content[0]", "messages[1].content[1]"]


@pytest.mark.parametrize(
    "raw",
    [
        asked("a", [OWN, TEXT]),
        asked("chat:gpt-5"),
        asked([{"type": "text", "text": "chat:gpt-5"}]),
        asked("a", [{"type": "tool_use", "id": "t", "name": "f", "input": {"signature": "chat:gpt-5"}}]),
        asked("a", [{**CHATS, "type": "tool_use"}]),
        asked("a", [{"type": "text", "text": "chat:", "signature": 5}]),
        asked("a", {"type": "chat:"}),
        asked("a", ["chat:"]),
        b'{"messages":["chat:"]}',
        b'{"messages":{"a":"chat:"}}',
        b'{"messages":"chat:","model":"m"}',
        b'{"model":"chat:"}',
        b'"chat:"',
        b'{"messages":[{"content":[{"signature":"chat:',
    ],
)
def test_what_is_no_such_thought_stays(raw: bytes) -> None:
    assert without_chat_thoughts(raw) is None


def test_a_body_without_the_mark_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.translate.chat_thoughts.open_object", None)
    assert without_chat_thoughts(asked("a", [OWN, TEXT])) is None
