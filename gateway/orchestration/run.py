"""One run of a chain or graph: what it was asked, what is known so far, what it has cost."""

from collections.abc import Callable, Mapping
from copy import copy
from typing import Any, NamedTuple, Self

import msgspec
from msgspec import Raw

from gateway.orchestration.answer import Metered, Summed, said
from gateway.orchestration.asked import Asked
from gateway.orchestration.names import BUILT_IN
from gateway.seam import Call, Env, InvalidRequest, Reply, Request, Usage
from gateway.wire.chat_turns import last_user_text, messages_of
from gateway.wire.verbatim import INVALID, encode

OWN = frozenset({"model", "messages", "inputs", "stream", "stream_options"})
"""Members of a request that are the run's; the others are parameters, which go to the step that answers."""
_NOTHING = Usage()


class StepEvent(NamedTuple):
    """What is told of a step: that it `started`, is `done`, or `failed`, and after how many milliseconds."""

    step: str
    status: str
    ms: int | None = None


Tell = Callable[[StepEvent], None]


class Watched(NamedTuple):
    """Kept in the call of a step that is a chain or graph: whom to tell of its steps."""

    tell: Tell


class Run:
    """What the steps of one run share.

    `names` is what templates and conditions see; `origin` is the chain's or graph's name as a model (`chain:polish`).
    """

    __slots__ = (
        "call",
        "env",
        "estimated",
        "inputs",
        "kept",
        "last",
        "messages",
        "names",
        "options",
        "origin",
        "parameters",
        "spent",
        "tell",
    )

    def __init__(self, origin: str, call: Call, asked: Asked, env: Env, needs: frozenset[str]) -> None:
        """`needs` are the names that anything of the chain or graph reads. Raises `InvalidRequest`."""
        self.origin = origin
        self.call = call
        self.env = env
        self.tell: Tell | None = None
        self.spent = Usage()
        self.estimated = False
        self.last: Reply | None = None
        """The answer of the step that makes the run's own, once it has begun."""
        self.kept: Mapping[str, list[Any]] = {}
        """What was written so far to the names that outlive the run."""
        members = asked.members
        try:
            messages = messages_of(members.get("messages"))
        except INVALID as error:
            raise InvalidRequest("'messages' must be an array of messages.", param="messages") from error
        self.inputs: Raw | Mapping[str, Any] | None = asked.inputs
        self.options = asked.options
        self.parameters = {name: value for name, value in members.items() if name not in OWN}
        self.names: dict[str, Any] = {"inputs": _inputs(asked.inputs)}
        self.hear(messages, needs)
        if "params" in needs:
            self.names["params"] = _decoded(self.parameters)
        if "metadata" in needs:
            self.names["metadata"] = _decoded(members.get("metadata")) or {}

    def hear(self, messages: list[Raw], needs: frozenset[str]) -> None:
        """Let these be the run's messages. Raises `InvalidRequest`."""
        self.messages = messages
        if "input" in needs:
            self.names["input"] = last_user_text(messages)
        if "messages" in needs:
            self.names["messages"] = _decoded(messages)

    def write(self, name: str, value: Any, output: Any) -> None:
        """Let a name stand for a value from now on, which a step's output has made of it."""
        self.names[name] = value
        if name in self.kept:
            self.kept[name].append(output)

    @property
    def stream(self) -> bool:
        """Whether the caller wants a stream."""
        return self.call.request.stream

    def child(self, body: Mapping[str, Any], step: str, *, final: bool) -> Call:
        """The call that a step makes. Only the `final` one's answer comes in the form that the caller wants."""
        asked = self.call.request
        stream = final and asked.stream
        request = Request(
            "chat",
            encode({**body, **self.options, "stream": True} if stream else body),
            model=body["model"],
            stream=stream,
            wants_usage=asked.wants_usage,
            headers=asked.headers,
        )
        return self.call.child(request=request, origin=f"{self.origin}/{step}")

    def within(self, arguments: dict[str, Any]) -> Self:
        """The run of a tool: its caller is the model, which gave these arguments, and `input` is what it says.

        What is known of the caller of this run stays so: templates read `inputs`, `metadata` and what else was sent.
        What the tool costs is its own run's, until that is added to this one.
        """
        inner = copy(self)
        inner.spent, inner.estimated, inner.last = _NOTHING, False, None
        text = arguments.get("input")
        inner.messages = [] if text is None else [Raw(encode({"role": "user", "content": text_of(text)}))]
        inner.inputs = arguments
        inner.parameters = {}
        known = {name: value for name, value in self.names.items() if name in BUILT_IN}
        inner.names = {**known, "input": "" if text is None else text, **arguments}
        return inner

    def spend(self, usage: Usage, estimated: bool) -> None:
        """A step has cost that."""
        self.spent = self.spent.plus(usage)
        self.estimated = self.estimated or estimated

    def usage(self) -> tuple[Usage, bool]:
        """What all steps have cost so far, and whether any of it is estimated."""
        if self.last is None:
            return self.spent, self.estimated
        usage, estimated = self.last.usage()
        return self.spent.plus(usage), estimated or self.estimated

    def answer(self, reply: Reply) -> Reply:
        """The Reply of the step that answers as the run's own: unread, with the usage of all steps."""
        self.last = reply
        if self.spent == _NOTHING:
            return reply
        return Metered(self.call, Summed(reply, self.spent), self.usage, reply)

    def say(self, value: Any) -> Reply:
        """A text that is known as the run's answer."""
        return said(self.call, text_of(value), self.usage)


def text_of(value: Any) -> str:
    """A step's output as text: JSON, where it is none."""
    return value if isinstance(value, str) else encode(value).decode()


def _inputs(value: Raw | None) -> dict[str, Any]:
    found = _decoded(value)
    if found is None:
        return {}
    if not isinstance(found, dict):
        what = bytes(value or b"")[:40].decode(errors="replace")
        raise InvalidRequest(
            f"'inputs' must be an object of names and values, found {what}.", param="inputs", code="invalid_type"
        )
    return found


def _decoded(value: Any) -> Any:
    if value is None:
        return None
    try:
        return msgspec.json.decode(encode(value))
    except INVALID as error:
        raise InvalidRequest(f"The body cannot be read: {error}.", code="invalid_json") from error
