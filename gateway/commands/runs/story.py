"""What a run's events come to: which steps there were, how each went, and which edges were taken."""

from collections import deque
from collections.abc import Iterator
from typing import Any, Literal

from gateway.commands.runs.records import Event, Failure, Run, Usage

Status = Literal["running", "completed", "failed", "cancelled"]
_ENDINGS: dict[str, Status] = {"completed": "completed", "failed": "failed", "cancelled": "cancelled"}


class Did:
    """One time that a step ran. `ms` is how long it took, `inner` are the steps within it."""

    __slots__ = (
        "began",
        "edges",
        "error",
        "inner",
        "input",
        "kind",
        "model",
        "ms",
        "output",
        "path",
        "status",
        "usage",
    )

    def __init__(self, path: str, began: float) -> None:
        self.path = path
        self.began = began
        self.kind = ""
        self.model: str | None = None
        self.status: Status = "running"
        self.ms: float | None = None
        self.usage: Usage | None = None
        self.input: Any = None
        self.output: Any = None
        self.error: Failure | None = None
        self.edges: list[Event] = []
        """The edges that were taken when it was done."""
        self.inner: list[Did] = []

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition("/")[2]

    def tokens(self) -> int:
        """What it has cost; while it goes on, what the steps within it have."""
        if self.usage is not None:
            return self.usage.total_tokens
        return sum(inner.tokens() for inner in self.inner)


class Seen:
    """All the times that a step ran, together. `visits` counts them, `running` are those under way."""

    __slots__ = ("last", "running", "visits")

    def __init__(self) -> None:
        self.visits = 0
        self.running: deque[Did] = deque()
        self.last: Did | None = None

    @property
    def status(self) -> Status | None:
        """How it stands with the step; None: it did not run yet."""
        if self.running:
            return "running"
        return self.last.status if self.last is not None else None


class Scope:
    """The steps straight within a run, or within one of its steps, and the edges between them.

    `taken` counts how often a run went from one node to another; `came` says from where it came to a node last.
    """

    def __init__(self) -> None:
        self.steps: dict[str, Seen] = {}
        self.taken: dict[tuple[str, str], int] = {}
        self.came: dict[str, list[str]] = {}
        self.graph = False
        self.model: str | None = None
        """The chain or graph, where it is known."""

    def seen(self, name: str) -> Seen:
        """What is known of a step."""
        found = self.steps.get(name)
        if found is None:
            found = self.steps[name] = Seen()
        return found


class Story:
    """A run, as far as its events have told."""

    def __init__(self) -> None:
        self.model = ""
        self.status: Status | None = None
        self.began: float | None = None
        self.ms: float | None = None
        self.usage: Usage | None = None
        self.input: Any = None
        self.output: Any = None
        self.error: Failure | None = None
        self.roots: list[Did] = []
        self.steps = 0
        self.scopes: dict[str, Scope] = {"": Scope()}
        self.seq = 0

    def feed(self, event: Event) -> bool:
        """Take in an event. False: it was known already, or is of a kind that is not."""
        if event.seq <= self.seq:
            return False
        self.seq = event.seq
        if self.began is None:
            self.began = event.at
        subject, _, what = event.type.partition(".")
        match subject:
            case "edge":
                self._edge(event)
            case "step" if what == "started":
                self._started(event)
            case "step" if what in _ENDINGS:
                self._ended(event, _ENDINGS[what])
            case "run" if what == "started":
                self.status = "running"
                self.model = self.scopes[""].model = event.model or ""
                self.input = event.input
            case "run" if what in _ENDINGS:
                self._over(event, _ENDINGS[what])
            case _:
                return False
        return True

    def settle(self, run: Run) -> None:
        """Take in what is said of the run as a whole, which its events may have no end of."""
        self.model = self.scopes[""].model = run.model or self.model
        for name in ("usage", "input", "output", "error"):
            value = getattr(run, name)
            if value is not None:
                setattr(self, name, value)
        self.ms = run.duration_ms if run.duration_ms is not None else self.ms
        if run.status in _ENDINGS:
            self._end(_ENDINGS[run.status])

    @property
    def over(self) -> bool:
        """Whether the run has ended."""
        return self.status not in (None, "running")

    def took(self, now: float) -> float:
        """Milliseconds from the run's begin to its end, or until `now` (unix seconds)."""
        if self.ms is not None:
            return self.ms
        return max(0.0, (now - self.began) * 1000) if self.began is not None else 0.0

    def tokens(self) -> int:
        """The tokens of the run; while it goes on, those of the steps that are told."""
        if self.usage is not None:
            return self.usage.total_tokens
        return sum(did.tokens() for did in self.roots)

    def all(self) -> Iterator[tuple[int, Did]]:
        """Each step in the order in which it was started, those within it after it, with its depth from 0."""
        pile = [(0, did) for did in reversed(self.roots)]
        while pile:
            depth, did = pile.pop()
            yield depth, did
            pile += ((depth + 1, inner) for inner in reversed(did.inner))

    def _scope(self, path: str) -> Scope:
        found = self.scopes.get(path)
        if found is None:
            found = self.scopes[path] = Scope()
        return found

    def _found(self, path: str) -> Seen:
        above, _, name = path.rpartition("/")
        return self._scope(above).seen(name)

    def _started(self, event: Event) -> None:
        did = Did(event.step, event.at)
        did.kind, did.model, did.input = event.kind, event.model, event.input
        above = event.step.rpartition("/")[0]
        if event.node:
            self._scope(above).graph = True
        if event.kind in ("chain", "graph") and event.model is not None:
            self._scope(event.step).model = event.model
        self._begin(did)

    def _begin(self, did: Did) -> None:
        self.steps += 1
        seen = self._found(did.path)
        seen.visits += 1
        seen.running.append(did)
        seen.last = did
        above = did.path.rpartition("/")[0]
        parent = self._found(above) if above else None
        if parent is None or parent.last is None:
            self.roots.append(did)
        else:
            (parent.running[0] if parent.running else parent.last).inner.append(did)

    def _ended(self, event: Event, status: Status) -> None:
        seen = self._found(event.step)
        if not seen.running:  # its start was not told
            self._begin(Did(event.step, event.at - (event.ms or 0) / 1000))
        did = seen.running.popleft()
        did.status = status
        did.ms, did.usage, did.output, did.error = event.ms, event.usage, event.output, event.error

    def _edge(self, event: Event) -> None:
        scope = self._scope(event.step)
        scope.graph = True
        scope.came |= dict.fromkeys(event.to, event.from_)
        for source in event.from_:
            for target in event.to:
                scope.taken[source, target] = scope.taken.get((source, target), 0) + 1
            seen = scope.seen(source)
            if seen.last is not None:
                seen.last.edges.append(event)

    def _over(self, event: Event, status: Status) -> None:
        self.ms, self.usage, self.output, self.error = event.ms, event.usage, event.output, event.error
        self._end(status)

    def _end(self, status: Status) -> None:
        """The run is over: of what is not told of any more, nothing came to its end."""
        self.status = status
        for scope in self.scopes.values():
            for seen in scope.steps.values():
                while seen.running:
                    seen.running.popleft().status = "cancelled"
