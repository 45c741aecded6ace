"""The three rings, from the configuration's `pipeline:` or by default."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from gateway.components import Components, made
from gateway.config.problems import ConfigError, Problem
from gateway.config.schema import Config
from gateway.pipeline.stock import STOCK

RINGS = ("request", "model", "attempt")
"""Once a client request; once a model call asked for; once a try at one target."""
_MAKERS = {name: stock.maker for name, stock in STOCK.items()}


class Layer(NamedTuple):
    """One middleware of a ring: the name by which `use:` asks for it, its own settings, and where it comes from."""

    name: str
    middleware: Any
    settings: Mapping[str, Any]
    origin: str


Rings = Mapping[str, list[Layer]]
"""By a ring's name its layers, the first one outermost."""


def build_rings(config: Config, components: Components, problems: list[Problem]) -> Rings:
    """The layers of all three rings. What is wrong is added to `problems`."""
    blocks = {stock.block: _block(config, stock.block) for stock in STOCK.values() if stock.block is not None}
    rings: dict[str, list[Layer]] = {}
    for ring in RINGS:
        given = _given(config, ring)
        layers = rings[ring] = []
        for place, name, settings in _entries(ring, given, blocks, problems):
            try:
                layers.append(_layer(ring, place, name, settings, blocks, components))
            except ConfigError as error:
                problems += error.problems
        if given is not None:
            problems += _left_out(ring, [layer.name for layer in layers], blocks)
    return rings


def _given(config: Config, ring: str) -> list[Any] | None:
    return None if config.pipeline is None else config.pipeline.get(ring)


def _block(config: Config, name: str) -> Mapping[str, Any] | None:
    """A top-level block's keys; None where it is absent or says `enabled: false`."""
    block = getattr(config, name)
    if isinstance(block, msgspec.Struct):
        block = {field: getattr(block, field) for field in block.__struct_fields__}
    return None if block is None or block.get("enabled") is False else block


def _entries(
    ring: str, given: list[Any] | None, blocks: Mapping[str, Any], problems: list[Problem]
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Each entry of a ring: its place, its name, its own settings."""
    if given is None:
        for name, stock in STOCK.items():
            if ring in stock.rings and stock.block is not None and blocks[stock.block] is not None:
                yield stock.block, name, {}
        return
    for number, entry in enumerate(given):
        place = f"pipeline.{ring}[{number}]"
        settings = dict(entry) if isinstance(entry, dict) else {"use": entry}
        used = settings.pop("use", None)
        if isinstance(used, str) and used:
            yield place, used, settings
        else:
            problems.append(Problem(place, f"expected a name, or {{use: NAME}} with settings, found {entry!r}"))


def _layer(
    ring: str, place: str, name: str, settings: dict[str, Any], blocks: Mapping[str, Any], components: Components
) -> Layer:
    found = components.find(name, _MAKERS, f"{place}.use")
    stock = STOCK.get(name)
    if stock is None:
        return Layer(name, made(found, name, settings, place), settings, found.origin)
    if ring not in stock.rings:
        raise ConfigError([Problem(place, f"{name} belongs into the ring {' or '.join(stock.rings)}, not {ring}")])
    block = (blocks[stock.block] if stock.block is not None else None) or {}
    try:
        return Layer(name, made(found, name, {**block, **settings}, ""), settings, found.origin)
    except ConfigError as error:
        raise ConfigError([_placed(problem, place, stock.block, settings) for problem in error.problems]) from error


def _placed(problem: Problem, place: str, block: str | None, settings: Mapping[str, Any]) -> Problem:
    """A problem with the settings, placed where these stand: in the entry itself or in the block of its defaults."""
    key = problem.place.partition(".")[0].partition("[")[0]
    holder = place if block is None or key in settings or (not key and settings) else block
    return problem._replace(place=f"{holder}.{problem.place}" if problem.place else holder)


def _left_out(ring: str, names: list[str], blocks: Mapping[str, Any]) -> Iterator[Problem]:
    """The blocks whose middleware a given ring lacks: whoever configures keys must not serve without them."""
    for name, stock in STOCK.items():
        if ring in stock.rings and stock.block is not None and blocks[stock.block] is not None and name not in names:
            yield Problem(
                f"pipeline.{ring}",
                f"the block {stock.block!r} is configured, and this ring leaves {name!r} out; "
                f"add {{use: {name}}}, or take the block out",
            )
