"""The three rings, from the configuration's `pipeline:` or by default."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from gateway.components import Components, Found, made
from gateway.config.filled import Filled
from gateway.config.problems import ConfigError, Problem
from gateway.config.schema import Config
from gateway.pipeline.plugin import TIMEOUT, Plugin
from gateway.pipeline.shapes import as_middleware
from gateway.pipeline.stock import STOCK
from gateway.seam import Duration, Env, Middleware

RINGS = ("request", "model", "attempt")
"""Once a client request; once a model call asked for; once a try at one target."""
_SECRET = re.compile(r"key|secret|token|password|credential|auth|url", re.IGNORECASE)
_MAKERS = {name: stock.maker for name, stock in STOCK.items()}


class Layer(NamedTuple):
    """One middleware of a ring."""

    name: str
    """By which `use:` asks for it."""
    origin: str
    """`stock`, or where it was found: `plugins/tenant.py:12`, `module:Name`."""
    settings: Mapping[str, Any]
    """Those of its own entry. They may hold secrets: `shown` is what may be printed."""
    middleware: Middleware
    component: Any
    """What the name stands for: started and closed with the gateway."""

    @property
    def shown(self) -> dict[str, Any]:
        """The settings, with `…` for texts that may be secret; what variables filled in is as the file has it."""
        return {name: _shown(name, value) for name, value in self.settings.items()}


class Entry(NamedTuple):
    """What the configuration says of one layer."""

    place: str
    name: str
    settings: dict[str, Any]


Rings = Mapping[str, list[Layer]]
"""By a ring's name its layers, the first one outermost."""


def build_rings(config: Config, components: Components, env: Env, problems: list[Problem]) -> Rings:
    """The layers of all three rings. What is wrong is added to `problems`."""
    return _Builder(config, components, env, problems).rings()


class _Builder:
    def __init__(self, config: Config, components: Components, env: Env, problems: list[Problem]) -> None:
        self._pipeline = members(config.pipeline)
        self._blocks = {name: _block(config, stock.block) for name, stock in STOCK.items()}
        self._components = components
        self._env = env
        self._problems = problems

    def rings(self) -> Rings:
        for name in self._pipeline:
            if name not in RINGS:
                self._problem("pipeline", f"the name {name!r} is not known here; the rings are {', '.join(RINGS)}")
        return {ring: self._layers(ring) for ring in RINGS}

    def _problem(self, place: str, message: str) -> None:
        self._problems.append(Problem(place, message))

    def _layers(self, ring: str) -> list[Layer]:
        layers = []
        given = self._pipeline.get(ring)
        entries = list(self._default(ring) if given is None else self._given(f"pipeline.{ring}", given))
        for entry in entries:
            try:
                layers.append(self._layer(ring, entry))
            except ConfigError as error:
                self._problems += error.problems
        for name in self._of(ring):
            if name not in [entry.name for entry in entries]:
                # Whoever configures keys must not serve without them.
                self._problem(
                    f"pipeline.{ring}",
                    f"the block {STOCK[name].block!r} is configured, and this ring leaves {name!r} out; "
                    f"add {{use: {name}}}, or take the block out",
                )
        return layers

    def _of(self, ring: str) -> list[str]:
        """The stock middlewares whose block is configured, and that stand in this ring."""
        return [name for name, stock in STOCK.items() if ring in stock.rings and self._blocks[name] is not None]

    def _default(self, ring: str) -> Iterator[Entry]:
        for name in self._of(ring):
            yield Entry(STOCK[name].block or name, name, {})

    def _given(self, ring_place: str, given: Any) -> Iterator[Entry]:
        if not isinstance(given, list):
            self._problem(ring_place, f"expected a list of entries, found {given!r}")
            return
        for number, entry in enumerate(given):
            place = f"{ring_place}[{number}]"
            settings = dict(entry) if isinstance(entry, dict) else {"use": entry}
            name = settings.pop("use", None)
            if isinstance(name, str) and name:
                yield Entry(place, name, settings)
            else:
                self._problem(place, f"expected a name, or {{use: NAME}} with settings, found {entry!r}")

    def _layer(self, ring: str, entry: Entry) -> Layer:
        found = self._components.find(entry.name, _MAKERS, f"{entry.place}.use")
        if not found.stock:
            return self._plugin(entry, found)
        stock = STOCK[entry.name]
        if ring not in stock.rings:
            homes = " or ".join(stock.rings)
            raise ConfigError([Problem(f"{entry.place}.use", f"{entry.name} belongs into {homes}, not into {ring}")])
        try:
            own = made(found, entry.name, {**(self._blocks[entry.name] or {}), **entry.settings}, "")
        except ConfigError as error:
            block = None if self._blocks[entry.name] is None else stock.block
            raise ConfigError([_placed(problem, entry, block) for problem in error.problems]) from error
        return Layer(entry.name, found.origin, entry.settings, own, own)

    def _plugin(self, entry: Entry, found: Found) -> Layer:
        """A middleware of somebody else's, under watch."""
        place, name, settings = entry
        own = {key: value for key, value in settings.items() if key != "timeout"}
        if "timeout" in getattr(getattr(found.maker, "Settings", None), "__struct_fields__", ()):
            wrong = f"{name} ({found.origin}) has a setting `timeout`, which entries keep for the gateway; rename it"
            raise ConfigError([Problem(f"{place}.use", wrong)])
        component = made(found, name, own, place)
        wrong = f"{place}.timeout"
        try:
            seconds = Duration.parse(settings.get("timeout", TIMEOUT))
            if seconds <= 0:
                raise ValueError("expected a duration above 0")
            wrong = f"{place}.use"
            middleware = as_middleware(component, f"{name} ({found.origin})", self._env.threads)
        except ValueError as error:
            raise ConfigError([Problem(wrong, str(error))]) from error
        return Layer(name, found.origin, settings, Plugin(name, middleware, seconds, self._env.log), component)


def _block(config: Config, name: str | None) -> Mapping[str, Any] | None:
    """A top-level block's keys; None where it is absent or says `enabled: false`."""
    block = None if name is None else getattr(config, name)
    return None if block is None or members(block).get("enabled") is False else members(block)


def members(block: Any) -> Mapping[str, Any]:
    """A block's members by name, none where it is absent; those that are blocks themselves stay as they are."""
    if isinstance(block, msgspec.Struct):
        return {field: getattr(block, field) for field in block.__struct_fields__}
    return block or {}


def _placed(problem: Problem, entry: Entry, block: str | None) -> Problem:
    """A problem with the settings, placed where these stand: in the entry itself or in the block of its defaults."""
    key = problem.place.partition(".")[0].partition("[")[0]
    own = key in entry.settings or (not key and entry.settings)
    holder = entry.place if own or block is None else block
    return problem._replace(place=f"{holder}.{problem.place}" if problem.place else holder)


def _shown(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shown(f"{name}.{key}", item) for key, item in value.items()}
    if isinstance(value, list):
        return [_shown(name, item) for item in value]
    if isinstance(value, Filled) and not value.shown:
        value = value.written
    return "…" if isinstance(value, str) and (_SECRET.search(name) or "://" in value or len(value) > 60) else value
