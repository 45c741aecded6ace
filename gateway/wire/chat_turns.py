"""What a chat request's messages say, unopened but for the roles and the one text that is asked for."""

from collections.abc import Sequence

import msgspec
from msgspec import Raw, Struct

from gateway.wire.verbatim import INVALID, NULL, open_array


class _Message(Struct, gc=False):
    role: str = ""
    content: Raw = NULL


class _Piece(Struct, gc=False):
    text: str | None = None


_open_message = msgspec.json.Decoder(_Message).decode
_open_content = msgspec.json.Decoder(str | list[_Piece] | None).decode


def messages_of(value: Raw | None) -> list[Raw]:
    """The messages of a request, unopened; none where it has none. Raises what `verbatim.INVALID` lists."""
    return [] if value is None else open_array(value)


def last_user_text(messages: Sequence[Raw]) -> str:
    """The text of the last user message, its pieces joined; empty where there is none."""
    for message in reversed(messages):
        opened = _opened(message)
        if opened.role == "user":
            return _text(opened.content)
    return ""


def _opened(message: Raw) -> _Message:
    try:
        return _open_message(message)
    except INVALID:  # what a provider makes of it is the provider's to say
        return _Message()


def _text(content: Raw) -> str:
    try:
        found = _open_content(content)
    except INVALID:
        return ""
    if isinstance(found, list):
        return "".join([piece.text for piece in found if piece.text is not None])
    return found or ""
