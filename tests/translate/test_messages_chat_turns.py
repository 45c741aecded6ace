# ruff: noqa: E501 (a table reads by its rows)
"""The turns of one of Anthropic's requests, for chat targets."""

from typing import Any

import pytest

from gateway.translate.messages_chat import MESSAGES_ON_CHAT
from tests.translate.requests import (
    ASK,
    ASKED,
    CALLS,
    PDF,
    PNG,
    RESULT,
    RESULTED,
    THOUGHT,
    USED,
    Doc,
    to_chat,
    translated,
)


def user(*blocks: Doc) -> Doc:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: Doc) -> Doc:
    return {"role": "assistant", "content": list(blocks)}


def text(text: str) -> Doc:
    return {"type": "text", "text": text}


IMAGE = {"type": "image", "source": PNG}
SHOWN = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0="}}
DOCUMENT = {"type": "document", "source": PDF, "title": "a.pdf"}
FILE = {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}}
ANSWERED = {"role": "assistant", "content": "a"}

# fmt: off
# system, turns, messages, what is dropped
CONVERSATIONS: list[tuple[str, Any, list[Doc], list[Doc], list[str]]] = [
    ("texts", None, [ASKED, ANSWERED, ASKED], [ASKED, ANSWERED, ASKED], []),
    ("one block is its text", None, [user(text("q"))], ASK, []),
    ("several stay parts", None, [user(text("q"), text("r"))], [user(text("q"), text("r"))], []),
    ("a system prompt", "s", [ASKED], [{"role": "system", "content": "s"}, ASKED], []),
    ("of blocks", [text("s"), text("t")], [ASKED], [{"role": "system", "content": [text("s"), text("t")]}, ASKED], []),
    ("empty", "", [ASKED], [ASKED], []),
    ("a system turn", None, [ASKED, {"role": "system", "content": "s"}], [ASKED, {"role": "system", "content": "s"}], []),
    ("an image", None, [user(IMAGE)], [user(SHOWN)], []),
    ("an image's URL", None, [user({"type": "image", "source": {"type": "url", "url": "https://x/y.png"}})], [user({"type": "image_url", "image_url": {"url": "https://x/y.png"}})], []),
    ("a file of theirs", None, [user(text("q"), {"type": "image", "source": {"type": "file", "file_id": "f"}})], ASK, ["messages[0].content[1].source"]),
    ("a document", None, [user(DOCUMENT)], [user(FILE)], []),
    ("a document of text", None, [user({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "d"}, "context": "c"})], [{"role": "user", "content": "d"}], ["messages[0].content[0].context"]),
    ("a document of blocks", None, [user({"type": "document", "source": {"type": "content", "content": [text("d"), IMAGE]}, "citations": {"enabled": False}})], [user(text("d"), SHOWN)], []),
    ("citations", None, [user({**DOCUMENT, "citations": {"enabled": True}})], [user(FILE)], ["messages[0].content[0].citations"]),
    ("a document's URL", None, [user(text("q"), {"type": "document", "source": {"type": "url", "url": "https://x"}})], ASK, ["messages[0].content[1].source.url"]),
    ("a search's result", None, [user({"type": "search_result", "title": "t", "source": "s", "content": [text("d")]})], [user(text("t\ns"), text("d"))], []),
    ("what is yet to come", None, [user(text("q"), {"type": "song", "verse": "la"})], ASK, ["messages[0].content[1]"]),
    ("cache marks", None, [user({**text("q"), "cache_control": {"type": "ephemeral"}})], ASK, ["messages[0].content[0].cache_control"]),
    ("a tool's use", None, [ASKED, assistant(USED), user(RESULTED)], [ASKED, {**CALLS, "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}]}, RESULT], []),
    ("a use by the model itself", None, [ASKED, assistant({**USED, "caller": {"type": "direct"}}), user(RESULTED)], [ASKED, {**CALLS, "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}]}, RESULT], []),
    ("text and use", None, [ASKED, assistant(text("a"), USED), user(RESULTED, text("q"))], [ASKED, {"role": "assistant", "content": "a", "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}]}, RESULT, ASKED], []),
    ("input that was no object", None, [ASKED, assistant({**USED, "input": {"INVALID_JSON": "{bad"}}), user(RESULTED)], [ASKED, {**CALLS, "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{bad"}}]}, RESULT], []),
    ("an error", None, [ASKED, assistant(USED), user({**RESULTED, "is_error": True})], [ASKED, {**CALLS, "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}]}, RESULT], ["messages[2].content[0].is_error"]),
    ("a result without content", None, [ASKED, assistant(USED), user({"type": "tool_result", "tool_use_id": "call_1", "is_error": False})], [ASKED, {**CALLS, "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}]}, {**RESULT, "content": ""}], []),
    ("a result with an image", None, [ASKED, assistant(USED), user({**RESULTED, "content": [text("r"), IMAGE]}, text("q"))], [ASKED, {**CALLS, "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}]}, RESULT, user(SHOWN, text("q"))], []),
    ("a result that is an image", None, [ASKED, assistant(USED), user({**RESULTED, "content": [IMAGE]})], [ASKED, {**CALLS, "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}]}, {**RESULT, "content": "The result follows in the user's next message."}, user(SHOWN)], []),
    ("thoughts", None, [ASKED, assistant(THOUGHT, {"type": "redacted_thinking", "data": "x"}, text("a"))], [ASKED, ANSWERED], ["messages[1].content[0]", "messages[1].content[1]"]),
    ("unsigned thoughts", None, [ASKED, assistant({**THOUGHT, "signature": ""}, text("a"))], [ASKED, ANSWERED], ["messages[1].content[0]"]),
    ("thoughts of another chat model", None, [ASKED, assistant({**THOUGHT, "signature": "chat:other"}, text("a"))], [ASKED, ANSWERED], ["messages[1].content[0]"]),
    ("its own thoughts", None, [ASKED, assistant({**THOUGHT, "signature": "chat:m"}, text("a"))], [ASKED, {**ANSWERED, "reasoning_content": "t"}], []),
    ("a server's tool", None, [ASKED, assistant({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}, text("a"))], [ASKED, ANSWERED], ["messages[1].content[0]"]),
    ("nothing but thoughts", None, [ASKED, assistant(THOUGHT), ASKED], [ASKED, ASKED], ["messages[1].content[0]"]),
]
# fmt: on


@pytest.mark.parametrize(
    ("system", "turns", "messages", "dropped"),
    [case[1:] for case in CONVERSATIONS],
    ids=[case[0] for case in CONVERSATIONS],
)
def test_conversations(system: Any, turns: list[Doc], messages: list[Doc], dropped: list[str]) -> None:
    asked: Doc = {"messages": turns} if system is None else {"messages": turns, "system": system}
    out, named = to_chat("m", **asked)
    assert out["messages"] == messages
    assert list(named) == dropped


def test_thoughts_are_never_content() -> None:
    secret = "what it thought"
    turns = [ASKED, assistant({"type": "thinking", "thinking": secret, "signature": "s"}, text("a")), ASKED]
    out, _ = translated(MESSAGES_ON_CHAT, {"max_tokens": 1, "messages": turns})
    assert secret not in str(out)
