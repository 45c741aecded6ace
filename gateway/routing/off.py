"""A model that nobody can serve, for its providers are switched off; but those that it falls back on may."""

from typing import Self

from gateway.routing.passage import Passage
from gateway.routing.router import Router, Unasked
from gateway.seam import Reply, Timeouts


class SwitchedOff(Unasked):
    """The model's providers have no key."""

    code = "provider_not_configured"

    @classmethod
    def of(cls, model: str, reason: str) -> Self:
        """The error of that model; `reason` says which providers lack a key, and what switches them on."""
        # Clients would try again what only its operator can mend.
        headers = [(b"x-should-retry", b"false")]
        return cls(f"The model {model!r} cannot be served: {reason}.", param="model", headers=headers)


class Off(Router):
    """A Router without targets."""

    def __init__(self, reason: str, timeouts: Timeouts) -> None:
        super().__init__((), timeouts=timeouts)
        self._reason = reason

    async def tries(self, passage: Passage, *, last_resort: bool = False) -> Reply:  # noqa: ARG002 (there is none)
        """Raises `SwitchedOff`."""
        raise SwitchedOff.of(passage.call.request.model, self._reason)
