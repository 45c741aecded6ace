"""Runs and their events as `/v1/runs` tells them (docs/runs.md).

Unknown members are passed over, and what a newer gateway may leave out has a default: a command need not be of the same
version as the gateway that it asks.
"""

from typing import Any

import msgspec

ENDED = frozenset({"completed", "failed", "cancelled"})
"""What a run's status is that is over."""


class Usage(msgspec.Struct):
    """Tokens."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0


class Failure(msgspec.Struct):
    """An error, as the gateway's answers have it."""

    message: str = ""
    type: str | None = None
    code: str | None = None


class Event(msgspec.Struct):
    """Something that happened in a run: `seq` counts from 1, `at` is unix time in seconds.

    Which further members there are depends on `type`. `step` is the path of a step inside the run, its parts joined by
    `/`; of an `edge`, that of the graph, empty where that is the run itself.
    """

    seq: int
    at: float
    type: str
    step: str = ""
    kind: str = ""
    model: str | None = None
    node: bool = False
    ms: float | None = None
    usage: Usage | None = None
    input: Any = None
    output: Any = None
    error: Failure | None = None
    from_: list[str] = msgspec.field(name="from", default_factory=list)
    to: list[str] = []
    when: str | None = None


class Run(msgspec.Struct):
    """A run; `events`, `input` and `output` stand only where one run is asked for. `created_at` is unix seconds."""

    id: str
    model: str = ""
    status: str = ""
    created_at: int = 0
    completed_at: int | None = None
    duration_ms: float | None = None
    usage: Usage | None = None
    error: Failure | None = None
    conversation_id: str | None = None
    steps: int = 0
    events: list[Event] = []
    input: Any = None
    output: Any = None


class Page(msgspec.Struct):
    """Some of the runs, each as it came, and whether there are more."""

    data: list[msgspec.Raw]
    has_more: bool = False
