# ruff: noqa: E501 (a table reads by its rows)
"""The messages of a chat request for Messages targets."""

from typing import Any

import pytest

from tests.translate.requests import (
    ASK,
    ASKED,
    CACHE,
    CALLS,
    MIDDLE,
    NEW,
    PDF,
    PNG,
    RESULT,
    RESULTED,
    THOUGHT,
    TOOL,
    USE,
    USED,
    Doc,
    to_messages,
)


# fmt: off
def part(kind: str, **fields: Any) -> Doc:
    return {"role": "user", "content": [{"type": kind, **fields}]}


def block(kind: str, **fields: Any) -> list[Doc]:
    return [{"role": "user", "content": [{"type": kind, **fields}]}]


# messages, system, turns, what is dropped
CONVERSATIONS: list[tuple[str, list[Doc], Any, list[Doc], list[str]]] = [
    ("one system message", [{"role": "system", "content": "s"}, ASKED], "s", ASK, []),
    ("several, joined", [{"role": "system", "content": "s"}, {"role": "developer", "content": [{"type": "text", "text": "d"}]}, ASKED], [{"type": "text", "text": "s"}, {"type": "text", "text": "d"}], ASK, []),
    ("hoisted", [ASKED, {"role": "system", "content": "s"}, ASKED], "s", [{"role": "user", "content": [{"type": "text", "text": "q"}] * 2}], []),
    ("roles merged", [ASKED, ASKED, {"role": "assistant", "content": "a"}, {"role": "assistant", "content": "b"}], None, [{"role": "user", "content": [{"type": "text", "text": "q"}] * 2}, {"role": "assistant", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}], []),
    ("names", [{**ASKED, "name": "Ann"}], None, ASK, ["messages[0].name"]),
    ("nothing said", [ASKED, {"role": "assistant", "content": ""}, ASKED], None, [{"role": "user", "content": [{"type": "text", "text": "q"}] * 2}], []),
    ("white space", [ASKED, {"role": "assistant", "content": " \n"}], None, ASK, ["messages[1].content"]),
    ("an image", [part("image_url", image_url={"url": "data:image/png;base64,iVBORw0=", "detail": "auto"})], None, block("image", source=PNG), []),
    ("its detail", [part("image_url", image_url={"url": "https://x/y.png", "detail": "low"})], None, block("image", source={"type": "url", "url": "https://x/y.png"}), ["messages[0].content[0].image_url.detail"]),
    ("a document", [part("file", file={"file_data": "data:application/pdf;base64,JVBERi0=", "filename": "a.pdf"})], None, block("document", source=PDF, title="a.pdf"), []),
    ("a text file", [part("file", file={"file_data": "data:text/plain;base64,aGk="})], None, block("document", source={"type": "text", "media_type": "text/plain", "data": "hi"}), []),
    ("an image file", [part("file", file={"file_data": "data:image/png;base64,iVBORw0="})], None, block("image", source=PNG), []),
    ("a file of theirs", [ASKED, part("file", file={"file_id": "file_1"})], None, ASK, ["messages[1].content[0].file"]),
    ("audio", [ASKED, part("input_audio", input_audio={"data": "x", "format": "wav"})], None, ASK, ["messages[1].content[0].input_audio"]),
    ("what is yet to come", [ASKED, part("song", verse="la")], None, ASK, ["messages[1].content[0]"]),
    ("cache marks", [part("text", text="q", cache_control=CACHE)], None, block("text", text="q", cache_control=CACHE), []),
    ("a message's cache mark", [{**ASKED, "cache_control": CACHE}], None, block("text", text="q", cache_control=CACHE), []),
    ("OpenAI's cache marks", [part("text", text="q", prompt_cache_breakpoint={"mode": "explicit", "ttl": "30m"})], None, block("text", text="q", cache_control={**CACHE, "ttl": "1h"}), []),
    ("a tool's use", [ASKED, CALLS, RESULT], None, [*ASK, {"role": "assistant", "content": [USED]}, {"role": "user", "content": [RESULTED]}], []),
    ("results come first", [ASKED, CALLS, RESULT, ASKED], None, [*ASK, {"role": "assistant", "content": [USED]}, {"role": "user", "content": [RESULTED, {"type": "text", "text": "q"}]}], []),
    (
        "a result of parts",
        [ASKED, CALLS, {**RESULT, "content": [{"type": "text", "text": "r"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0="}}]}],
        None,
        [*ASK, {"role": "assistant", "content": [USED]}, {"role": "user", "content": [{**RESULTED, "content": [{"type": "text", "text": "r"}, {"type": "image", "source": PNG}]}]}],
        [],
    ),
    ("an empty result", [ASKED, CALLS, {**RESULT, "content": ""}], None, [*ASK, {"role": "assistant", "content": [USED]}, {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1"}]}], []),
    ("ids that Anthropic refuses", [ASKED, {**CALLS, "tool_calls": [{**USE, "id": "f:0"}]}, {**RESULT, "tool_call_id": "f:0"}], None, [*ASK, {"role": "assistant", "content": [{**USED, "id": "f_0"}]}, {"role": "user", "content": [{**RESULTED, "tool_use_id": "f_0"}]}], []),
    ("a custom tool", [ASKED, {**CALLS, "tool_calls": [{"id": "call_1", "type": "custom", "custom": {"name": "c", "input": "x"}}]}, RESULT], None, [*ASK, {"role": "assistant", "content": [{"type": "tool_use", "id": "call_1", "name": "c", "input": {"input": "x"}}]}, {"role": "user", "content": [RESULTED]}], []),
    (
        "functions",
        [ASKED, {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": ""}}, {"role": "function", "name": "f", "content": "r"}],
        None,
        [*ASK, {"role": "assistant", "content": [{"type": "tool_use", "id": "call_1", "name": "f", "input": {}}]}, {"role": "user", "content": [RESULTED]}],
        [],
    ),
    ("arguments that are no object", [ASKED, {**CALLS, "tool_calls": [{**USE, "function": {"name": "f", "arguments": '{"a": 1'}}]}, RESULT], None, [*ASK, {"role": "assistant", "content": [{**USED, "input": {"INVALID_JSON": '{"a": 1'}}]}, {"role": "user", "content": [RESULTED]}], []),
    ("an answer as the SDK dumps it", [ASKED, {"role": "assistant", "content": "a", "refusal": None, "annotations": [], "audio": None, "function_call": None, "tool_calls": None}], None, [*ASK, {"role": "assistant", "content": "a"}], []),
    ("a refusal", [ASKED, {"role": "assistant", "content": None, "refusal": "no"}], None, [*ASK, {"role": "assistant", "content": "no"}], []),
    ("thoughts", [ASKED, {"role": "assistant", "content": "a", "reasoning_content": "t", "thinking_blocks": [{"index": 0, **THOUGHT}]}], None, [*ASK, {"role": "assistant", "content": [THOUGHT, {"type": "text", "text": "a"}]}], []),
    ("thoughts between", [ASKED, {**CALLS, "content": "a", "thinking_blocks": [THOUGHT, {**THOUGHT, "position": 2}]}, RESULT], None, [*ASK, {"role": "assistant", "content": [THOUGHT, {"type": "text", "text": "a"}, THOUGHT, USED]}, {"role": "user", "content": [RESULTED]}], []),
    ("redacted thoughts", [ASKED, {"role": "assistant", "content": "a", "thinking_blocks": [{"type": "redacted_thinking", "data": "x"}]}], None, [*ASK, {"role": "assistant", "content": [{"type": "redacted_thinking", "data": "x"}, {"type": "text", "text": "a"}]}], []),
    ("unsigned thoughts", [ASKED, {"role": "assistant", "content": "a", "reasoning_content": "t"}], None, [*ASK, {"role": "assistant", "content": "a"}], ["messages[1].reasoning_content"]),
    ("thoughts that a filter has changed", [ASKED, {"role": "assistant", "content": "a", "reasoning_content": "***", "thinking_blocks": [THOUGHT]}], None, [*ASK, {"role": "assistant", "content": "a"}], ["messages[1].thinking_blocks", "messages[1].reasoning_content"]),
]
# fmt: on


@pytest.mark.parametrize(
    ("messages", "system", "turns", "dropped"),
    [case[1:] for case in CONVERSATIONS],
    ids=[case[0] for case in CONVERSATIONS],
)
def test_conversations(messages: list[Doc], system: Any, turns: list[Doc], dropped: list[str]) -> None:
    out, named = to_messages(messages=messages)
    assert out.get("system") == system
    assert out["messages"] == turns
    assert list(named) == dropped


def test_system_turns_in_place() -> None:
    turn = {"role": "system", "content": "s"}
    for messages in ([ASKED, turn], [ASKED, turn, {"role": "assistant", "content": "a"}, ASKED]):
        out, _ = to_messages(NEW, messages=messages)
        assert [message["role"] for message in out["messages"]] == [message["role"] for message in messages]
        assert "system" not in out
    out, _ = to_messages(NEW, messages=[ASKED, {"role": "assistant", "content": "a"}, turn, ASKED])
    assert out["system"] == "s"


def test_a_conversation_that_used_tools_defines_them() -> None:
    out, _ = to_messages(messages=[ASKED, CALLS, RESULT])
    assert out["tools"] == [{"name": "f", "input_schema": {"type": "object"}}]
    assert out["tool_choice"] == {"type": "none"}


def test_a_loop_without_thoughts_goes_on_without() -> None:
    out, dropped = to_messages(messages=[ASKED, CALLS, RESULT], tools=[TOOL], reasoning_effort="high")
    assert "thinking" not in out
    assert dropped == ("reasoning_effort",)
    thinking = {**CALLS, "thinking_blocks": [THOUGHT]}
    out, dropped = to_messages(messages=[ASKED, thinking, RESULT], tools=[TOOL], reasoning_effort="high")
    assert out["thinking"]["type"] == "enabled"
    assert dropped == ()
    out, dropped = to_messages(MIDDLE, messages=[ASKED, CALLS, RESULT], tools=[TOOL], reasoning_effort="high")
    assert out["thinking"] == {"type": "adaptive"}
