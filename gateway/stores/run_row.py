"""A run as it is listed: from memory, or from the database's row."""

from typing import Literal, NamedTuple

Status = Literal["running", "completed", "failed", "cancelled"]
Order = Literal["asc", "desc"]


class RunRow(NamedTuple):
    """What is known of a run beside its events. Times are Unix seconds; `error` is the JSON of an error object."""

    id: str
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


class Wanted(NamedTuple):
    """Which runs are listed, and how many at most: those that come after `after` in that order."""

    limit: int
    order: Order = "desc"
    owner: str | None = None
    """None: of all."""
    status: str | None = None
    model: str | None = None
    after: RunRow | None = None

    def has(self, row: RunRow) -> bool:
        """Whether a run is among them."""
        fits = self.owner in (None, row.owner) and self.status in (None, row.status) and self.model in (None, row.model)
        if not fits or self.after is None:
            return fits
        mine, its = (row.created_at, row.id), (self.after.created_at, self.after.id)
        return mine < its if self.order == "desc" else mine > its

    def first(self, rows: "list[RunRow]") -> "list[RunRow]":
        """The first of these rows, in their order."""
        return sorted(rows, key=lambda row: (row.created_at, row.id), reverse=self.order == "desc")[: self.limit]
