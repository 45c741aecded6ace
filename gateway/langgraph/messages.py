"""The messages of a chat request as LangChain's, and back.

What a client sends is read here field by field, rather than by LangChain's own reader: that one takes ids, removals and
serialised objects too, by which a client could change what a thread remembers.
"""

import json
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    InvalidToolCall,
    SystemMessage,
    ToolCall,
    ToolMessage,
    convert_to_openai_data_block,
    is_data_content_block,
)

from gateway.seam import InvalidRequest

DEVELOPER = "__openai_role__"
"""Where LangChain keeps that a system message is a developer's."""
_KEPT = ("audio", "cache_control", "function_call", "reasoning_content", "refusal")
"""What LangChain has no field for, and keeps among `additional_kwargs`."""
_NOT_SAID = frozenset(("function_call", "reasoning", "redacted_thinking", "thinking", "tool_call", "tool_use"))
"""Blocks of an answer that are no content of a chat message; its tool calls stand apart."""


def from_chat(messages: Any) -> list[BaseMessage]:
    """The messages of a chat request. Raises `InvalidRequest` where one of them is none.

    Texts, images, audio and files stay as they are; so do names, tool calls and their results, and a developer's role.
    """
    if not isinstance(messages, list):
        raise InvalidRequest("'messages' must be an array of messages.", param="messages")
    return [_message(given, f"messages[{number}]") for number, given in enumerate(messages)]


def to_chat(messages: Sequence[BaseMessage]) -> list[dict[str, Any]]:
    """LangChain's messages as those of a chat request. Raises `ValueError` for one that has no place there."""
    return [_chat(message) for message in messages]


def chat_calls(calls: Sequence[ToolCall]) -> list[dict[str, Any]]:
    """Tool calls as those of a chat message."""
    return [_call(call["id"], call["name"], json.dumps(call["args"], ensure_ascii=False)) for call in calls]


def _message(given: Any, place: str) -> BaseMessage:
    if not isinstance(given, dict):
        raise _wrong(place, "must be an object")
    role = given.get("role")
    more: dict[str, Any] = {name: given[name] for name in _KEPT if given.get(name) is not None}
    fields: dict[str, Any] = {"content": _content(given.get("content"), place), "additional_kwargs": more}
    if (name := given.get("name")) is not None:
        fields["name"] = _text(name, f"{place}.name")
    match role:
        case "user":
            return HumanMessage(**fields)
        case "assistant":
            calls, broken = _calls(given.get("tool_calls"), f"{place}.tool_calls")
            return AIMessage(**fields, tool_calls=calls, invalid_tool_calls=broken)
        case "tool":
            return ToolMessage(**fields, tool_call_id=_text(given.get("tool_call_id"), f"{place}.tool_call_id"))
        case "system" | "developer":
            more |= {DEVELOPER: role} if role == "developer" else {}
            return SystemMessage(**fields)
        case "function":
            return FunctionMessage(**fields | {"name": _text(name, f"{place}.name")})
    raise _wrong(f"{place}.role", f"must be system, developer, user, assistant or tool, found {role!r}")


def _content(given: Any, place: str) -> str | list[str | dict[str, Any]]:
    if given is None:
        return ""
    if isinstance(given, str):
        return given
    if isinstance(given, list) and all(isinstance(part, dict) for part in given):
        return list(given)
    raise _wrong(f"{place}.content", "must be a text or an array of parts")


def _text(given: Any, place: str) -> str:
    if not isinstance(given, str):
        raise _wrong(place, "must be a text")
    return given


def _calls(given: Any, place: str) -> tuple[list[ToolCall], list[InvalidToolCall]]:
    """Tool calls, and those whose arguments are no JSON object: models write such, and are told so."""
    calls: list[ToolCall] = []
    broken: list[InvalidToolCall] = []
    if given is not None and not isinstance(given, list):
        raise _wrong(place, "must be an array of tool calls")
    for number, call in enumerate(given or ()):
        at = f"{place}[{number}]"
        made = call.get("function", call.get("custom")) if isinstance(call, dict) else None
        if not isinstance(made, dict):
            raise _wrong(at, "must be a tool call")
        name, source = _text(made.get("name"), f"{at}.name"), made.get("arguments", made.get("input"))
        key = _text(call.get("id"), f"{at}.id")
        args = _object(source)
        if args is None:
            broken.append(InvalidToolCall(type="invalid_tool_call", name=name, args=str(source), id=key, error=None))
        else:
            calls.append(ToolCall(type="tool_call", name=name, args=args, id=key))
    return calls, broken


def _object(source: Any) -> dict[str, Any] | None:
    try:
        found = json.loads(source or "{}")
    except (TypeError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _wrong(place: str, expected: str) -> InvalidRequest:
    return InvalidRequest(f"{place} {expected}.", param=place)


def _chat(message: BaseMessage) -> dict[str, Any]:
    more = message.additional_kwargs
    chat: dict[str, Any] = {"role": _role(message), "content": _blocks(message.content)}
    if message.name:
        chat["name"] = message.name
    if isinstance(message, AIMessage):
        chat["content"] = str(message.text) or None
        broken = [_call(one["id"], one["name"], one["args"]) for one in message.invalid_tool_calls]
        if calls := [*chat_calls(message.tool_calls), *broken]:
            chat["tool_calls"] = calls
    elif isinstance(message, ToolMessage):
        chat["tool_call_id"] = message.tool_call_id
    chat |= {name: more[name] for name in _KEPT if more.get(name) is not None}
    return chat


def _role(message: BaseMessage) -> str:
    match message:
        case HumanMessage():
            return "user"
        case AIMessage():
            return "assistant"
        case ToolMessage():
            return "tool"
        case SystemMessage():
            return str(message.additional_kwargs.get(DEVELOPER, "system"))
        case FunctionMessage():
            return "function"
        case ChatMessage():
            return message.role
    raise ValueError(f"a {type(message).__name__} is no message that a model could read")


def _blocks(content: str | list[Any]) -> str | list[dict[str, Any]]:
    if isinstance(content, str):
        return content
    blocks = [{"type": "text", "text": block} if isinstance(block, str) else block for block in content]
    return [_block(block) for block in blocks if block.get("type") not in _NOT_SAID]


def _block(block: dict[str, Any]) -> dict[str, Any]:
    """A block as OpenAI has it; one that nobody knows stays as it is."""
    known: dict[str, Any] = convert_to_openai_data_block(block) if is_data_content_block(block) else block
    return known


def _call(key: str | None, name: str | None, arguments: str | None) -> dict[str, Any]:
    return {"id": key, "type": "function", "function": {"name": name, "arguments": arguments or ""}}
