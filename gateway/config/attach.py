"""How retries attach to the calls that they repeat: settings of `attach:`, of keys and of models."""

from typing import Annotated, ClassVar

from msgspec import Meta

from gateway.seam.settings import Duration, Settings, Size

Name = Annotated[str, Meta(min_length=1)]


class Grace(Duration):
    """How long a call outlives a client that left, in seconds: `true` is ten, `false` none, or a duration."""

    expected: ClassVar[str] = "true, or a duration such as 5s"

    @classmethod
    def parse(cls, value: object) -> "Grace":
        """Read it; raise ValueError where `value` is none."""
        return cls(10 if value is True else 0 if value is False else super().parse(value))


class Attach(Settings):
    """Clients' retries that join the call which they repeat, instead of paying twice."""

    grace: Duration = Duration(10)
    """How long a call waits for the retry, once its client is gone, where neither key nor model says it."""
    buffer: Size = Size(2**20)
    """How much of one answer is kept; a longer one is not joined beyond it."""
    memory: Size = Size(128 * 2**20)
    """How much is kept in all of calls whose client is gone."""
    models: dict[Name, Grace] = {}
    """Names that callers ask for, and how long their calls wait for a retry without an `Idempotency-Key`."""
