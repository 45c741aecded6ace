"""What a client, or a step of a chain, asks for."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from gateway.seam.errors import InvalidRequest
from gateway.wire.request_texts import INSTRUCTED, Origin, Path, Place, instructed, places
from gateway.wire.verbatim import INVALID, encode, open_array, open_object, put, splice

_decode = msgspec.json.Decoder().decode


class Text:
    """One text of a request. Setting `text` changes this request and no copy of it."""

    __slots__ = ("_path", "_request", "origin", "role")

    def __init__(self, request: "Request", place: Place) -> None:
        self._request = request
        self._path = place.path
        self.role: str = place.role
        """The role it has in the conversation: `system`, `user`, `assistant`, `tool`, …"""
        self.origin: Origin = place.origin
        """Who wrote it; a tool's result counts as `tool` in every dialect."""

    @property
    def text(self) -> str:
        """The text itself."""
        found = _at(self._request.body, self._path)
        assert isinstance(found, str)
        return found

    @text.setter
    def text(self, value: str) -> None:
        if value != self.text:
            self._request._write(self._path, value)


class Request:
    """A request in one surface's dialect: the bytes as they came, and a document where somebody looks.

    `surface` names the dialect (`chat`, `messages`, …); `stream` and `wants_usage` say in which form the answer is
    wanted; `headers` are those of the caller's that may go on to a provider.
    """

    __slots__ = ("_body", "_members", "_raw", "headers", "model", "stream", "surface", "wants_usage")

    def __init__(
        self,
        surface: str,
        raw: bytes | None = None,
        *,
        body: Mapping[str, Any] | None = None,
        model: str = "",
        stream: bool = False,
        wants_usage: bool = False,
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        self.surface = surface
        self.model = model
        self.stream = stream
        self.wants_usage = wants_usage
        self.headers = headers
        self._raw = raw
        self._body: Any = body
        # What differs from the bytes, by top-level member. Like the document it is never altered in place, so that
        # copies may share both.
        self._members: dict[str, Any] = {}

    @property
    def raw(self) -> bytes:
        """The bytes that go upstream: those that came, but for what was changed."""
        if self._raw is None:
            self._raw = encode(self._body)
        if self._members:
            self._raw = _spliced(self._raw, self._changes())
            self._members = {}
        return self._raw

    def spliced(self, members: Mapping[str, bytes]) -> bytes:
        """`raw` with top-level members set to JSON values, in one pass."""
        if self._raw is None:
            return _spliced(self.raw, members)
        return _spliced(self._raw, {**self._changes(), **members})

    def _changes(self) -> dict[str, bytes]:
        return {name: encode(value) for name, value in self._members.items()}

    @property
    def body(self) -> Mapping[str, Any]:
        """The document, decoded on first look. Read it only; `copy` and `texts` are the ways to change it.

        Raises `InvalidRequest` where the bytes are not a JSON object.
        """
        if self._body is None:
            try:
                self._body = _decode(self.raw)
            except INVALID as error:
                raise InvalidRequest(f"The body is not valid JSON: {error}", code="invalid_json") from error
            if not isinstance(self._body, dict):
                raise InvalidRequest("The body is not a JSON object.", code="invalid_type")
        return self._body

    def texts(self) -> Iterator[Text]:
        """Every text with its role and origin, in the order of the document; each can be written."""
        try:
            found = list(places(self.surface, self.body))
        except RecursionError as error:
            raise InvalidRequest("The body is nested too deep.") from error
        for place in found:
            yield Text(self, place)

    def instruct(self, text: str) -> bool:
        """Put a system text in front of those that came; False where the dialect has no place for one."""
        member = INSTRUCTED.get(self.surface)
        if member is None or (value := instructed(self.surface, self.body.get(member), text)) is None:
            return False
        self._body = {**self.body, member: value}
        if self._raw is not None:
            old = self._members[member] if member in self._members else open_object(self._raw).get(member)
            self._members = self._members | {member: instructed(self.surface, _opened(old), text)}
        return True

    def copy(self, *, model: str | None = None, stream: bool | None = None, surface: str | None = None) -> "Request":
        """The same request, changed. Bytes and document are shared until one of the two writes."""
        copy = Request.__new__(Request)
        copy.surface = self.surface if surface is None else surface
        copy.headers = self.headers
        copy.wants_usage = self.wants_usage
        copy._raw = self._raw
        copy._body = self._body
        copy.model, copy.stream = self.model, self.stream
        copy._members = self._members
        if model is not None and model != self.model:
            copy.model = model
            copy._set("model", model)
        if stream is not None and stream != self.stream:
            copy.stream = stream
            copy._set("stream", stream)
        return copy

    def _set(self, member: str, value: Any) -> None:
        self._members = self._members | {member: value}
        if self._body is not None:
            self._body = {**self._body, member: value}

    def _write(self, path: Path, value: str) -> None:
        # Only the way to the text is opened: all else in the same member keeps its bytes.
        self._body = put(self._body, path, value)
        if self._raw is None:
            return
        member = str(path[0])
        old = self._members[member] if member in self._members else open_object(self._raw)[member]
        self._members = self._members | {member: put(old, path[1:], value)}


def _spliced(source: bytes, members: Mapping[str, bytes]) -> bytes:
    try:
        return splice(source, members)
    except INVALID as error:  # bytes that nobody has looked at before: a name that is not UTF-8
        raise InvalidRequest(f"The body is not valid JSON: {error}", code="invalid_json") from error


def _opened(value: Any) -> Any:
    """An unread value; of a list, only the list itself: what it holds keeps its bytes."""
    if not isinstance(value, msgspec.Raw):
        return value
    return open_array(value) if bytes(value)[:1] == b"[" else msgspec.json.decode(value)


def _at(body: Any, path: Path) -> Any:
    for step in path:
        body = body[step]
    return body
