"""Targets are asked on a schedule whether they are well, so that a call need not find out."""

import asyncio
import logging
import random
import time
from typing import Any, NamedTuple

from gateway.config.routing import Probe as ProbeSettings
from gateway.routing.backend import Backend
from gateway.routing.blame import asked_rest, blames
from gateway.routing.patience import Patience
from gateway.routing.route import Route
from gateway.seam import Call, Env, GatewayError, Provider, Request, Target, Tasks, Timeouts
from gateway.wire.verbatim import encode

_log = logging.getLogger("gateway")


class Result(NamedTuple):
    """How a probe ended."""

    well: bool
    at: float
    """Seconds since 1970."""
    seconds: float


class Prober:
    """Asks one target, again and again. `provider` has `async def probe(timeouts)`, where it is asked for its models.

    A probe by `token` is a call like any other: through the attempt ring, counted, and where the target's rest is over
    it is the trial that ends it. A probe by `models` says only that the provider's server and our key are well: it can
    count against a target, and cannot bring one back.
    """

    def __init__(self, settings: ProbeSettings, backend: Backend, provider: Provider) -> None:
        self.settings = settings
        self.last: Result | None = None
        self._backend = backend
        self._provider: Any = provider
        seconds = settings.timeout
        self._timeouts = Timeouts(connect=seconds, first_byte=seconds, first_token=seconds, idle=seconds, total=seconds)
        self._patience = Patience(seconds, "the time for a probe")

    async def run(self, tasks: Tasks) -> None:
        """Probe for ever, each time after a pause; the first pause is of random length, so that not all ask at once."""
        pause = random.uniform(0, self.settings.every)  # noqa: S311
        while True:
            await asyncio.sleep(pause)
            pause = self.settings.every
            if self._backend.breaker.available(asyncio.get_running_loop().time()):
                await self.once(tasks)

    async def once(self, tasks: Tasks) -> None:
        """Probe now. What goes wrong is counted, and not raised."""
        began = time.monotonic()
        well = True
        try:
            await (self._list() if self.settings.kind == "models" else self._ask(tasks))
        except GatewayError as error:
            well = not blames(error)  # one that refuses our question is there
        except Exception:
            well = False
            _log.exception("the probe of %s failed inside the gateway", self._backend.name)
        self.last = Result(well, time.time(), time.monotonic() - began)

    async def _ask(self, tasks: Tasks) -> None:
        backend = self._backend
        body = {"model": backend.model, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}
        request = Request("chat", encode(body), model=backend.model)
        call = Call(request, tasks, id=f"probe-{backend.name}", origin="probe")
        target = Target(backend.provider, backend.model, self._timeouts)
        reply = await Route(backend, target).ask(call, self._patience)
        await reply.whole()

    async def _list(self) -> None:
        backend = self._backend
        try:
            with self._patience.limit():
                await self._provider.probe(self._timeouts)
        except GatewayError as error:
            if error.provider is None:
                error.provider = backend.provider
            now = asyncio.get_running_loop().time()
            if blames(error) and backend.breaker.available(now):
                backend.note(error)
                backend.breaker.failed(backend.breaker.enter(now), now, asked_rest(error))
            raise


class Probes:
    """All probes of a gateway, by the name of their target."""

    def __init__(self) -> None:
        self.probers: dict[str, Prober] = {}
        self._running: list[asyncio.Task[Any]] = []

    def results(self) -> dict[str, Result | None]:
        """The last probe of each target that is probed."""
        return {name: prober.last for name, prober in self.probers.items()}

    def start(self, env: Env) -> None:
        """Begin."""
        self._running = [env.tasks.spawn(prober.run(env.tasks)) for prober in self.probers.values()]

    def stop(self) -> None:
        """End, in the middle of a probe too."""
        for task in self._running:
            task.cancel()
        self._running = []
