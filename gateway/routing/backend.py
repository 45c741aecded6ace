"""What is known of one model at one provider, whichever of the gateway's models lead to it."""

import asyncio
import re
import time
from typing import NamedTuple

from gateway.routing.blame import asked_rest, blames
from gateway.routing.breaker import Breaker
from gateway.seam import Call, GatewayError, Handler, Outcome, Reply

_CODE = re.compile(r"[\w.-]{1,64}", re.ASCII)
_WEIGHT = 0.2
"""What the newest call counts in a mean: some ten calls are remembered."""


def named(provider: str, handler: Handler) -> Handler:
    """The same handler, but what it raises says whose error it is; so it stands inside the attempt ring."""

    async def asked(call: Call) -> Reply:
        try:
            return await handler(call)
        except GatewayError as error:
            if error.provider is None:
                error.provider = provider
            raise

    return asked


class Failure(NamedTuple):
    """The last failure that a target was blamed for. No message: those quote callers, and some of them keys."""

    status: int
    code: str | None
    at: float
    """Seconds since 1970."""


class Backend:
    """One model at one provider: the way into it, its breaker, its figures. `name` is `provider/model`, unless said."""

    __slots__ = (
        "breaker",
        "calls",
        "enter",
        "failure",
        "failures",
        "first_content",
        "in_flight",
        "measured",
        "model",
        "name",
        "per_token",
        "provider",
    )

    def __init__(self, provider: str, model: str, enter: Handler, breaker: Breaker, name: str | None = None) -> None:
        self.provider = provider
        self.model = model
        self.name = f"{provider}/{model}" if name is None else name
        self.enter = enter
        self.breaker = breaker
        self.in_flight = 0
        self.calls = 0
        self.failures = 0
        self.first_content: float | None = None
        """Seconds to a stream's first content, a moving mean."""
        self.per_token: float | None = None
        """Seconds a token: of streams after the first content, of whole answers all in all."""
        self.measured = 0.0
        """When those two were last measured, on the loop's clock."""
        self.failure: Failure | None = None

    def note(self, error: GatewayError) -> None:
        """It is to blame for a failure."""
        self.failures += 1
        code = error.code if error.code is not None and _CODE.fullmatch(error.code) else None
        self.failure = Failure(error.status, code, time.time())


class Try:
    """One call at one backend, from its sending to its last byte. `over` is the call's ending."""

    __slots__ = ("_answered", "_backend", "_began", "_ticket")

    def __init__(self, backend: Backend, now: float) -> None:
        self._backend = backend
        self._began = now
        self._answered: float | None = None
        self._ticket = backend.breaker.enter(now)
        backend.in_flight += 1
        backend.calls += 1

    def answered(self, now: float, stream: bool) -> None:
        """There is content: a stream's first, or a whole answer."""
        backend, seconds = self._backend, now - self._began
        if stream:
            self._answered = now
            backend.first_content = _mean(backend.first_content, seconds)
            backend.measured = now
        backend.breaker.succeeded(self._ticket, now, seconds)

    def failed(self, error: GatewayError, now: float) -> None:
        """It ended before there was any content."""
        if blames(error):
            self._backend.note(error)
            self._backend.breaker.failed(self._ticket, now, asked_rest(error))
        else:
            self._backend.breaker.left(self._ticket)

    def left(self) -> None:
        """It ended before there was any content, and nobody knows what would have come."""
        self._backend.breaker.left(self._ticket)

    def over(self, outcome: Outcome) -> None:
        """Its last byte was read, or it broke off."""
        backend = self._backend
        backend.in_flight -= 1
        if outcome.kind == "ok":
            if outcome.usage.output > 0:
                since = self._began if self._answered is None else self._answered
                backend.measured = asyncio.get_running_loop().time()
                backend.per_token = _mean(backend.per_token, (backend.measured - since) / outcome.usage.output)
        elif outcome.kind == "failed" and self._answered is not None and isinstance(outcome.error, GatewayError):
            backend.note(outcome.error)
            backend.breaker.broke(self._ticket, asyncio.get_running_loop().time())


def _mean(old: float | None, new: float) -> float:
    return new if old is None else old + (new - old) * _WEIGHT
