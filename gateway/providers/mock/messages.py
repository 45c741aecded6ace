"""The conversation of a request: refused where OpenAI would refuse it, and read as text."""

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.providers.mock.refusals import missing, refused, wrong_length, wrong_type, wrong_value

Message = Mapping[str, Any]

ROLES = ("system", "assistant", "user", "function", "tool", "developer")
_PARTS = ("text", "image_url", "input_audio", "refusal", "file", "video_url")
_INSTEAD = ("tool_calls", "function_call", "refusal", "audio")
"""What an assistant's message may hold in place of content."""


def checked(messages: Any) -> Sequence[Message]:
    """The messages, if they are a conversation. Raises `InvalidRequest` with the place of the first fault."""
    if messages is None:
        raise missing("messages")
    if type(messages) is not list:
        raise wrong_type("messages", "an array of objects", messages)
    if not messages:
        raise wrong_length("messages", "minimum length 1", 0)
    pending: set[str] = set()  # tool calls that wait for their results
    for number, message in enumerate(messages):
        if type(message) is not dict:
            raise wrong_type(f"messages[{number}]", "an object", message)
        role = message.get("role")
        if type(role) is not str or role not in ROLES:
            raise _role(number, message)
        content = message.get("content")
        if type(content) is not str:
            _check_content(f"messages[{number}].content", message, role, content)
        if role == "function" and type(message.get("name")) is not str:
            raise missing(f"messages[{number}].name")
        if role == "tool":
            _check_result(f"messages[{number}]", message, pending)
        elif pending:
            raise _unanswered(number, pending)
        elif message.get("tool_calls") is not None:
            pending = _call_ids(f"messages[{number}].tool_calls", message["tool_calls"])
    if pending:
        raise _unanswered(len(messages), pending)
    return messages


def text_of(message: Message) -> str:
    """A message's texts, joined; what is no text (images, audio) is passed over."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    return "".join([part["text"] for part in content or () if "text" in part and part["type"] == "text"])


def last_user_text(messages: Sequence[Message]) -> str:
    """What the user said last; empty where no user spoke."""
    for message in reversed(messages):
        if message["role"] == "user":
            return text_of(message)
    return ""


def results(messages: Sequence[Message]) -> list[tuple[str, str]]:
    """The tool results that the conversation ends with: the tools' names and their texts."""
    found: list[tuple[str, str]] = []
    calls: dict[str, str] = {}
    for message in reversed(messages):
        if message["role"] == "tool":
            found.append((message["tool_call_id"], text_of(message)))
        elif message["role"] == "function":
            found.append((message["name"], text_of(message)))
        else:
            calls = _call_names(message)
            break
    return [(calls.get(name, name), text) for name, text in reversed(found)]


def _role(number: int, message: Message) -> Exception:
    role = message.get("role")
    if role is None:
        return missing(f"messages[{number}].role")
    if not isinstance(role, str):
        return wrong_type(f"messages[{number}].role", "a string", role)
    return wrong_value(f"messages[{number}].role", role, ROLES)


def _check_content(param: str, message: Message, role: str, content: Any) -> None:
    if content is None:
        if role == "assistant" and any(message.get(name) is not None for name in _INSTEAD):
            return
        if "content" not in message:
            raise missing(param)
        raise wrong_type(param, "a string or an array of objects", content)
    if not isinstance(content, list):
        raise wrong_type(param, "a string or an array of objects", content)
    if not content:
        raise wrong_length(param, "minimum length 1", 0)
    for number, part in enumerate(content):
        place = f"{param}[{number}]"
        if not isinstance(part, dict):
            raise wrong_type(place, "an object", part)
        kind = part.get("type")
        if kind is None:
            raise missing(f"{place}.type")
        if kind not in _PARTS:
            raise wrong_value(f"{place}.type", kind, _PARTS)
        if kind == "text" and not isinstance(part.get("text"), str):
            raise wrong_type(f"{place}.text", "a string", part["text"]) if "text" in part else missing(f"{place}.text")


def _check_result(place: str, message: Message, pending: set[str]) -> None:
    call = message.get("tool_call_id")
    if call is None:
        raise missing(f"{place}.tool_call_id")
    if not isinstance(call, str):
        raise wrong_type(f"{place}.tool_call_id", "a string", call)
    if call not in pending:
        raise refused(
            place,
            "Messages with role 'tool' must be a response to a preceding message with 'tool_calls'; "
            f"no such call has the id '{call[:100]}'.",
        )
    pending.discard(call)


def _unanswered(number: int, pending: set[str]) -> Exception:
    return refused(
        f"messages[{number}].role",
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. "
        f"The following tool_call_ids did not have response messages: {', '.join(sorted(pending))[:200]}",
    )


def _call_ids(param: str, calls: Any) -> set[str]:
    if not isinstance(calls, list):
        raise wrong_type(param, "an array of objects", calls)
    if not calls:
        raise wrong_length(param, "minimum length 1", 0)
    ids = set()
    for number, call in enumerate(calls):
        if not isinstance(call, dict):
            raise wrong_type(f"{param}[{number}]", "an object", call)
        if not isinstance(call.get("id"), str):
            raise missing(f"{param}[{number}].id")
        if not isinstance(call.get("function", call.get("custom")), dict):
            raise missing(f"{param}[{number}].function")
        ids.add(call["id"])
    return ids


def _call_names(message: Message) -> dict[str, str]:
    calls = message.get("tool_calls") or ()
    return {call["id"]: str(call.get("function", call.get("custom")).get("name", call["id"])) for call in calls}
