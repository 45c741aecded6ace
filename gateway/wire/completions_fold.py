"""Events of a text completion into one, and one into events, without loss: numbers and strings stay source text."""

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


def fold(sources: Iterable[bytes]) -> bytes:
    """Join the JSON texts of a stream's events into one `text_completion`.

    A choice gets the keys that the published schema requires (`text`, `logprobs`, `finish_reason`) where no event
    brought them. Raises what `verbatim.INVALID` lists, and ValueError.
    """
    (source,) = sheltered(lambda events: [_fold(events)], sources)
    return source


def _fold(sources: list[bytes]) -> bytes:
    top: Object = {}
    choices: dict[int, Object] = {}
    for source in sources:
        for name, value in open_object(source).items():
            if name == "choices":
                for position, new in enumerate([] if is_null(value) else open_objects(value)):
                    index = integer(new.pop("index", None), position)
                    _continue(choices.setdefault(index, {"text": [], "index": index}), new)
            elif name != "obfuscation" and (name not in top or bytes(value) not in (b"null", b'""')):
                top[name] = value
    top["choices"] = [_finished(choices[index]) for index in sorted(choices)]
    return encode(top)


def _continue(choice: Object, new: dict[str, Raw]) -> None:
    """Add what an event brought of a choice. A list continues the list of before: `logprobs` is made of such."""
    for name, value in new.items():
        old = choice.get(name, NULL)
        if name == "text":
            old += [] if is_null(value) else [_inside(value)]
        elif isinstance(old, Raw) and is_null(old):
            choice[name] = _opened(value)
        elif not is_null(value):
            choice[name] = _joined(old, _opened(value))


def _inside(string: Raw) -> bytes:
    """A string's source text without its quotes."""
    source = bytes(string)
    if source[:1] != b'"':
        raise ValueError("a choice's text is no string")
    return source[1:-1]


def _opened(value: Raw) -> Any:
    match bytes(value)[:1]:
        case b"[":
            return open_array(value)
        case b"{":
            return {name: _opened(item) for name, item in open_object(value).items()}
        case _:
            return value


def _joined(old: Any, new: Any) -> Any:
    """What `old`, which grows in place, and `new` come to: a stream may have many thousand events."""
    if isinstance(old, list) and isinstance(new, list):
        old += new
        return old
    if isinstance(old, dict) and isinstance(new, dict):
        for name, value in new.items():
            old[name] = _joined(old[name], value) if name in old else value
        return old
    return old if isinstance(new, Raw) and is_null(new) else new


def _finished(choice: Object) -> Object:
    choice["text"] = Raw(b'"%s"' % b"".join(choice["text"]))
    return choice | {name: choice.get(name, NULL) for name in ("logprobs", "finish_reason")}


def unfold(source: bytes) -> list[bytes]:
    """Split a `text_completion` into the JSON texts of events that fold to it again.

    Each choice comes as one event with all its text and one with its finish reason; usage, where there is any, as an
    event of its own with no choices. Raises what `verbatim.INVALID` lists, and ValueError.
    """
    return sheltered(lambda sources: list(_unfold(*sources)), (source,))


def _unfold(source: bytes) -> Iterator[bytes]:
    base: Object = dict(open_object(source))
    choices: list[Object] = list(open_objects(base.pop("choices", b"[]")))
    usage = base.get("usage")
    if usage is not None:
        base["usage"] = NULL
    if not choices:
        yield encode(base | {"choices": choices})
    for position, choice in enumerate(choices):
        index = choice["index"] = integer(choice.get("index"), position)
        finish = choice.pop("finish_reason", NULL)
        yield encode(base | {"choices": [choice | {"finish_reason": NULL}]})
        end = {"text": "", "index": index, "logprobs": NULL, "finish_reason": finish}
        yield encode(base | {"choices": [end]})
    if usage is not None and not is_null(usage):
        yield encode(base | {"choices": [], "usage": usage})
