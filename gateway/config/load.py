"""From a YAML file and the environment to a typed configuration."""

import os
import re
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from gateway.config.problems import ConfigError, Problem
from gateway.config.schema import UNBUILT, Config
from gateway.seam.settings import decode

T = TypeVar("T")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_OPTIONAL = re.compile(r"providers\.[^.]+\.api_key")
"""Where an unset variable switches something off instead of being an error."""


class _Loader(yaml.SafeLoader):
    """YAML in which a key that stands twice is an error: PyYAML silently keeps the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            line = f"line {key_node.start_mark.line + 1}"
            if not isinstance(key_node, yaml.ScalarNode):
                raise ConfigError([Problem(line, "expected a plain key, found a list or mapping")])
            if key_node.value in seen:
                raise ConfigError([Problem(line, f"the key {key_node.value!r} stands here twice")])
            seen.add(key_node.value)
        return super().construct_mapping(node, deep)


def read(path: str | Path, environment: Mapping[str, str] | None = None) -> Config:
    """Load a configuration file. Raises `ConfigError` with every problem found."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([Problem(str(path), f"cannot be read: {error}")]) from error
    try:
        document = yaml.load(text, _Loader)  # noqa: S506 (a SafeLoader)
    except yaml.YAMLError as error:
        raise ConfigError([Problem(str(path), f"is not valid YAML: {error}")]) from error
    return parse(document, environment)


def parse(document: Any, environment: Mapping[str, str] | None = None) -> Config:
    """Read a configuration from a mapping, as YAML gives it. Raises `ConfigError`."""
    if document is None:
        document = {}
    if not isinstance(document, dict):
        raise ConfigError([Problem("", f"the file holds a {type(document).__name__}, not a mapping of blocks")])
    problems: list[Problem] = []
    document = _substituted(document, "", os.environ if environment is None else environment, problems)
    if problems:
        raise ConfigError(problems)
    return convert(document, Config, "")


def convert(value: Any, kind: type[T], place: str) -> T:
    """Read a plain value as `kind`. Raises `ConfigError` with the place of what does not fit."""
    try:
        # Not strict: what a variable fills in is a string, also where a number is wanted.
        return msgspec.convert(value, kind, strict=False, dec_hook=decode)
    except msgspec.ValidationError as error:
        message, _, inside = str(error).partition(" - at `$")
        where = ".".join(filter(None, (place, inside.rstrip("`").replace("[...]", "").lstrip("."))))
        raise ConfigError([Problem(where, message)]) from error


def unbuilt(config: Config) -> list[str]:
    """What stands in the file and does nothing yet, in sentences."""
    notes = [f"{name}: known, but not built yet: it does nothing" for name in UNBUILT if getattr(config, name)]
    for number, key in enumerate(config.auth.keys if config.auth is not None else ()):
        for field in ("limits", "budget", "role"):
            if getattr(key, field) is not None:
                notes.append(f"auth.keys[{number}].{field}: known, but not built yet: it does nothing")
    for name, model in config.models.items():
        if not isinstance(model, str):
            for field in ("strategy", "retry", "fallback"):
                if getattr(model, field) is not None:
                    notes.append(f"models.{name}.{field}: known, but not built yet: it does nothing")
            if len(model.targets) > 1:
                notes.append(f"models.{name}.targets: choice is not built yet: only the first is used")
    return notes


def _substituted(value: Any, place: str, environment: Mapping[str, str], problems: list[Problem]) -> Any:
    """The value with `${VAR}` and `${VAR:-default}` filled in from the environment."""
    if isinstance(value, dict):
        return {
            key: _substituted(item, f"{place}.{key}" if place else str(key), environment, problems)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_substituted(item, f"{place}[{n}]", environment, problems) for n, item in enumerate(value)]
    if not isinstance(value, str) or "${" not in value:
        return value
    missing = []

    def fill(found: re.Match[str]) -> str:
        text = environment.get(found[1]) or found[2]
        if not text:
            missing.append(found[1])
        return text or ""

    text = _VARIABLE.sub(fill, value)
    if not missing:
        return text
    if _OPTIONAL.fullmatch(place):
        return None
    problems.append(
        Problem(place, f"the environment variable {missing[0]} is not set; set it, or write ${{{missing[0]}:-default}}")
    )
    return value
