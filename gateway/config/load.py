"""From YAML files and the environment to a typed configuration."""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gateway.config.convert import convert, remainder
from gateway.config.overrides import override
from gateway.config.positions import Positions
from gateway.config.problems import ConfigError, Problem
from gateway.config.rules import broken_rules
from gateway.config.schema import Config
from gateway.config.sources import Sources
from gateway.config.unbuilt import unbuilt
from gateway.config.words import secret

__all__ = ["convert", "further", "parse", "read", "unbuilt"]
_NEEDS = {"models": ("providers",), "server": ("server", "auth"), "auth": ("server", "auth"), "pipeline": ("pipeline",)}
"""Whose problems depend on which blocks: where these are damaged, what the rest lacks is no problem of the file."""
_UNKNOWN = re.compile(r"no such (provider|model|chain|graph|tool)\b")
_HANDED_ON = ("providers", "pipeline")
"""Blocks whose values go to components, which may show them in what they raise."""


def read(path: str | Path, environment: Mapping[str, str] | None = None) -> Config:
    """Load a configuration file. Raises `ConfigError` with every problem found."""
    loading = _Loading(environment)
    return loading.finish(loading.sources.file(str(path), Problem("", "", file=str(path))))


def parse(document: Any, environment: Mapping[str, str] | None = None) -> Config:
    """Read a configuration from a mapping, as YAML gives it. Raises `ConfigError`."""
    loading = _Loading(environment)
    return loading.finish(loading.sources.document({} if document is None else document, ""))


def further(error: ConfigError, build: Callable[[Config], object]) -> ConfigError:
    """The error with the problems that building the rest of the configuration finds."""
    if error.rest is None:
        return error
    problems = error.problems
    try:
        build(error.rest)
    except ConfigError as more:
        problems = [*problems, *_not_caused(more.problems, problems, error.rest.positions.lacking)]
    return ConfigError(error.rest.positions.locate(problems))


def _not_caused(found: Iterable[Problem], told: Sequence[Problem], lacking: bool) -> list[Problem]:
    """Of the problems that are found in what is left of a file, those that the file has by itself.

    `lacking`: what is not there may stand in a file that could not be read.
    """
    damaged = {_block(problem) for problem in told}
    if not any(problem.place.startswith("providers") and problem.place.count(".") < 2 for problem in told):
        damaged.discard("providers")  # every one is still there: what is wrong is inside them
    places = [problem.place for problem in told]
    return [
        problem
        for problem in found
        if not (lacking and _may_stand_elsewhere(problem))
        and damaged.isdisjoint(_needs(problem))
        and not (_block(problem) == "providers" and any(place.startswith(problem.place) for place in places))
    ]


def _may_stand_elsewhere(problem: Problem) -> bool:
    """Whether a problem is that something is not there, which another file could have brought."""
    block = _block(problem)
    if problem.message == "missing":
        return block == "pipeline" or problem.place.count(".") < 2
    return (
        _UNKNOWN.match(problem.message) is not None
        or problem.place == "server.host"  # without auth
        or problem.place.endswith(".http.url")  # not among http_hosts
        or (block == "auth" and problem.place.endswith((".limits", ".budget")))  # without state
    )


def _needs(problem: Problem) -> tuple[str, ...]:
    """The blocks that a problem may come from, where they are damaged."""
    block = _block(problem)
    if block in ("chains", "graphs", "tools") and problem.place.endswith(".model"):
        return "models", "providers"
    if problem.place.endswith(".http.url"):
        return ("orchestrator",)
    return _NEEDS.get(block, ())


def _block(problem: Problem) -> str:
    return problem.place.partition(".")[0].partition("[")[0]


class _Loading:
    """One way from files to a configuration."""

    def __init__(self, environment: Mapping[str, str] | None) -> None:
        self._environment = os.environ if environment is None else environment
        self._problems: list[Problem] = []
        self._positions = Positions()
        self.sources = Sources(self._environment, self._problems, self._positions)

    def finish(self, document: dict[str, Any]) -> Config:
        override(document, self._environment, self._positions)
        for block in _HANDED_ON:
            self._positions.secrets.update(_secrets(document.get(block), (block,)))
        config: Config | None
        try:
            config = convert(document, Config, "")
        except ConfigError as error:
            lacking = self._positions.lacking
            self._problems += (one for one in error.problems if not (lacking and _may_stand_elsewhere(one)))
            config = remainder(document, Config)
        if config is not None and not self.sources.broken:
            self._problems += _not_caused(broken_rules(config), self._problems, self._positions.lacking)
        if config is not None:
            config.positions = self._positions
        if self._problems or config is None:
            raise ConfigError(self._positions.locate(self._problems), None if self.sources.broken else config)
        return config


def _secrets(value: Any, path: tuple[str | int, ...]) -> Iterator[str]:
    """The texts below a path that nobody may see. Short ones would blot out words."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _secrets(item, (*path, name))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _secrets(item, (*path, number))
    elif isinstance(value, str) and len(value) > 5 and secret(path):
        yield value
