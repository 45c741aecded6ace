"""The models of a configuration become handlers: names, targets, what follows when all of them fail."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple, Self, cast

from gateway.components import Components
from gateway.config.problems import ConfigError, Problem
from gateway.config.routing import VIRTUAL, Fallback, ModelEntry, TargetEntry
from gateway.config.schema import Config
from gateway.routing.backend import Backend
from gateway.routing.balance import STRATEGIES, Strategy
from gateway.routing.blame import Cause
from gateway.routing.catalog import OURS, Catalog, Listing
from gateway.routing.hedge import Hedge
from gateway.routing.off import Off, SwitchedOff
from gateway.routing.router import Router
from gateway.seam import Call, Caller, Handler, Reply, Timeouts
from gateway.targets import Targets


class Plan(NamedTuple):
    """A model of the file as it was built."""

    targets: tuple[str, ...]
    """`provider/model` each, or `chain:NAME`."""
    aliases: tuple[str, ...]
    timeouts: Timeouts
    strategy: str
    """How one of several is chosen."""
    attempts: int
    """Tries in all."""
    fallback: Mapping[str, Sequence[str]]
    """The models to turn to, by cause."""

    @classmethod
    def of(cls, entry: ModelEntry) -> Self:
        """What an entry asks for."""
        lists = _by_cause(entry)
        return cls(
            tuple(target.to for target in entry.targets),
            tuple(entry.aliases),
            entry.timeout,
            entry.strategy or "weighted",
            entry.retry.attempts,
            {cause: names for cause in lists.__struct_fields__ if (names := getattr(lists, cause))},
        )


def reached(plans: Mapping[str, Plan], caller: Caller) -> set[str]:
    """The targets of the models that a caller may ask for."""
    return {
        target
        for name, plan in plans.items()
        if any(map(caller.may_use, (name, *plan.aliases)))
        for target in plan.targets
    }


class Models:
    """What `models:` makes of targets: the catalog of handlers. `components` finds strategies by their names."""

    def __init__(self, config: Config, targets: Targets, components: Components, problems: list[Problem]) -> None:
        self._config = config
        self._targets = targets
        self._components = components
        self._problems = problems
        self._routers: dict[str, Router] = {}
        self.notes: list[str] = []
        """What a person should know: targets that are left out."""
        self.plans: dict[str, Plan] = {}
        """The models that the file names, as they were built."""
        self.catalog = self._catalog()

    # ---- names

    def _catalog(self) -> Catalog:
        handlers: dict[str, Handler] = {}
        listed: list[Listing] = []
        entries = dict(self._entries())
        for name, entry in entries.items():
            self.plans[name] = Plan.of(entry)
            router = self._router(name, entry)
            self._routers |= dict.fromkeys((name, *entry.aliases), router)
        handlers |= self._routers
        for name, entry in entries.items():
            self._fall_back(name, entry)
        for name, entry in entries.items():
            if (server := _server(self._routers[name])) is not None:
                listed += [Listing(alias, server.provider) for alias in (name, *entry.aliases)]
                if not self._routers[name].routes:
                    self.notes.append(f"models.{name}: its targets are switched off: {server.name} serves it")
        makers: dict[str, Callable[[str], Handler]] = {}
        for name, vendor in self._targets.vendors.items():
            makers[name] = self._targets.others(name)
            listed += [Listing(f"{name}/{model}", name) for model in getattr(vendor.provider, "models", ())]
        for name, reason in self._targets.off.items():
            makers[name] = partial(_off_any, reason)
        for kind, block in zip(VIRTUAL, (self._config.chains, self._config.graphs), strict=True):
            listed += [Listing(f"{kind}:{name}", OURS) for name in block]
        return Catalog(handlers, makers, listed)

    def _entries(self) -> Iterator[tuple[str, ModelEntry]]:
        for name, entry in self._config.models.items():
            yield name, ModelEntry(targets=[TargetEntry(to=entry)]) if isinstance(entry, str) else entry

    # ---- one model

    def _router(self, name: str, entry: ModelEntry) -> Router:
        """The router of a model; without targets where all of them are switched off, or wrong."""
        place = f"models.{name}"
        short = isinstance(self._config.models[name], str)
        routes = []
        for number, target in enumerate(entry.targets):
            where = place if short else f"{place}.targets[{number}].to"
            if (route := self._targets.route(target, entry.timeout, where)) is not None:
                routes.append(route)
            elif len(entry.targets) > 1:
                self._left_out(where, target.to)
        if not routes:
            return Off(self._reason(entry), entry.timeout)
        return Router(
            routes,
            self._chosen(entry, place),
            entry.timeout,
            entry.retry,
            sticky=entry.sticky,
            hedge=None if entry.hedge is None else Hedge(entry.hedge),
        )

    def _chosen(self, entry: ModelEntry, place: str) -> Strategy | None:
        if entry.strategy is None:
            return None
        place = f"{place}.strategy"
        try:
            found = self._components.find(entry.strategy, STRATEGIES, place)
            strategy = found.maker() if isinstance(found.maker, type) else None
        except ConfigError as error:
            self._problems += error.problems
            return None
        except Exception as error:  # somebody's own code: anything may go wrong
            self._problem(place, f"{entry.strategy} cannot be made: {type(error).__name__}: {error}")
            return None
        if not (hasattr(strategy, "sticky") and hasattr(strategy, "choose")):
            what = "is no strategy: a class with `sticky`, and `def choose(self, call, among)`"
            self._problem(place, f"{entry.strategy} ({found.origin}) {what}")
            return None
        return cast(Strategy, strategy)

    # ---- other models

    def _fall_back(self, name: str, entry: ModelEntry) -> None:
        router, lists = self._routers[name], _by_cause(entry)
        for cause in lists.__struct_fields__:
            place = f"models.{name}.fallback" + (f".{cause}" if lists is entry.fallback else "")
            others = [self._other(wanted, f"{place}[{n}]") for n, wanted in enumerate(getattr(lists, cause))]
            router.fallback[cause] = [other for other in others if other is not None]

    def _other(self, wanted: str, place: str) -> Router | None:
        """The router that a name in `fallback` means; None where it is `provider/model` and switched off."""
        router = self._routers.get(wanted)
        if router is not None and not router.routes:
            self.notes.append(f"{place}: passed over: {wanted} is switched off")
        elif router is None:
            route = self._targets.route(TargetEntry(to=wanted), Timeouts(), place)
            if route is None:
                self._left_out(place, wanted)
            else:
                router = self._routers[wanted] = Router([route])
        return router

    def _left_out(self, place: str, target: str) -> None:
        provider = target.partition("/")[0]
        if provider in self._targets.off:
            self.notes.append(f"{place}: left out: {provider} is switched off")

    def _problem(self, place: str, message: str) -> None:
        self._problems.append(Problem(place, message))

    def _reason(self, entry: ModelEntry) -> str:
        off = self._targets.off
        providers = [target.to.partition("/")[0] for target in entry.targets]
        return "; ".join(dict.fromkeys(off[name] for name in providers if name in off))


def _by_cause(entry: ModelEntry) -> Fallback:
    return entry.fallback if isinstance(entry.fallback, Fallback) else Fallback(any=entry.fallback)


def _server(router: Router) -> Backend | None:
    """The target that serves where all are well, be it that of a model which is fallen back on; None: nobody does."""
    waiting, seen = deque([router]), {router}
    while waiting:
        router = waiting.popleft()
        if router.routes:
            return router.routes[0].backend
        others = [other for other in router.rescuers(Cause.UNAVAILABLE) if other not in seen]
        seen.update(others)
        waiting += others
    return None


def _off_any(reason: str, model: str) -> Handler:  # noqa: ARG001 (all its models are off)
    return partial(_switched_off, reason)


async def _switched_off(reason: str, call: Call) -> Reply:
    raise SwitchedOff.of(call.request.model, reason)
