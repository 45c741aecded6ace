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


INSTRUCTED = {"chat": "messages", "messages": "system"}
"""The top-level member that holds a dialect's system text."""


def instructed(surface: str, value: Any, text: str) -> Any:
    """That member's value with a system text in front of what it holds; None where it is not of the shape.

    A list is not opened further: its items may be unread JSON.
    """
    if surface == "chat":
        return [{"role": "system", "content": text}, *value] if isinstance(value, list) else None
    if value is None:
        return text
    if isinstance(value, str):
        return f"{text}\n\n{value}"
    return [{"type": "text", "text": text}, *value] if isinstance(value, list) else None


_ORIGINS: dict[str, Origin] = {
    "system": "system",
    "developer": "system",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}


_INPUTS = {"completions": ("prompt", "suffix"), "embeddings": ("input",), "moderations": ("input",)}
"""Members that hold a text, or a list of texts or of pieces of content; numbers among them are tokens, and no text."""


def places(surface: str, body: Any) -> Iterator[Place]:
    """Every text of a request, in the order of the document."""
    if not isinstance(body, dict):
        return
    for name in _INPUTS.get(surface, ()):
        yield from _content(body.get(name), (name,), "user", "user")
    if surface in ("messages", "count_tokens"):
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
    for name in ("refusal", "reasoning_content", "reasoning"):
        if isinstance(message.get(name), str):
            yield Place((*path, name), role, origin)
    calls = message.get("tool_calls")
    for number, call in enumerate(calls if isinstance(calls, list) else ()):
        if isinstance(call, dict):
            for kind, field in (("function", "arguments"), ("custom", "input")):
                yield from _field(call.get(kind), field, (*path, "tool_calls", number, kind), role, origin)
    yield from _field(message.get("function_call"), "arguments", (*path, "function_call"), role, origin)


def _field(holder: Any, name: str, path: Path, role: str, origin: Origin) -> Iterator[Place]:
    if isinstance(holder, dict) and isinstance(holder.get(name), str):
        yield Place((*path, name), role, origin)


def _content(content: Any, path: Path, role: str, origin: Origin) -> Iterator[Place]:
    if isinstance(content, str):
        yield Place(path, role, origin)
    for number, piece in enumerate(content if isinstance(content, list) else ()):
        if isinstance(piece, dict):
            yield from _piece(piece, (*path, number), role, origin)
        elif isinstance(piece, str):
            yield Place((*path, number), role, origin)


def _piece(piece: dict[str, Any], path: Path, role: str, origin: Origin) -> Iterator[Place]:
    # A thinking block is signed to the letter, so that nobody may write it: it is not among the texts.
    for name in ("text", "refusal"):
        yield from _field(piece, name, path, role, origin)
    match piece.get("type"):
        case "tool_result" | "mcp_tool_result" | "search_result":
            yield from _content(piece.get("content"), (*path, "content"), role, "tool")
        case "document":
            source = piece.get("source")
            if isinstance(source, dict):
                yield from _content(source.get("content"), (*path, "source", "content"), role, origin)
                if source.get("type") == "text":
                    yield from _field(source, "data", (*path, "source"), role, origin)
        case "tool_use" | "server_tool_use" | "mcp_tool_use":
            yield from _leaves(piece.get("input"), (*path, "input"), role, origin)


def _leaves(value: Any, path: Path, role: str, origin: Origin) -> Iterator[Place]:
    """Each string of a tool's input, which is an object here and not its source."""
    if isinstance(value, str):
        yield Place(path, role, origin)
    elif isinstance(value, dict | list):
        for step, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(item, (*path, step), role, origin)
