"""The blocks of a stream, one after the other."""

import json
from typing import Any

import pytest

from gateway.translate.messages_blocks import Block, Blocks
from gateway.wire.sse import payload


def use(name: str) -> Block:
    return Block("tool_use", b'{"type":"tool_use","id":"%s"}' % name.encode(), call=name)


def told(out: list[bytes]) -> list[Any]:
    """Events by what they do: the kind of a block that opens, a delta's text, or that one is closed."""
    found: list[Any] = []
    for raw in out:
        event = json.loads(payload(raw))
        assert raw.startswith(b"event: %s\n" % event["type"].encode())
        match event["type"]:
            case "content_block_start":
                found.append((event["index"], event["content_block"]["type"]))
            case "content_block_delta":
                found.append(next(value for name, value in event["delta"].items() if name != "type"))
            case _:
                found.append(None)
    return found


def test_texts_follow_each_other() -> None:
    blocks, out = Blocks("mark"), list[bytes]()
    blocks.say("thinking", b"t", out)
    blocks.say("text", b"a", out)
    blocks.say("text", rb"\n", out)
    blocks.end(out)
    blocks.end(out)
    assert told(out) == [(0, "thinking"), "t", "mark", None, (1, "text"), "a", "\n", None]


def test_a_signed_thought_is_over() -> None:
    blocks, out = Blocks("mark"), list[bytes]()
    blocks.say("thinking", b"t", out)
    blocks.sign(b"s", out)
    blocks.say("thinking", b"u", out)
    blocks.sign(b"", out)
    blocks.end(out)
    assert told(out) == [(0, "thinking"), "t", "s", None, (1, "thinking"), "u", "mark", None]


def test_what_comes_before_an_input_is_complete_waits() -> None:
    blocks, out = Blocks(""), list[bytes]()
    one, two = use("a"), use("b")
    blocks.begin(one, out)
    blocks.give(one, rb"{\"x\":", out)
    blocks.begin(two, out)
    blocks.give(two, b"{", out)
    blocks.say("text", b"t", out)
    blocks.give(two, b"}", out)
    assert told(out) == [(0, "tool_use"), '{"x":']
    blocks.give(one, b"1}", out)
    assert told(out)[2:] == ["1}", None, (1, "tool_use"), "{}", None, (2, "text"), "t"]
    blocks.give(one, b" ", out)
    with pytest.raises(ValueError):
        blocks.give(one, b"x", out)


def test_a_block_without_deltas() -> None:
    blocks, out = Blocks(""), list[bytes]()
    blocks.begin(Block("redacted_thinking", b'{"type":"redacted_thinking","data":"x"}'), out)
    blocks.begin(use("a"), out)
    blocks.end(out)
    assert told(out) == [(0, "redacted_thinking"), None, (1, "tool_use"), None]
