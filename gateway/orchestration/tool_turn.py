"""One turn of a model that has tools: what it said, and what it calls.

Source: https://platform.openai.com/docs/api-reference/chat/object
"""

import secrets
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from gateway.seam import Chunk, UpstreamError
from gateway.wire.verbatim import INVALID, NULL, Object, encode, is_null, mend, open_object, open_objects

_LEFT_OUT = frozenset({"role", "content", "tool_calls", "refusal", "annotations", "audio", "function_call"})
"""Members of an answer's message that a request's message has in another form, or that say nothing to the model."""


class _Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: Raw = NULL

    @property
    def source(self) -> str:
        """The arguments' JSON text. Some servers send none, or the object itself."""
        if is_null(self.arguments):
            return ""
        value = bytes(self.arguments)
        return _text(value) if value[:1] == b'"' else value.decode()


class _Called(msgspec.Struct, gc=False):
    id: str | None = None
    function: _Function | None = None


class _Result(msgspec.Struct, gc=False):
    tool_call_id: str = ""


_called = msgspec.json.Decoder(_Called).decode
_result = msgspec.json.Decoder(_Result).decode
_object = msgspec.json.Decoder(dict[str, Any]).decode
_text = msgspec.json.Decoder(str).decode


class ToolCall(NamedTuple):
    """A call: its id, the tool's name, and the JSON text of its arguments; `source` is all that came of it."""

    id: str
    name: str
    arguments: str
    source: Object

    def sent(self) -> Object:
        """The call as the model is shown it again; arguments that servers would refuse, as no JSON object, are `{}`."""
        try:
            _object(self.arguments)
            arguments = self.arguments
        except INVALID:
            arguments = "{}"
        function = open_object(self.source["function"]) | {"arguments": arguments}
        return {**self.source, "id": self.id, "type": "function", "function": function}


class Turn(NamedTuple):
    """What a whole answer says: its `message`, unopened, and the calls of the gateway's tools, and of the client's."""

    message: Object
    ours: list[ToolCall]
    theirs: list[Object]

    @classmethod
    def of(cls, answer: Chunk, tools: Collection[str], clients: Collection[str], used: set[str]) -> "Turn":
        """Open an answer's first choice. `used` are the ids of earlier calls, to which its own are added.

        A call without an id, or with one that another has, gets one. Raises `UpstreamError` where it is no answer.
        """
        try:
            message, calls = _opened(answer.raw)
        except (*INVALID, LookupError) as error:
            try:  # half of a surrogate pair is JSON, though no text
                message, calls = _opened(mend(answer.raw))
            except (*INVALID, LookupError):
                raise UpstreamError(f"The provider's answer has tool calls that cannot be read: {error}") from error
        ours: list[ToolCall] = []
        theirs: list[Object] = []
        for source, call in calls:
            name = "" if call.function is None else call.function.name or ""
            if call.function is None or (name in clients and name not in tools):
                theirs.append(source)
            else:
                ours.append(ToolCall(_id(call.id, used), name, call.function.source, source))
        return cls(message, ours, theirs)

    def sent(self) -> Object:
        """The message as the model is shown it again, with the calls of the gateway's tools, and all its reasoning."""
        rest = {
            name: value for name, value in self.message.items() if name not in _LEFT_OUT and not _says_nothing(value)
        }
        content = self.message.get("content", NULL)
        content = NULL if _says_nothing(content) else content  # whole and streamed, it is then said in one way
        return {"role": "assistant", "content": content, **rest, "tool_calls": [call.sent() for call in self.ours]}


def answered(messages: Iterable[Any]) -> set[str]:
    """The ids of calls that messages bring the results of."""
    found: set[str] = set()
    for message in messages:
        source = message if isinstance(message, Raw) else encode(message)
        if b"tool_call_id" in bytes(source):
            try:
                found.add(_result(source).tool_call_id)
            except INVALID:  # the provider says what is wrong with it
                continue
    return found


def result(call: ToolCall, text: str) -> Object:
    """The message that tells a model what a call brought."""
    return {"role": "tool", "tool_call_id": call.id, "content": text}


def _opened(raw: bytes) -> tuple[Object, list[tuple[Object, _Called]]]:
    choices = open_objects(open_object(raw).get("choices", b"[]"))
    message: Object = dict(open_object(choices[0]["message"])) if choices else {}
    calls = message.get("tool_calls", NULL)
    found: list[tuple[Object, _Called]] = []
    for call in [] if is_null(calls) else open_objects(calls):
        source: Object = {name: value for name, value in call.items() if name != "index"}  # some number whole ones too
        found.append((source, _called(encode(source))))
    return message, found


def _id(given: str | None, used: set[str]) -> str:
    chosen = given if given and given not in used else f"call_{secrets.token_hex(12)}"
    used.add(chosen)
    return chosen


def _says_nothing(value: Any) -> bool:
    return bytes(value) in (b"null", b"[]", b"{}", b'""')
