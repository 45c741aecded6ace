"""What is told of a run: events, as `/v1/runs` shows them and the database keeps them."""

from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import UNSET, Raw, UnsetType

from gateway.seam import GatewayError, Usage
from gateway.wire.verbatim import INVALID, encode

Kind = Literal["model", "chain", "graph", "template", "function", "http", "tool"]
"""What a step does."""
Content = str | Raw | UnsetType
"""An input or output: text, or JSON; unset where contents are not recorded, or there is none."""
_LONGEST_MESSAGE = 4000


class Tokens(msgspec.Struct, gc=False):
    """What a step or a run has cost."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int

    @classmethod
    def of(cls, usage: Usage) -> "Tokens":
        """The same in OpenAI's words."""
        return cls(usage.input, usage.output, usage.input + usage.output)


class Trouble(msgspec.Struct, gc=False):
    """Why a step or a run failed: what the caller reads of it."""

    message: str
    type: str
    code: str | None

    @classmethod
    def of(cls, error: BaseException) -> "Trouble":
        """The error as a caller sees it; of the gateway's own failures that is only that it failed."""
        if isinstance(error, GatewayError):
            text = error.message[:_LONGEST_MESSAGE].encode("utf-8", "replace").decode()
            return cls(text, error.type, error.code)
        return cls("The gateway failed; its log has more.", "server_error", None)


class Told(NamedTuple):
    """What is told of a step: its name within what it is a part of, what it does, which model it asks.

    `node` says whether it is one of a graph.
    """

    name: str
    kind: Kind
    model: str | None = None
    node: bool = False


class Event(msgspec.Struct, tag_field="type", omit_defaults=True, gc=False):
    """One thing that happened: the number of the event in its run, from 1 on, and the time in Unix seconds."""

    seq: int
    at: float


class RunStarted(Event, tag="run.started", gc=False):
    """A run has begun, and waits for its turn."""

    model: str
    input: Content = UNSET


class StepStarted(Event, tag="step.started", gc=False):
    """A step has begun. `step` is its path: its name, after those of the steps that it is a part of."""

    step: str
    kind: Kind
    node: bool
    model: str | None = None
    input: Content = UNSET


class StepCompleted(Event, tag="step.completed", gc=False):
    """A step is done, after so many milliseconds; one whose answer streams as the run's, when the stream has ended."""

    step: str
    ms: float
    usage: Tokens | None = None
    output: Content = UNSET


class StepFailed(Event, tag="step.failed", gc=False):
    """A step has failed, whatever its run makes of that."""

    step: str
    ms: float
    error: Trouble


class StepCancelled(Event, tag="step.cancelled", gc=False):
    """A step was broken off: nobody wants it any more, or its run's time is over."""

    step: str
    ms: float


class Edge(Event, tag="edge", gc=False, rename={"sources": "from", "targets": "to"}):
    """A graph goes on. `step` is the graph's path in the run, empty for the run itself; `when` why it goes this way."""

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    step: str
    when: str | None = None


class RunCompleted(Event, tag="run.completed", gc=False):
    """The run's answer has been given, to its end."""

    ms: float
    usage: Tokens
    output: Content = UNSET


class RunFailed(Event, tag="run.failed", gc=False):
    """The run ended in an error, which its caller was told."""

    ms: float
    usage: Tokens
    error: Trouble


class RunCancelled(Event, tag="run.cancelled", gc=False):
    """The run was broken off: by its caller's leaving, or by whoever asked for that."""

    ms: float
    usage: Tokens


def held(value: Any, most: int) -> str | Raw | None:
    """A content as a record holds it, cut beyond `most` bytes; None where JSON cannot hold it.

    It refers to nothing of the run's: what a request or a state holds is not kept alive, and later changes do not show.
    """
    if isinstance(value, str):
        source = value.encode("utf-8", "replace")
        return source.decode() if len(source) <= most else _cut(source, most)
    try:
        source = encode(value)
    except (*INVALID, TypeError, ValueError):
        return None
    return Raw(source) if len(source) <= most else _cut(source, most)


def _cut(source: bytes, most: int) -> str:
    return f"{source[:most].decode('utf-8', 'ignore')}… (cut: {len(source)} bytes)"
