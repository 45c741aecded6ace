"""Messages of a chat request as LangChain's, and back."""

from typing import Any

import pytest
from langchain_core.language_models._utils import _normalize_messages
from langchain_core.messages import AIMessage, ChatMessage, HumanMessage, RemoveMessage

from gateway.langgraph.messages import from_chat, to_chat
from gateway.seam import InvalidRequest

CALL = {"id": "c1", "type": "function", "function": {"name": "w", "arguments": '{"city": "Zürich"}'}}
BROKEN = {"id": "c2", "type": "function", "function": {"name": "w", "arguments": '{"city'}}
CHAT: list[dict[str, Any]] = [
    {"role": "system", "content": "S", "cache_control": {"type": "ephemeral"}},
    {"role": "developer", "content": [{"type": "text", "text": "D"}]},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "Look:"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}},
            {"type": "video_url", "video_url": {"url": "https://example.com/v.mp4"}},
        ],
        "name": "bob",
    },
    {"role": "assistant", "content": None, "tool_calls": [CALL, BROKEN], "reasoning_content": "Hm."},
    {"role": "tool", "content": "12", "tool_call_id": "c1"},
    {"role": "tool", "content": [{"type": "text", "text": "no JSON"}], "tool_call_id": "c2"},
    {"role": "assistant", "content": "Twelve.", "refusal": "no"},
    {"role": "function", "content": "old", "name": "f"},
]


def test_there_and_back() -> None:
    assert to_chat(from_chat(CHAT)) == CHAT


def test_what_langchain_makes_of_blocks_comes_back_too() -> None:
    assert to_chat(_normalize_messages(from_chat(CHAT))) == CHAT


def test_calls_are_read() -> None:
    message = from_chat(CHAT)[3]
    assert isinstance(message, AIMessage)
    assert message.tool_calls == [{"type": "tool_call", "name": "w", "args": {"city": "Zürich"}, "id": "c1"}]
    assert [call["args"] for call in message.invalid_tool_calls] == ['{"city']


def test_a_client_can_neither_name_nor_remove_messages() -> None:
    (message,) = from_chat([{"role": "user", "content": "x", "id": "m1", "response_metadata": {"a": 1}}])
    assert (message.id, message.response_metadata, message.additional_kwargs) == (None, {}, {})


@pytest.mark.parametrize(
    ("message", "place"),
    [
        ("x", "messages[0]"),
        ({"role": "remove", "content": "", "id": "m1"}, "messages[0].role"),
        ({"lc": 1, "type": "constructor", "id": ["HumanMessage"], "kwargs": {"content": "x"}}, "messages[0].role"),
        ({"content": "x"}, "messages[0].role"),
        ({"role": ["user"], "content": "x"}, "messages[0].role"),
        ({"role": "user", "content": 5}, "messages[0].content"),
        ({"role": "user", "content": ["x"]}, "messages[0].content"),
        ({"role": "user", "content": "x", "name": 5}, "messages[0].name"),
        ({"role": "tool", "content": "x"}, "messages[0].tool_call_id"),
        ({"role": "assistant", "tool_calls": 5}, "messages[0].tool_calls"),
        ({"role": "assistant", "tool_calls": [5]}, "messages[0].tool_calls[0]"),
        ({"role": "assistant", "tool_calls": [{"id": "c", "function": {}}]}, "messages[0].tool_calls[0].name"),
        ({"role": "assistant", "tool_calls": [{"function": {"name": "w"}}]}, "messages[0].tool_calls[0].id"),
    ],
)
def test_what_is_no_message_is_told_with_its_place(message: Any, place: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        from_chat([message])
    assert caught.value.param == place


def test_other_vendors_blocks_of_an_answer_are_no_content() -> None:
    blocks: list[Any] = [
        {"type": "thinking", "thinking": "Hm."},
        {"type": "text", "text": "Let me see."},
        {"type": "tool_use", "id": "c1", "name": "w", "input": {}},
    ]
    answer = AIMessage(blocks, tool_calls=[{"type": "tool_call", "name": "w", "args": {}, "id": "c1"}])
    call = {"id": "c1", "type": "function", "function": {"name": "w", "arguments": "{}"}}
    assert to_chat([answer]) == [{"role": "assistant", "content": "Let me see.", "tool_calls": [call]}]


def test_messages_with_no_place_are_refused() -> None:
    assert to_chat([ChatMessage("x", role="critic"), HumanMessage(["a", {"type": "text", "text": "b"}])]) == [
        {"role": "critic", "content": "x"},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
    ]
    with pytest.raises(ValueError, match="RemoveMessage"):
        to_chat([RemoveMessage("x")])
