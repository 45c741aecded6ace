"""Where the texts of a request stand, by dialect. Tolerant: what is not of the shape is passed over, not refused."""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

Path = tuple[str | int, ...]
Origin = Literal["system", "user", "assistant", "tool"]


class Place(NamedTuple):
    """Where a text stands in the document, the role it has there, and who wrote it."""

    path: Path
    role: str
    origin: Origin


_ORIGINS: dict[str, Origin] = {
    "system": "system",
    "developer": "system",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}


def places(surface: str, body: Any) -> Iterator[Place]:
    """Every text of a request of `chat` or `messages`, in the order of the document."""
    if not isinstance(body, dict):
        return
    if surface == "messages":
        yield from _content(body.get("system"), ("system",), "system", "system")
    messages = body.get("messages")
    for number, message in enumerate(messages if isinstance(messages, list) else ()):
        if isinstance(message, dict):
            yield from _message(message, ("messages", number))
    prediction = body.get("prediction")
    if isinstance(prediction, dict):
        yield from _content(prediction.get("content"), ("prediction", "content"), "assistant", "user")


def _message(message: dict[str, Any], path: Path) -> Iterator[Place]:
    role = message.get("role")
    role = role if isinstance(role, str) else ""
    origin = _ORIGINS.get(role, "user")
    yield from _content(message.get("content"), (*path, "content"), role, origin)
    calls = message.get("tool_calls")
    for number, call in enumerate(calls if isinstance(calls, list) else ()):
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict) and isinstance(function.get("arguments"), str):
            yield Place((*path, "tool_calls", number, "function", "arguments"), role, origin)


def _content(content: Any, path: Path, role: str, origin: Origin) -> Iterator[Place]:
    if isinstance(content, str):
        yield Place(path, role, origin)
    for number, piece in enumerate(content if isinstance(content, list) else ()):
        if not isinstance(piece, dict):
            continue
        if isinstance(piece.get("text"), str):
            yield Place((*path, number, "text"), role, origin)
        elif piece.get("type") == "tool_result":
            yield from _content(piece.get("content"), (*path, number, "content"), role, "tool")
