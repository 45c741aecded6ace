"""What an operator can set about the records of runs."""

from gateway.seam.settings import Duration, Settings, Size


class Runs(Settings):
    """What is recorded of the runs of chains and graphs, and where it is kept."""

    keep: bool = True
    """Whether runs are kept in the database; false: the newest thousand in memory, for an hour."""
    content: bool | None = None
    """Whether inputs and outputs are recorded, beside names, times, tokens and errors; absent: as `keep` says."""
    max_size: Size = Size(64 * 2**10)
    """How much of one input or output is recorded; what is longer is cut."""
    ttl: Duration = Duration(30 * 86400)
    """How long a run is kept after its end."""

    @property
    def contents(self) -> int:
        """How many bytes of an input or output are recorded; 0: none at all."""
        return int(self.max_size) if (self.keep if self.content is None else self.content) else 0


NOT_KEPT = Runs(keep=False)
"""What holds where a configuration says nothing of runs."""
