import json

from hypothesis import given
from hypothesis import strategies as st

from gateway.stores.message import Message, message
from gateway.stores.window import begin, seen

ROLES = st.lists(st.sampled_from(["user", "assistant", "tool", "system"]), max_size=30)


def talk(*roles: str) -> list[Message]:
    return [message(json.dumps({"role": role, "content": f"{at}"}).encode()) for at, role in enumerate(roles)]


@given(ROLES, st.integers(1, 5))
def test_a_window_of_turns_begins_with_a_user_and_has_at_most_so_many(roles: list[str], last: int) -> None:
    messages = talk(*roles)
    begins = begin(messages, last, None, len)
    inside = [one.role for one in messages[begins:]]
    assert begins == 0 or inside[0] == "user"
    assert inside.count("user") == min(last, roles.count("user"))


@given(ROLES, st.integers(1, 400))
def test_a_window_of_tokens_has_as_many_turns_as_fit(roles: list[str], tokens: int) -> None:
    messages = talk(*roles)
    begins = begin(messages, None, tokens, len)
    inside = messages[begins:]
    assert begins == 0 or inside[0].role == "user"
    weight = sum(len(one.source) for one in inside)
    assert weight <= tokens or [one.role for one in inside].count("user") <= 1, "the newest turn is whole"
    if begins:
        starts = [at for at, one in enumerate(messages[:begins]) if one.role == "user"]
        wider = 0 if len(starts) <= 1 else starts[-1]
        assert sum(len(one.source) for one in messages[wider:]) > tokens, "one more would not have fitted"


def test_both_bounds_hold() -> None:
    messages = talk("user", "assistant", "user", "assistant", "user")
    assert begin(messages, 2, 10_000, len) == 2
    assert begin(messages, 2, 1, len) == 4


def test_a_tool_s_result_stays_with_its_call() -> None:
    messages = talk("user", "assistant", "user", "assistant", "tool", "assistant", "tool")
    assert begin(messages, 1, 1, len) == 2


def test_instructions_stay() -> None:
    messages = talk("user", "system", "assistant", "user")
    assert [one.role for one in seen(messages, 3)] == ["system", "user"]
    assert seen(messages, 0) == messages
