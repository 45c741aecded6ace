"""One run of a chain or graph: what it was asked, what is known so far, what it has cost."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import msgspec
from msgspec import Raw

from gateway.orchestration.answer import Metered, Summed, said
from gateway.orchestration.asked import Asked
from gateway.orchestration.events import Edge, Told
from gateway.orchestration.names import BUILT_IN
from gateway.orchestration.record import Part
from gateway.seam import Call, Env, InvalidRequest, Reply, Request, Source, Usage
from gateway.wire.chat_turns import last_user_text, messages_of
from gateway.wire.verbatim import INVALID, encode

OWN = frozenset({"model", "messages", "inputs", "stream", "stream_options"})
"""Members of a request that are the run's; the others are parameters, which go to the step that answers."""
_NOTHING = Usage()


class Run:
    """What the steps of one run share, as one of them sees it: `part` is the step that looks, or the run itself.

    `names` is what templates and conditions see; `origin` is the chain's or graph's name as a model (`chain:polish`).
    """

    __slots__ = (
        "_whole",
        "call",
        "env",
        "inputs",
        "kept",
        "last",
        "messages",
        "names",
        "options",
        "origin",
        "parameters",
        "part",
    )

    def __init__(self, origin: str, call: Call, part: Part, asked: Asked, env: Env, needs: frozenset[str]) -> None:
        """`needs` are the names that anything of the chain or graph reads. Raises `InvalidRequest`."""
        self.origin = origin
        self.call = call
        self.part = part
        self.env = env
        self._whole: Run | None = None
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
        call = self.call.child(request=request, origin=f"{self.origin}/{step}")
        call.carry(self.part)
        return call

    # ---- as others see it

    def step(self, told: Told) -> Self:
        """The run as a step sees it that begins now."""
        step = self._copy()
        step.part = self.part.step(told)
        return step

    def within(self, arguments: dict[str, Any]) -> Self:
        """The run as a tool sees it: its caller is the model, which gave these arguments, and `input` is what it says.

        What is known of the caller of this run stays so: templates read `inputs`, `metadata` and what else was sent.
        """
        inner = self._copy()
        text = arguments.get("input")
        inner.messages = [] if text is None else [Raw(encode({"role": "user", "content": text_of(text)}))]
        inner.inputs = arguments
        inner.parameters = {}
        known = {name: value for name, value in self.names.items() if name in BUILT_IN}
        inner.names = {**known, "input": "" if text is None else text, **arguments}
        return inner

    def _copy(self) -> Self:
        made = type(self).__new__(type(self))  # `copy.copy` takes ten times as long
        made.origin, made.call, made.env, made.part = self.origin, self.call, self.env, self.part
        made.names, made.messages, made.inputs = self.names, self.messages, self.inputs
        made.options, made.parameters, made.kept = self.options, self.parameters, self.kept
        made._whole = self._whole or self
        made.last = None
        return made

    # ---- what is told of it

    def takes(self, value: Any) -> None:
        """What the step does its work with, for those who look: said before it first waits; the first time counts."""
        self.part.takes(value)

    def edge(self, sources: Sequence[str], targets: Sequence[str], when: str | None = None) -> None:
        """A graph goes on from nodes to others, for that reason."""
        self.part.record.tell(Edge, tuple(sources), tuple(targets), self.part.path, when)

    # ---- what it has cost

    def spend(self, usage: Usage, estimated: bool) -> None:
        """The step has cost that."""
        self.part.spend(usage, estimated)

    def cost(self) -> tuple[Usage, bool]:
        """What the step that looks has cost so far, and whether any of it is estimated."""
        part = self.part
        if self.last is None:
            return part.spent, part.estimated
        usage, estimated = self.last.usage()
        if part.spent == _NOTHING:
            return usage, estimated
        return part.spent.plus(usage), estimated or part.estimated

    def usage(self) -> tuple[Usage, bool]:
        """What all steps have cost so far, and whether any of it is estimated."""
        return (self._whole or self).cost()

    # ---- how it answers

    def answer(self, reply: Reply) -> Reply:
        """The Reply of the step that answers as the run's own: unread, with the usage of all steps."""
        whole = self._whole or self
        self.last = whole.last = reply
        if whole.part.spent == _NOTHING:
            return reply
        return Metered(whole.call, Summed(reply, whole.part.spent), whole.cost, reply)

    def reads(self, reply: Reply) -> None:
        """That answer is being read, and the run's own is made of it: what it has cost counts as it grows."""
        self.last = (self._whole or self).last = reply

    def has_read(self, reply: Reply) -> None:
        """No more of that answer is read."""
        self.last = (self._whole or self).last = None
        self.spend(*reply.usage())

    def made(self, source: Source, last: Reply | None) -> Reply:
        """The run's own answer, made of several, of which `last` was begun last."""
        whole = self._whole or self
        return Metered(whole.call, source, whole.cost, last)

    def say(self, value: Any) -> Reply:
        """A text that is known as the run's answer."""
        whole = self._whole or self
        return said(whole.call, text_of(value), whole.cost)


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
