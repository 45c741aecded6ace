"""Chat chunks into one completion, and a completion into chunks, without loss.

Nothing is decoded that need not be: numbers stay source text, and strings are joined as source text, so that integers
of any size, escapes and halves of surrogate pairs that two chunks share all survive.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Raw

from gateway.wire.verbatim import (
    NULL,
    Object,
    encode,
    integer,
    is_null,
    open_array,
    open_object,
    open_objects,
    sheltered,
)

_NAMES = frozenset({"role", "id", "type", "name", "object", "index", "format"})
"""Strings that a chunk repeats rather than continues."""


class _Text:
    """A string that grows: the source text between its quotes, in pieces."""

    __slots__ = ("pieces",)

    def __init__(self, source: bytes) -> None:
        self.pieces = [source[1:-1]]

    def raw(self) -> Raw:
        return Raw(b'"' + b"".join(self.pieces) + b'"')


def _open(value: Any) -> Any:
    """A value whose strings can grow, whose lists and objects can be added to, and whose other leaves stay bytes."""
    source = bytes(value)
    match source[:1]:
        case b'"':
            return _Text(source)
        case b"{":
            return {name: _open(item) for name, item in open_object(source).items()}
        case b"[":
            return [_open(item) for item in open_array(source)]
        case _:
            return Raw(source)


def _close(tree: Any) -> Any:
    if isinstance(tree, _Text):
        return tree.raw()
    if isinstance(tree, dict):
        return {name: _close(item) for name, item in tree.items()}
    if isinstance(tree, list):
        return [_close(item) for item in tree]
    return tree


def _merge(into: dict[str, Any], more: dict[str, Any]) -> None:
    """Add what a chunk brought (`more`) to what came before."""
    for name, new in more.items():
        old = into.get(name)
        if old is None or (isinstance(old, Raw) and is_null(old)):
            into[name] = new
        elif isinstance(new, Raw):
            if not is_null(new):
                into[name] = new
        elif isinstance(old, _Text) and isinstance(new, _Text):
            if name not in _NAMES:
                old.pieces += new.pieces
            elif new.pieces != [b""]:
                into[name] = new
        elif isinstance(old, dict) and isinstance(new, dict):
            _merge(old, new)
        elif isinstance(old, list) and isinstance(new, list):
            _merge_items(old, new)
        elif name == "content" and isinstance(old, _Text | list) and isinstance(new, _Text | list):
            into[name] = [*_pieces(old), *_pieces(new)]
        else:
            into[name] = new


def _pieces(content: Any) -> list[Any]:
    """Content as a list: some servers think in a list and then answer in a string."""
    if isinstance(content, list):
        return content
    return [] if content.pieces == [b""] else [{"type": _Text(b'"text"'), "text": content}]


def _merge_items(into: list[Any], more: list[Any]) -> None:
    """Items that carry an `index` continue the item of that index; others are added."""
    known = len(into)
    for item in more:
        at = _position(into[:known], item)
        if at is None:
            into.append(item)
        else:
            _merge(into[at], item)


def _position(items: list[Any], item: Any) -> int | None:
    index = item.get("index") if isinstance(item, dict) else None
    if index is None:
        return None
    for at in range(len(items) - 1, -1, -1):
        old = items[at]
        if isinstance(old, dict) and (mine := old.get("index")) is not None and bytes(mine) == bytes(index):
            # Some servers give every parallel tool call index 0: a new id is a new call.
            return None if _other(old.get("id"), item.get("id")) else at
    return None


def _other(old: Any, new: Any) -> bool:
    if not isinstance(old, _Text) or not isinstance(new, _Text):
        return False
    return b"".join(old.pieces) != b"".join(new.pieces) and new.pieces != [b""]


def fold(sources: Iterable[bytes]) -> bytes:
    """Join the JSON texts of a stream's chunks into one `chat.completion`.

    A message gets the keys that the published schema requires (`content`, `refusal`; `logprobs` on its choice) as null
    where no chunk brought them. Raises what `verbatim.INVALID` lists, and ValueError.
    """
    (source,) = sheltered(lambda events: [_fold(events)], sources)
    return source


def _fold(sources: list[bytes]) -> bytes:
    top: Object = {}
    choices: dict[int, dict[str, Any]] = {}
    for source in sources:
        for name, value in open_object(source).items():
            if name == "choices":
                if not is_null(value):
                    _add_choices(choices, open_objects(value))
            elif name == "obfuscation":
                continue  # padding of one event, against reading its length
            elif name not in top or bytes(value) not in (b"null", b'""'):
                top[name] = value
    top["object"] = "chat.completion"
    top["choices"] = [_finished(choices[index]) for index in sorted(choices)]
    return encode(top)


def _add_choices(choices: dict[int, dict[str, Any]], more: list[dict[str, Raw]]) -> None:
    for position, new in enumerate(more):
        index = integer(new.pop("index", None), position)
        choice = choices.setdefault(index, {"index": Raw(b"%d" % index)})
        delta, message = new.pop("delta", NULL), new.pop("message", NULL)
        if is_null(delta):
            delta = message
        if not is_null(delta):
            opened = {name: _open(value) for name, value in open_object(delta).items()}
            if "tool_calls" in opened:
                opened["tool_calls"] = _numbered(opened["tool_calls"])
            _merge(choice.setdefault("message", {}), opened)
        for name, value in new.items():
            if name == "logprobs":
                _merge(choice, {name: _open(value)})
            elif name not in choice or not is_null(value):
                choice[name] = value


def _numbered(calls: Any) -> Any:
    """Tool calls of one chunk: those without index have that of their place, and each stands there once."""
    if not isinstance(calls, list):
        return calls
    found: list[Any] = []
    for position, call in enumerate(calls):
        if not isinstance(call, dict):
            raise ValueError("a tool call is no object")
        index = call.get("index")
        if index is not None and not isinstance(index, Raw):
            raise ValueError("a tool call's index is no number")
        call["index"] = Raw(b"%d" % integer(index, position))
        _merge_items(found, [call])
    return found


def _finished(choice: dict[str, Any]) -> Object:
    message = choice.setdefault("message", {})
    for name in ("content", "refusal"):
        message.setdefault(name, NULL)
    if "role" not in message:
        message["role"] = _Text(b'"assistant"')
    calls = message.get("tool_calls")
    if isinstance(calls, list):
        calls.sort(key=lambda call: int(bytes(call["index"])))
        for call in calls:
            del call["index"]
    thoughts = message.get("thinking_blocks")
    for thought in thoughts if isinstance(thoughts, list) else ():
        if isinstance(thought, dict):  # as with calls, only deltas are numbered
            thought.pop("index", None)
    for name in ("logprobs", "finish_reason"):
        choice.setdefault(name, NULL)
    return {name: _close(value) for name, value in choice.items()}


def unfold(source: bytes) -> list[bytes]:
    """Split a `chat.completion` into the JSON texts of chunks that fold to it again.

    Each choice comes as one chunk with its whole message and one with its finish reason; usage, where there is any, as
    a chunk of its own with no choices. Tool calls are numbered by their place, whatever `index` they came with. Raises
    what `verbatim.INVALID` lists, and ValueError.
    """
    return sheltered(lambda sources: list(_unfold(*sources)), (source,))


def _unfold(source: bytes) -> Iterator[bytes]:
    base: Object = dict(open_object(source))
    choices: list[Object] = list(open_objects(base.pop("choices", b"[]")))
    usage = base.get("usage")
    base["object"] = "chat.completion.chunk"
    if usage is not None:
        base["usage"] = NULL
    if not choices:
        yield encode(base | {"choices": choices})
    for position, choice in enumerate(choices):
        index = choice["index"] = integer(choice.get("index"), position)
        delta: Object = dict(open_object(choice.pop("message", b"{}")))
        calls = delta.get("tool_calls")
        if calls is not None and not is_null(calls):
            delta["tool_calls"] = [{**call, "index": n} for n, call in enumerate(open_objects(calls))]
        finish = choice.pop("finish_reason", NULL)
        yield encode(base | {"choices": [choice | {"delta": delta, "finish_reason": NULL}]})
        yield encode(base | {"choices": [{"index": index, "delta": {}, "finish_reason": finish}]})
    if usage is not None and not is_null(usage):
        yield encode(base | {"choices": [], "usage": usage})
