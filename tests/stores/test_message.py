import json
from typing import Any

import pytest

from gateway.stores.message import chained, message, messages, turns_in

SAME: list[tuple[Any, Any]] = [
    ({"role": "user", "content": "a"}, {"content": [{"type": "text", "text": "a"}], "role": "user"}),
    (
        {"role": "user", "content": [{"type": "text", "text": "ab"}]},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
    ),
    ({"role": "assistant", "content": "a\n"}, {"role": "assistant", "content": "a"}),
    ({"role": "assistant", "content": "a"}, {"role": "assistant", "content": "a", "refusal": None, "audio": None}),
    ({"role": "assistant", "content": None}, {"role": "assistant"}),
    ({"role": "assistant", "content": "a", "reasoning_content": "hm"}, {"role": "assistant", "content": "a"}),
    (
        {"role": "user", "content": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]},
        {"role": "user", "content": "a"},
    ),
    (
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "u", "detail": "low"}}]},
        {"role": "user", "content": [{"image_url": {"detail": "low", "url": "u"}, "type": "image_url"}]},
    ),
]
OTHER: list[tuple[Any, Any]] = [
    ({"role": "user", "content": "a"}, {"role": "assistant", "content": "a"}),
    ({"role": "user", "content": "a"}, {"role": "user", "content": "b"}),
    ({"role": "tool", "tool_call_id": "1", "content": "a"}, {"role": "tool", "tool_call_id": "2", "content": "a"}),
    (
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "u"}}]},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "v"}}]},
    ),
    ({"role": "assistant", "refusal": "no"}, {"role": "assistant", "content": ""}),
]


def call(name: str = "f", arguments: str = '{"a": 1}', identity: str = "1") -> Any:
    tool = {"id": identity, "type": "function", "function": {"name": name, "arguments": arguments}}
    return {"role": "assistant", "content": None, "tool_calls": [tool]}


@pytest.mark.parametrize(("one", "two"), [*SAME, (call(), call(arguments='{"a":1}'))])
def test_what_says_the_same_is_the_same(one: Any, two: Any) -> None:
    assert message(json.dumps(one).encode()).digest == message(json.dumps(two).encode()).digest


@pytest.mark.parametrize(
    ("one", "two"), [*OTHER, (call(), call("g")), (call(), call(arguments='{"a":2}')), (call(), call(identity="2"))]
)
def test_what_says_something_else_is_not(one: Any, two: Any) -> None:
    assert message(json.dumps(one).encode()).digest != message(json.dumps(two).encode()).digest


@pytest.mark.parametrize(
    "odd", [b'"text"', b"1", b"[]", b'{"role": 3}', b'{"role":"user","content":"\\ud83d"}', b'{"content":' + b"[" * 99]
)
def test_what_is_no_message_is_known_by_its_bytes(odd: bytes) -> None:
    found = message(odd)
    assert (found.source, found.role) == (odd, "")
    assert found.digest == message(odd).digest


def test_a_chain_stands_for_all_that_came_before() -> None:
    one, two = messages([b'{"role":"user","content":"a"}', b'{"role":"assistant","content":"b"}'])
    assert chained(chained(b"", [one]), [two]) == chained(b"", [one, two])
    assert chained(b"", [one, two]) != chained(b"", [two, one])
    assert turns_in([one, two]) == 1
