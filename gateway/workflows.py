"""The chains and graphs of a configuration, read beside its models and functions."""

from collections.abc import Callable, Iterator
from typing import Any

from gateway.components import Components
from gateway.config.problems import ConfigError, Problem
from gateway.config.routing import VIRTUAL, Fallback, ModelEntry
from gateway.config.schema import Config
from gateway.orchestration.wiring import Workflows, read_workflows, unbuilt


def workflows(config: Config, components: Components, notes: list[str], problems: list[Problem]) -> Workflows:
    """The chains and graphs; what is wrong is added to `problems`, and what does nothing yet to `notes`."""
    try:
        read = read_workflows(config.chains, config.graphs, models(config), config.providers, _function(components))
    except ConfigError as error:
        problems += error.problems
        return Workflows({}, {})
    notes += unbuilt(read)
    return read


def models(config: Config) -> dict[str, list[str]]:
    """The names of models, aliases too, with the chains and graphs that each leads to, by way of others too."""
    owners = {name: name for name in config.models}
    for name, model in config.models.items():
        owners.update(dict.fromkeys(model.aliases if isinstance(model, ModelEntry) else (), name))
    return {name: _led_to(config, owners, owner) for name, owner in owners.items()}


def _led_to(config: Config, owners: dict[str, str], owner: str) -> list[str]:
    seen = {owner}
    led_to: list[str] = []
    pile = [owner]
    while pile:
        for name in _named(config.models[pile.pop()]):
            if name.partition(":")[0] in VIRTUAL:
                led_to.append(name)
            elif (other := owners.get(name)) is not None and other not in seen:
                seen.add(other)
                pile.append(other)
    return led_to


def _named(model: str | ModelEntry) -> Iterator[str]:
    """Everything that a model turns to."""
    if isinstance(model, str):
        yield model
        return
    yield from (target.to for target in model.targets)
    given = model.fallback
    lists = [getattr(given, cause) for cause in given.__struct_fields__] if isinstance(given, Fallback) else [given]
    yield from (name for names in lists for name in names)


def _function(components: Components) -> Callable[[str, str], Any]:
    return lambda name, place: components.find(name, {}, place).maker
