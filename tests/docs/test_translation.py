"""Each row of docs/translation.md is true."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.seam import GatewayError
from gateway.translate.chat_messages import CHAT_ON_MESSAGES
from gateway.translate.contract import Translation
from gateway.translate.messages_chat import MESSAGES_ON_CHAT
from tests.translate.answers import to_chat as chat_answer
from tests.translate.answers import to_messages as messages_answer
from tests.translate.requests import translated

PAGE = (Path(__file__).parents[2] / "docs/translation.md").read_text()
MODEL = "claude-haiku-4-5"
BODIES: dict[str, dict[str, Any]] = {"chat": {}, "messages": {"max_tokens": 100}}
FUNCTION: dict[str, Any] = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
TOOL: dict[str, Any] = {"name": "f", "input_schema": {"type": "object"}}


def tables() -> Iterator[tuple[str, str, list[str]]]:
    """Each row of each table: the section, the head of its first column, and its cells."""
    section, head = "", ""
    for line in PAGE.splitlines():
        if line.startswith("## "):
            section = line[3:]
        if not line.startswith("|"):
            head = ""
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not head:
            head = cells[0]
        elif not cells[0].startswith("---"):
            yield section, head, cells


def rows(section: str, *heads: str) -> list[Any]:
    found = [cells for where, head, cells in tables() if where == section and head in heads]
    assert found
    return [pytest.param(cells, id=" ".join(cells[:2])[:70]) for cells in found]


def code(cell: str) -> list[str]:
    return re.findall(r"`([^`]*)`", cell)


def document(cell: str, tool: Any) -> Any:
    """The JSON of a cell, with the definition of the tool that the page calls f."""
    if not cell:
        return {}
    value = json.loads(code(cell)[0])
    if isinstance(value.get("tools"), list):
        value["tools"] = [tool if item == "f" else item for item in value["tools"]]
    return value


def checked(translation: Translation, model: str, asked: str, becomes: str, dropped: str) -> None:
    tools = (FUNCTION, TOOL) if translation.front == "chat" else (TOOL, FUNCTION)
    body = {**BODIES[translation.front], "messages": [{"role": "user", "content": "q"}]}
    plain, _ = translated(translation, body, model)
    out, named = translated(translation, {**body, **document(asked, tools[0])}, model)
    assert out == {**plain, **document(becomes, tools[1])}
    assert sorted(named) == sorted(code(dropped))


def checked_part(translation: Translation, asked: str, becomes: str, dropped: str) -> None:
    content = [{"type": "text", "text": "q"}, json.loads(code(asked)[0])]
    body = {**BODIES[translation.front], "messages": [{"role": "user", "content": content}]}
    out, named = translated(translation, body, MODEL)
    said = out["messages"][0]["content"]
    assert (said[1] if isinstance(said, list) else {}) == document(becomes, None)
    assert list(named) == [f"messages[0].content[1].{path}" for path in code(dropped)]


CHAT, MESSAGES = "A chat request for a Messages target", "A Messages request for a chat target"


@pytest.mark.parametrize("cells", rows(CHAT, "asked"))
def test_chat_requests(cells: list[str]) -> None:
    checked(CHAT_ON_MESSAGES, MODEL, *cells)


@pytest.mark.parametrize("cells", rows(CHAT, "model"))
def test_chat_requests_by_model(cells: list[str]) -> None:
    checked(CHAT_ON_MESSAGES, *cells)


@pytest.mark.parametrize("cells", rows(CHAT, "a user's part"))
def test_chat_parts(cells: list[str]) -> None:
    checked_part(CHAT_ON_MESSAGES, *cells)


@pytest.mark.parametrize("cells", rows(MESSAGES, "asked"))
def test_messages_requests(cells: list[str]) -> None:
    checked(MESSAGES_ON_CHAT, MODEL, *cells)


@pytest.mark.parametrize("cells", rows(MESSAGES, "model"))
def test_messages_requests_by_model(cells: list[str]) -> None:
    model, asked, becomes, dropped = cells
    checked(MESSAGES_ON_CHAT, model, asked, becomes, dropped)


@pytest.mark.parametrize("cells", rows(MESSAGES, "a user's block"))
def test_messages_blocks(cells: list[str]) -> None:
    checked_part(MESSAGES_ON_CHAT, *cells)


@pytest.mark.parametrize("cells", rows("Answers", "Anthropic stops with"))
async def test_stop_reasons(cells: list[str]) -> None:
    use = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    for reason in code(cells[0]):
        content = [use] if reason == "tool_use" else []
        answer = {"id": "msg_01", "type": "message", "model": "m", "content": content, "stop_reason": reason}
        made = await chat_answer(answer)
        assert made["choices"][0]["finish_reason"] == code(cells[1])[0]
        assert made["id"] == "chatcmpl-01"


@pytest.mark.parametrize("cells", rows("Answers", "chat finishes with"))
async def test_finish_reasons(cells: list[str]) -> None:
    call = {"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    for reason in code(cells[0]):
        said = {"tool_calls": [call]} if "call" in reason else {"content": "a"}
        choice = {"index": 0, "message": said, "finish_reason": reason}
        made = await messages_answer({"id": "chatcmpl-01", "model": "m", "choices": [choice]})
        assert made["stop_reason"] == code(cells[1])[0]
        assert made["id"] == "msg_01"


@pytest.mark.parametrize("cells", rows("Errors", "Anthropic's target"))
def test_errors_of_anthropics(cells: list[str]) -> None:
    checked_error(CHAT_ON_MESSAGES, cells)


@pytest.mark.parametrize("cells", rows("Errors", "OpenAI's target"))
def test_errors_of_openais(cells: list[str]) -> None:
    checked_error(MESSAGES_ON_CHAT, cells)


def checked_error(translation: Translation, cells: list[str]) -> None:
    error = translation.error(GatewayError("m", status=int(cells[0].split()[0]), type=code(cells[0])[0]))
    assert [str(error.status), error.type] == [cells[1].split()[0], code(cells[1])[0]]
