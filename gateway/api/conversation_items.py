"""Kept messages as items of OpenAI's Conversations API, and back.

A message with tool calls is several items there: its text, and each call. What they are kept as is the chat message.
(https://platform.openai.com/docs/api-reference/conversations/list-items)
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from gateway.seam import InvalidRequest
from gateway.wire.verbatim import INVALID, encode, mend

ROLES = ("user", "assistant", "system", "developer")
_ID = re.compile(r"[a-z]+_([0-9a-f]{32})(?:_\d{1,4})?")
_TEXTS = ("input_text", "output_text", "text")
_ALLOWED = "message, function_call or function_call_output"


def row_of(identity: str) -> str | None:
    """The id of the message that an item is of; None where it is the id of none."""
    found = _ID.fullmatch(identity)
    return None if found is None else found[1]


def items_of(row: str, source: bytes) -> list[dict[str, Any]]:
    """The items that a kept message is, in their order; at least one."""
    try:
        message = msgspec.json.decode(mend(source))
    except INVALID:
        message = None
    if not isinstance(message, dict):
        message = {}
    role = message.get("role")
    if role == "tool":
        output = _parts(message.get("content"), "input_text")
        return [
            {
                "type": "function_call_output",
                "id": f"fco_{row}",
                "call_id": message.get("tool_call_id"),
                "output": "".join(part.get("text", "") for part in output),
                "status": "completed",
            }
        ]
    calls = [call for call in message.get("tool_calls") or () if isinstance(call, dict)]
    content = _parts(message.get("content"), "output_text" if role == "assistant" else "input_text")
    if isinstance(message.get("refusal"), str):
        content.append({"type": "refusal", "refusal": message["refusal"]})
    items: list[dict[str, Any]] = []
    if content or not calls:
        items.append(
            {
                "type": "message",
                "id": f"msg_{row}",
                "role": role if role in ROLES else "unknown",
                "status": "completed",
                "content": content,
            }
        )
    return items + [_call(f"fc_{row}_{number}", call) for number, call in enumerate(calls)]


def messages_of(items: Sequence[Any]) -> list[bytes]:
    """The chat messages that items are. Raises `InvalidRequest` with the place of what is none."""
    messages: list[dict[str, Any]] = []
    for number, item in enumerate(items):
        place = f"items[{number}]"
        if not isinstance(item, dict):
            raise _wrong(place, "expected an object")
        kind = item.get("type", "message")
        if kind == "message":
            messages.append(_message(item, place))
        elif kind == "function_call":
            call = {
                "id": _string(item, "call_id", place),
                "type": "function",
                "function": {"name": _string(item, "name", place), "arguments": _string(item, "arguments", place)},
            }
            last = messages[-1] if messages else {}
            if last.get("role") == "assistant":  # calls at one time are one message's
                last.setdefault("tool_calls", []).append(call)
            else:
                messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
        elif kind == "function_call_output":
            output = item.get("output")
            content = output if isinstance(output, str) else _content(output, f"{place}.output")
            messages.append({"role": "tool", "tool_call_id": _string(item, "call_id", place), "content": content})
        else:
            raise _wrong(f"{place}.type", f"expected {_ALLOWED}, found {kind!r:.60}")
    return [encode(message) for message in messages]


def _message(item: Mapping[str, Any], place: str) -> dict[str, Any]:
    role = item.get("role")
    if role not in ROLES:
        raise _wrong(f"{place}.role", f"expected one of {', '.join(ROLES)}, found {role!r:.60}")
    content = item.get("content")
    return {"role": role, "content": content if isinstance(content, str) else _content(content, f"{place}.content")}


def _content(parts: Any, place: str) -> str | list[dict[str, Any]]:
    if not isinstance(parts, list):
        raise _wrong(place, "expected a string or an array of parts")
    read = [_part(part, f"{place}[{number}]") for number, part in enumerate(parts)]
    if len(read) == 1 and read[0]["type"] == "text":
        text: str = read[0]["text"]
        return text
    return read


def _part(part: Any, place: str) -> dict[str, Any]:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind in _TEXTS:
        return {"type": "text", "text": _string(part, "text", place)}
    if kind == "refusal":
        return {"type": "refusal", "refusal": _string(part, "refusal", place)}
    if kind == "input_image":
        detail = {"detail": part["detail"]} if isinstance(part.get("detail"), str) else {}
        return {"type": "image_url", "image_url": {"url": _string(part, "image_url", place), **detail}}
    if kind == "input_file":
        named = {name: part[name] for name in ("file_id", "file_data", "filename") if isinstance(part.get(name), str)}
        return {"type": "file", "file": named}
    raise _wrong(place, f"expected a part of text, an input_image or an input_file, found {kind!r:.60}")


def _parts(content: Any, text: str) -> list[dict[str, Any]]:
    if isinstance(content, str):
        content = [{"type": "text", "text": content}] if content else []
    return [_shown(part, text) for part in content if isinstance(part, dict)] if isinstance(content, list) else []


def _shown(part: dict[str, Any], text: str) -> dict[str, Any]:
    kind = part.get("type")
    if kind == "text":
        extra: dict[str, Any] = {"annotations": []} if text == "output_text" else {}
        return {"type": text, "text": part.get("text"), **extra}
    if kind == "image_url" and isinstance(part.get("image_url"), dict):
        image = part["image_url"]
        return {"type": "input_image", "image_url": image.get("url"), "detail": image.get("detail") or "auto"}
    if kind == "file" and isinstance(part.get("file"), dict):
        return {"type": "input_file", **part["file"]}
    return part


def _call(identity: str, call: Mapping[str, Any]) -> dict[str, Any]:
    shared = {"id": identity, "call_id": call.get("id"), "status": "completed"}
    custom = call.get("custom")
    if isinstance(custom, dict):
        return {"type": "custom_tool_call", **shared, "name": custom.get("name"), "input": custom.get("input")}
    found = call.get("function")
    function = found if isinstance(found, dict) else {}
    return {
        "type": "function_call",
        **shared,
        "name": function.get("name"),
        "arguments": function.get("arguments"),
    }


def _string(item: Mapping[str, Any], name: str, place: str) -> str:
    value = item.get(name)
    if not isinstance(value, str):
        raise _wrong(f"{place}.{name}", f"expected a string, found {value!r:.60}")
    return value


def _wrong(place: str, message: str) -> InvalidRequest:
    return InvalidRequest(f"{place}: {message}.", param=place, code="invalid_value")
