"""What messages say: the last user's text, and turns."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from gateway.wire.chat_turns import last_turns, last_user_text, messages_of


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


TURNS = [said("system", "s"), said("user", "1"), said("assistant", "a"), said("user", "2"), said("tool", "t")]


@pytest.mark.parametrize(("count", "kept"), [(1, [0, 3, 4]), (2, [0, 1, 2, 3, 4]), (9, [0, 1, 2, 3, 4])])
def test_the_last_turns(count: int, kept: list[int]) -> None:
    assert [json.loads(bytes(message)) for message in last_turns(raw(TURNS), count)] == [TURNS[n] for n in kept]


def test_what_stands_before_the_first_user_goes_with_its_turn() -> None:
    messages = [said("assistant", "Welcome."), said("user", "1"), said("user", "2")]
    assert len(last_turns(raw(messages), 2)) == 3
    assert len(last_turns(raw(messages), 1)) == 1


@given(st.lists(st.sampled_from(["system", "developer", "user", "assistant", "tool"]), max_size=12), st.integers(1, 5))
def test_turns_are_counted_by_users(roles: list[str], count: int) -> None:
    messages = [said(role, str(number)) for number, role in enumerate(roles)]
    kept = [json.loads(bytes(message)) for message in last_turns(raw(messages), count)]
    assert sum(message["role"] == "user" for message in kept) == min(count, roles.count("user"))
    instructions = [message for message in messages if message["role"] in ("system", "developer")]
    assert [message for message in kept if message["role"] in ("system", "developer")] == instructions
    assert [message for message in messages if message in kept] == kept, "in their order"
    assert kept[-1:] == messages[-1:]
