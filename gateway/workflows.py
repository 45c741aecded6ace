"""The chains and graphs of a configuration, read beside its models and functions."""

from collections.abc import Callable, Iterator
from typing import Any

from gateway.components import Components
from gateway.config.problems import ConfigError, Problem
from gateway.config.schema import Config, Fallback, ModelEntry
from gateway.orchestration.wiring import Workflows, read_workflows, unbuilt

_VIRTUAL = ("chain:", "graph:")


def workflows(config: Config, components: Components, notes: list[str], problems: list[Problem]) -> Workflows:
    """The chains and graphs; what is wrong is added to `problems`, and what does nothing yet to `notes`."""
    models: dict[str, list[str]] = {}
    for name, model in config.models.items():
        for alias in (name, *(model.aliases if isinstance(model, ModelEntry) else ())):
            models[alias] = [target for target in _targets(model) if target.startswith(_VIRTUAL)]
    try:
        read = read_workflows(config.chains, config.graphs, models, config.providers, _function(components))
    except ConfigError as error:
        problems += error.problems
        return Workflows({}, {})
    notes += unbuilt(read)
    return read


def _targets(model: str | ModelEntry) -> Iterator[str]:
    """Everything that a model may turn to."""
    if isinstance(model, str):
        yield model
        return
    yield from (target.to for target in model.targets)
    given = model.fallback or []
    lists = [getattr(given, cause) for cause in given.__struct_fields__] if isinstance(given, Fallback) else [given]
    yield from (name for names in lists for name in names)


def _function(components: Components) -> Callable[[str, str], Any]:
    return lambda name, place: components.find(name, {}, place).maker
