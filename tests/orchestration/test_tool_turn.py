"""What a turn says, and how its model is shown it again."""

import json
from typing import Any

import pytest

from gateway.orchestration.tool_turn import Turn
from gateway.seam import Chunk, UpstreamError
from gateway.wire.chat import CHAT_ANSWER
from gateway.wire.verbatim import encode


def turn(calls: Any, clients: tuple[str, ...] = (), used: set[str] | None = None, **message: Any) -> Turn:
    document = {"choices": [{"message": {"content": None, **message, "tool_calls": calls}}]}
    chunk = Chunk(json.dumps(document).encode(), CHAT_ANSWER)
    return Turn.of(chunk, ["find"], clients, set() if used is None else used)


def call(arguments: Any = "{}", name: Any = "find", **more: Any) -> dict[str, Any]:
    return {"id": "c", "type": "function", "function": {"name": name, "arguments": arguments}} | more


def sent(found: Turn) -> Any:
    return json.loads(encode(found.sent()))


@pytest.mark.parametrize("calls", [None, []])
def test_a_turn_without_calls(calls: Any) -> None:
    assert (turn(calls).ours, turn(calls).theirs) == ([], [])


@pytest.mark.parametrize(
    ("given", "read", "shown"),
    [
        ('{"a": 1}', '{"a": 1}', '{"a": 1}'),
        ({"a": 1}, '{"a": 1}', '{"a": 1}'),
        ("", "", "{}"),
        (None, "", "{}"),
        ('{"a": ', '{"a": ', "{}"),
        ("7", "7", "{}"),
    ],
)
def test_arguments_however_they_are_written(given: Any, read: str, shown: str) -> None:
    found = turn([call(given)])
    assert found.ours[0].arguments == read
    assert sent(found)["tool_calls"][0]["function"] == {"name": "find", "arguments": shown}


def test_what_a_server_adds_to_calls_and_messages_goes_back_to_it() -> None:
    """Google's servers want their signatures again, others their reasoning."""
    extra = {"google": {"thought_signature": "abc"}}
    found = turn([call(extra_content=extra)], reasoning_content="Hm.", annotations=[], refusal=None, other=1.50)
    assert sent(found) == {
        "role": "assistant",
        "content": None,
        "reasoning_content": "Hm.",
        "other": 1.5,
        "tool_calls": [call(extra_content=extra)],
    }


def test_whose_calls_are_whose() -> None:
    custom = {"id": "x", "type": "custom", "custom": {"name": "clock", "input": "now"}}
    found = turn([call(name="find"), call(name="clock"), custom, call(name="nobody"), call(name=None)], ("clock",))
    assert [one.name for one in found.ours] == ["find", "nobody", ""]
    assert len(found.theirs) == 2


def test_ids_stand_once_in_a_loop() -> None:
    used = {"c"}
    ids = [one.id for one in turn([call(), call(id=""), call(id="d"), call(id="d")], used=used).ours]
    assert len(set(ids)) == 4
    assert "c" not in ids
    assert used == {"c", *ids}


def test_half_of_a_surrogate_pair_is_no_reason_to_fail() -> None:
    raw = rb'{"choices":[{"message":{"tool_calls":[{"id":"c","function":{"name":"find","arguments":"\ud83d"}}]}}]}'
    (one,) = Turn.of(Chunk(raw, CHAT_ANSWER), ["find"], [], set()).ours
    assert one.arguments == "�"


@pytest.mark.parametrize("calls", [7, [7], [{"function": 7}], [{"function": {"name": 7}}]])
def test_calls_that_are_none(calls: Any) -> None:
    with pytest.raises(UpstreamError, match="tool calls that cannot be read"):
        turn(calls)


def test_an_answer_without_choices() -> None:
    found = Turn.of(Chunk(b'{"choices":[]}', CHAT_ANSWER), ["find"], [], set())
    assert (found.ours, found.theirs) == ([], [])
