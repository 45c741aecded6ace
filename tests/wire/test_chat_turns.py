"""What messages say: the last user's text, and turns."""

import json
from typing import Any

import pytest
from msgspec import Raw

from gateway.wire.chat_turns import last_user_text, messages_of


def raw(messages: list[Any]) -> list[Raw]:
    return messages_of(Raw(json.dumps(messages).encode()))


def said(role: str, content: Any) -> dict[str, Any]:
    return {"role": role, "content": content}


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        ([], ""),
        ([said("system", "s")], ""),
        ([said("user", "a"), said("assistant", "b")], "a"),
        ([said("user", "a"), said("user", "b"), said("tool", "t")], "b"),
        ([said("user", [{"type": "text", "text": "a"}, {"type": "image_url"}, {"type": "text", "text": "b"}])], "ab"),
        ([said("user", None)], ""),
        ([said("user", 3)], ""),
        ([said("user", [3])], ""),
        ([3, None, "x", {}, {"role": 3, "content": "x"}], ""),
    ],
)
def test_the_last_users_text(messages: list[Any], text: str) -> None:
    assert last_user_text(raw(messages)) == text


def test_no_messages() -> None:
    assert messages_of(None) == []
