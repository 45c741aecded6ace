"""From a YAML file and the environment to a typed configuration."""

import os
import re
from collections.abc import Hashable, Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin

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
    """Read a plain value as `kind`. Raises `ConfigError` with the place of everything that does not fit."""
    try:
        fitting: T = _read(value, kind)
    except msgspec.ValidationError as error:
        raise ConfigError(list(_misfits(value, kind, place))) from error
    return fitting


def _read(value: Any, kind: Any) -> Any:
    # Not strict: what a variable fills in is a string, also where a number is wanted.
    return msgspec.convert(value, kind, strict=False, dec_hook=decode)


def _misfits(value: Any, kind: Any, place: str) -> Iterator[Problem]:
    """Everything that does not fit: msgspec alone stops at the first, and does not say under which name it stands."""
    try:
        _read(value, kind)
    except msgspec.ValidationError as error:
        found = [*_names(value, kind, place)]
        for part in _parts(value, kind, place):
            found += _misfits(*part)
        yield from found or (Problem(place, str(error).partition(" - at `")[0]),)


def _names(value: Any, kind: Any, place: str) -> Iterator[Problem]:
    """The names that a block does not know, and those that it lacks."""
    fields = _fields(value, kind)
    if fields:
        yield from (Problem(place, f"the name {name!r} is not known here") for name in value if name not in fields)
        lacking = [name for name, field in fields.items() if field.required and name not in value]
        yield from (Problem(place, f"{name!r} is missing") for name in lacking)


def _parts(value: Any, kind: Any, place: str) -> Iterator[tuple[Any, Any, str]]:
    """What a value consists of: each with the kind that it should be, and its place."""
    fields = _fields(value, kind)
    if fields:
        yield from ((value[name], field.type, _at(place, name)) for name, field in fields.items() if name in value)
    elif isinstance(value, dict) and get_origin(kind) is dict:
        yield from ((item, get_args(kind)[1], _at(place, str(name))) for name, item in value.items())
    elif isinstance(value, list) and get_origin(kind) in (list, tuple):
        yield from ((item, get_args(kind)[0], f"{place}[{number}]") for number, item in enumerate(value))


def _fields(value: Any, kind: Any) -> dict[str, msgspec.structs.FieldInfo]:
    """The fields of the block that a mapping should be; empty where it should be none."""
    for option in get_args(kind) if isinstance(kind, UnionType) else (kind,):
        if isinstance(value, dict) and isinstance(option, type) and issubclass(option, msgspec.Struct):
            return {field.encode_name: field for field in msgspec.structs.fields(option)}
    return {}


def _at(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


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
        return {key: _substituted(item, _at(place, str(key)), environment, problems) for key, item in value.items()}
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
