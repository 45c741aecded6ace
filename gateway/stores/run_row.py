"""A run as it is listed: from memory, or from the database's row."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

Status = Literal["running", "completed", "failed", "cancelled"]
Order = Literal["asc", "desc"]


class RunRow(NamedTuple):
    """What is known of a run beside its events. Times are Unix seconds; `error` is the JSON of an error object."""

    id: str
    """It grows with time: ids are in the order in which runs began."""
    owner: str
    """The key that it belongs to; empty: everybody's."""
    model: str
    conversation: str | None
    status: Status
    created_at: float
    completed_at: float | None
    ms: float | None
    prompt_tokens: int
    completion_tokens: int
    steps: int
    """How many steps were started."""
    error: bytes | None


class Story(NamedTuple):
    """A run, and the JSON of its events."""

    row: RunRow
    events: list[bytes]


class Change(NamedTuple):
    """What the database does not know of a run yet: how it is now, and what was told since `seen` events."""

    row: RunRow
    seen: int
    events: Sequence[Any]
    """What JSON can hold."""


class Wanted(NamedTuple):
    """Which runs are listed, and how many at most: those that come after the id `after` in that order."""

    limit: int
    order: Order = "desc"
    owner: str | None = None
    """None: of all."""
    status: str | None = None
    model: str | None = None
    after: str | None = None

    def first(self, rows: Iterable[RunRow]) -> list[RunRow]:
        """Those of these runs, in their order."""
        found = sorted(filter(self._has, rows), reverse=self.order == "desc")  # by their ids, which differ
        return found[: self.limit]

    def _has(self, row: RunRow) -> bool:
        fits = self.owner in (None, row.owner) and self.status in (None, row.status) and self.model in (None, row.model)
        if not fits or self.after is None:
            return fits
        return row.id < self.after if self.order == "desc" else row.id > self.after
