"""Targets without a provider, for tests."""

import asyncio
from collections.abc import Callable, Sequence

from gateway.config.routing import Breaker as BreakerSettings
from gateway.config.routing import Retry
from gateway.routing.backend import Backend, named
from gateway.routing.breaker import Breaker
from gateway.routing.route import Route
from gateway.routing.router import Router
from gateway.seam import Batch, Call, GatewayError, Handler, Outcome, Reply, Target, Timeouts
from gateway.testing import answer, events
from gateway.wire.chat import CHAT_EVENT

ROLE, HEL, LO, FINISH, USAGE, DONE = events("Hel", "lo.")
Step = bytes | Exception | None


class Scripted:
    """A source that gives what it is told (None: nothing any more), and knows whether it was closed."""

    def __init__(self, *steps: Step) -> None:
        self.steps = list(steps)
        self.closed = False

    def __aiter__(self) -> "Scripted":
        return self

    async def __anext__(self) -> Batch:
        if not self.steps:
            raise StopAsyncIteration
        step = self.steps.pop(0)
        if step is None:
            await asyncio.get_running_loop().create_future()
        if isinstance(step, Exception):
            raise step
        assert step is not None
        return Batch(step, CHAT_EVENT)

    async def aclose(self) -> None:
        self.closed = True


def route(
    name: str,
    handler: Handler,
    *,
    weight: float = 1,
    price: float | None = None,
    timeouts: Timeouts | None = None,
    breaker: BreakerSettings | None = None,
) -> Route:
    """The model `m` of the provider `name`."""
    backend = Backend(name, "m", named(name, handler), Breaker(breaker or BreakerSettings()))
    return Route(backend, Target(name, "m", timeouts or Timeouts()), weight, price)


def routes(count: int, weights: Sequence[float] = ()) -> list[Route]:
    """Targets `a`, `b`, … that nobody asks."""

    async def never(call: Call) -> Reply:
        raise AssertionError

    return [route(chr(ord("a") + number), never, weight=weights[number] if weights else 1) for number in range(count)]


class Place:
    """A target that answers with its name, or as its script says: one step a call, the last one for ever."""

    def __init__(self, name: str, *script: Exception | Callable[[Call], Reply] | None) -> None:
        self.name = name
        self.script = list(script)
        self.calls: list[Call] = []
        self.outcomes: list[str] = []
        self.asked = asyncio.Event()
        self.over = asyncio.Event()

    async def __call__(self, call: Call) -> Reply:
        self.note(call)
        step = None
        if self.script:
            step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(step, Exception):
            raise step
        return answer(call, self.name) if step is None else step(call)

    def note(self, call: Call) -> None:
        def end(outcome: Outcome) -> None:
            self.outcomes.append(outcome.kind)
            self.over.set()

        self.calls.append(call)
        self.asked.set()
        call.on_end(end)

    def route(self, **more: object) -> Route:
        return route(self.name, self, **more)  # type: ignore[arg-type]


def failure(status: int, **more: object) -> GatewayError:
    return GatewayError("No.", status=status, **more)  # type: ignore[arg-type]


def router(*places: Place, attempts: int = 3, **more: object) -> Router:
    """A model of these targets, in turn, that does not wait between tries."""
    retry = more.pop("retry", None) or Retry(attempts=attempts, backoff=0.0)  # type: ignore[arg-type]
    return Router([place.route() for place in places], retry=retry, **more)  # type: ignore[arg-type]


async def text(reply: Reply) -> str:
    return (await reply.whole()).parts()[0].text
