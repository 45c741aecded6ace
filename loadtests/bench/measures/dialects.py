"""Anthropic's dialect beside OpenAI's: calls that pass as they are, and calls that are translated, in one round."""

from typing import ClassVar, NamedTuple

from loadtests.bench import load
from loadtests.bench.cores import Cores
from loadtests.bench.figures import Figures, share
from loadtests.bench.measure import Column, Effort, Measure
from loadtests.bench.subject import MESSAGES_MODEL, Running, Unfit
from loadtests.bench.warmth import warm


class Way(NamedTuple):
    """What the caller speaks, and the model, whose upstream speaks one dialect alone."""

    key: str
    heading: str
    dialect: str
    model: str


WAYS = (
    Way("chat", "chat", "chat", "bench"),
    Way("messages", "messages", "messages", MESSAGES_MODEL),
    Way("messages_on_chat", "messages on a chat upstream", "messages", "bench"),
    Way("chat_on_messages", "chat on a messages upstream", "chat", MESSAGES_MODEL),
)


def _columns() -> tuple[Column, ...]:
    first, *others = WAYS
    columns = [Column(first.key, f"{first.heading} CPU µs", 1e6, 1, ratio=True)]
    for way in others:
        columns += [Column(way.key, f"{way.heading} CPU µs", 1e6, 1), Column(f"{way.key}_ratio", "× chat", 1, 2)]
    return (*columns, Column("errors", "errors", 1, 0))


class Messages(Measure):
    """Whole answers."""

    name = "messages"
    title = "Two dialects, whole answers, 32 connections"
    columns: ClassVar[tuple[Column, ...]] = _columns()
    stream: ClassVar[bool] = False

    def __init__(self, effort: Effort, cores: Cores) -> None:
        super().__init__(effort, cores)
        self._turn = 0

    def prepare(self, running: Running) -> None:
        """Each way must hand over the whole answer; each is warmed up."""
        for way in WAYS:
            running.prove(self.stream, way.model, way.dialect)
        for way in WAYS:
            warm(running, self.effort, way.model, self.stream, way.dialect)

    def take(self, running: Running) -> Figures:
        """CPU by each way, one load after another, beginning with another one each time."""
        self._turn += 1
        start = self._turn % len(WAYS)
        figures: Figures = {"errors": 0}
        for way in (*WAYS[start:], *WAYS[:start]):
            before = running.cpu()
            ask = running.ask(way.model, self.stream, way.dialect)
            tally = load.closed(ask, self.effort.connections, self.effort.seconds)
            if not tally.requests:
                raise Unfit(f"{way.heading}: no answer under load, {tally.errors} errors")
            figures[way.key] = share(running.cpu() - before, tally.requests)
            figures["errors"] += tally.errors
        for way in WAYS[1:]:
            figures[f"{way.key}_ratio"] = share(figures[way.key], figures["chat"])
        return figures


class MessagesStream(Messages):
    """Streams that the upstream sends in one write."""

    name = "messages-stream"
    title = "Two dialects, streams of 100 tokens sent at once in one write, 32 connections"
    stream = True
