"""One call on its way through its targets, and through the models that it falls back on."""

import asyncio

from gateway.routing.sticky import session_of
from gateway.seam import Call, GatewayError

_UNKNOWN = b"?"
_ATTEMPTS = b"x-gateway-attempts"


class Passage:
    """What all tries of one call share: until when they may last, how many there were, and what became of them."""

    __slots__ = ("_session", "attempts", "call", "deadline", "failures", "loop", "turned")

    def __init__(self, call: Call, total: float, began: float) -> None:
        """The tries may take `total` seconds in all, from when they `began` on."""
        self.call = call
        self.loop = asyncio.get_running_loop()
        deadline = began + total
        self.deadline = deadline if call.deadline is None else min(call.deadline, deadline)
        """When the call must have its first content, or its whole answer."""
        self.attempts = 0
        self.turned = False
        """Whether the model that was asked for is given up: others have times of their own, and its bounds them."""
        self.failures: list[str] = []
        """The tries that failed, in words for whoever runs the gateway. (An error kept would keep its frames.)"""
        self._session: bytes | None = _UNKNOWN

    @property
    def session(self) -> bytes | None:
        """What names the call's session, where anything does."""
        if self._session is _UNKNOWN:
            self._session = session_of(self.call)
        return self._session

    def left(self) -> float:
        """Seconds until the deadline."""
        return self.deadline - self.loop.time()

    def failed(self, name: str, error: GatewayError) -> None:
        """A try failed at the backend of that name."""
        self.failures.append(f"{name}: {error.status} {error.code or error.type}")


def counted(error: GatewayError, attempts: int) -> GatewayError:
    """The same error, saying in its headers how many tries there were."""
    error.headers = [header for header in error.headers if header[0] != _ATTEMPTS]  # an inner model's tries
    error.headers.append((_ATTEMPTS, b"%d" % attempts))
    return error
