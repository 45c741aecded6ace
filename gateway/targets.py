"""The targets of a configuration: each one's state, its breaker, its probe, and the way into it."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from gateway.config.problems import Problem
from gateway.config.routing import VIRTUAL, Price, Probe, ProviderRouting, TargetEntry
from gateway.config.routing import Breaker as BreakerSettings
from gateway.routing.backend import Backend
from gateway.routing.breaker import Breaker, State
from gateway.routing.direct import Direct
from gateway.routing.patience import Waits
from gateway.routing.probe import Prober, Probes
from gateway.routing.route import Route
from gateway.seam import Handler, Provider, Target, Timeouts

_INPUT_SHARE = 0.75
"""What part of a call's tokens `cheapest` takes for input: three in to one out."""
_log = logging.getLogger("gateway")


class Vendor(NamedTuple):
    """A provider that is in use: the attempt ring around it, itself, and how its targets are treated."""

    attempt: Handler
    provider: Provider
    routing: ProviderRouting


class Targets:
    """The state of every target.

    `off` are the providers that are switched off, with the reason; `run` enters a virtual model.
    """

    def __init__(
        self, vendors: Mapping[str, Vendor], off: Mapping[str, str], run: Handler, problems: list[Problem]
    ) -> None:
        self.vendors = vendors
        self.off = off
        self.backends: dict[str, Backend] = {}
        """The state of every target that the file names, by `provider/model`; and of each provider's other models
        together, as `provider/*`."""
        self.probes = Probes()
        self.tell: Callable[[str, float, str], None] | None = None
        """Is told of each rest that begins here: whose, for how many seconds, and why. For those who share it."""
        self._run = run
        self._problems = problems

    def rest(self, name: str, seconds: float, why: str) -> None:
        """Put a target to rest for so long: another process has learnt why. Nobody is told."""
        backend = self.backends.get(name)
        if backend is not None:
            _log.info("%s rests for %.1f s, as another process says: %s", name, seconds, why)
            backend.breaker.rest(asyncio.get_running_loop().time() + seconds)

    def route(self, target: TargetEntry, timeouts: Timeouts, place: str) -> Route | None:
        """The way to a target; None where its provider is switched off."""
        kind, _, name = target.to.partition(":")
        if kind in VIRTUAL:
            backend = self._backend(kind, name, target.to, self._run, BreakerSettings())
            return Route(backend, Target("", target.to, timeouts), target.weight, _blended(target.price))
        provider, _, model = target.to.partition("/")
        vendor = self.vendors.get(provider)
        if vendor is None:
            return None
        backend = self._backend(provider, model, target.to, vendor.attempt, vendor.routing.breaker)
        self._watch(backend, target.probe or vendor.routing.probe, vendor, place)
        return Route(backend, Target(provider, model, timeouts), target.weight, _blended(target.price))

    def others(self, provider: str) -> Callable[[str], Handler]:
        """Makes a handler of any model's name at that provider.

        Those that the file does not name share one state, which never rests: callers name them, and one that does not
        exist says nothing of another.
        """
        vendor = self.vendors[provider]
        shared = Backend(provider, "*", vendor.attempt, Breaker(_never_open(vendor.routing.breaker)))
        self.backends[shared.name] = shared
        waits = Waits(Timeouts())

        def make(model: str) -> Handler:
            backend = self.backends.get(f"{provider}/{model}", shared)
            return Direct(Route(backend, Target(provider, model, Timeouts())), waits)

        return make

    def _backend(self, provider: str, model: str, name: str, enter: Handler, settings: BreakerSettings) -> Backend:
        if name not in self.backends:
            breaker = Breaker(settings)
            backend = self.backends[name] = Backend(provider, model, enter, breaker, name)
            breaker.changed = partial(self._changed, backend)
        return self.backends[name]

    def _watch(self, backend: Backend, probe: Probe | None, vendor: Vendor, place: str) -> None:
        if probe is None or backend.name in self.probes.probers:
            return
        if probe.kind == "models" and not hasattr(vendor.provider, "probe"):
            what = f"{backend.provider} has no list of models to probe by; give its probe `with: token`"
            self._problems.append(Problem(place, what))
        self.probes.probers[backend.name] = Prober(probe, backend, vendor.provider)

    def _changed(self, backend: Backend, state: State, until: float) -> None:
        failure = backend.failure
        if state is State.OPEN and failure is not None:
            seconds = until - asyncio.get_running_loop().time()
            why = f"status {failure.status}" + (f", {failure.code}" if failure.code else "")
            if seconds > 0:
                _log.warning("%s rests for %.1f s; its last failure: %s", backend.name, seconds, why)
                if self.tell is not None:
                    self.tell(backend.name, seconds, why)
        elif state is State.CLOSED:
            _log.warning("%s is back", backend.name)


def _never_open(settings: BreakerSettings) -> BreakerSettings:
    return BreakerSettings(consecutive=2**62, min_calls=2**62, window=settings.window, max_rest=settings.max_rest)


def _blended(price: Price | None) -> float | None:
    return None if price is None else _INPUT_SHARE * price.input + (1 - _INPUT_SHARE) * price.output
