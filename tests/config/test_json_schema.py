"""The JSON Schema for editors, held against the loader."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from gateway.build import PROVIDERS
from gateway.cli import main
from gateway.config.convert import convert
from gateway.config.json_schema import json_schema
from gateway.config.load import parse
from gateway.config.problems import ConfigError
from gateway.orchestration.settings import CHAINS, Graph, Tool
from gateway.orchestration.wiring import read_chain
from tests.config.test_problems import CASES

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "config/gateway.schema.json"
SCHEMA = json.loads(SHIPPED.read_text())
VALIDATOR = Draft202012Validator(SCHEMA)
EVERYTHING = yaml.safe_load((Path(__file__).parent / "files/everything.yaml").read_text())
EVERYTHING["providers"]["mock"] = {
    "first_token": "200ms",
    "models": {"slow": {"like": "lorem", "pace": "1s", "failures": [{"kind": "status", "status": 429}]}},
    "replies": [{"when": "weather", "model": "tools", "tool": {"name": "get", "arguments": {"city": "Oslo"}}}],
    "failures": [{"kind": "stall", "after": 5, "rate": 0.1}],
    "seed": 7,
}
EVERYTHING["providers"]["other"] = {"type": "openai", "http": {"max_connections": 5, "verify": False}}
RULES = (
    "pings would never pause",
    "no model of it could be named",
    "expected either key or sha256",
    "no such provider",
    "no such model",
    "no such chain",
    "no such graph",
    "stands here twice",
    "would fall back on itself",
    "compares prices",
    "stands for",
    "workers would each count",
    "frames the message",
    "fits no model",
    "a reply needs",
    "`when` is no regular expression",
    "takes `rate` or `sequence`",
    "needs transport: httpx",
    "at least 1, found",
    "names no host",
)
"""What the loader says of values that are good by themselves, and a schema cannot say."""


def accepted(document: dict[str, Any]) -> bool:
    """Whether the loader takes each value for itself."""
    problems = []
    try:
        parse(copy.deepcopy(document), {})
    except ConfigError as error:
        problems += error.problems
    providers = document.get("providers", {})
    for name, entry in providers.items() if isinstance(providers, dict) else ():
        if not isinstance(entry, dict):
            continue
        own = {key: value for key, value in entry.items() if key != "type"}
        kind = name if entry.get("type") is None else entry["type"]
        if not isinstance(kind, str) or (kind not in PROVIDERS and ":" not in kind):
            return False
        if kind in PROVIDERS:
            try:
                convert(own, PROVIDERS[kind].Settings, f"providers.{name}")  # type: ignore[attr-defined]
            except ConfigError as error:
                problems += error.problems
    readers = {
        "chains": read_chain,
        "graphs": lambda entry, at: convert(entry, Graph, at),
        "tools": lambda entry, at: convert(entry, Tool, at),
    }
    for place, read in readers.items():
        workflows = document.get(place, {})
        for name, entry in workflows.items() if isinstance(workflows, dict) else ():
            try:
                read(copy.deepcopy(entry), f"{place}.{name}")
            except ConfigError as error:
                problems += error.problems
    return all(any(rule in problem.message for rule in RULES) for problem in problems)


def test_it_is_a_schema_and_current() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    result = CliRunner().invoke(main, ["schema"])
    assert result.exit_code == 0
    assert result.output == SHIPPED.read_text(), "run: python -m gateway schema > config/gateway.schema.json"


def test_the_configuration_names_it_in_its_first_line() -> None:
    path = ROOT / "config/gateway.yaml"
    key, _, value = path.read_text().splitlines()[0].removeprefix("# yaml-language-server: ").partition("=")
    assert key == "$schema"
    assert path.parent / value == SHIPPED


def test_everything_has_a_description() -> None:
    lacking = [
        f"{name}.{field}"
        for name, block in {"Config": SCHEMA, **SCHEMA["$defs"]}.items()
        if name not in ("MockSettings", "FixedReply", "Failure", "Scripted", "ToolUse", "ClientSettings", "Timeouts")
        and not name.endswith("Settings")
        for field, value in block.get("properties", {}).items()
        if field != "type" and "description" not in value
    ]
    assert lacking == []
    assert all(block.get("description") for name, block in SCHEMA["$defs"].items() if name != "provider")


@pytest.mark.parametrize("name", ["config/gateway.yaml", "tests/config/files/everything.yaml"])
def test_good_files_are_good(name: str) -> None:
    VALIDATOR.validate(yaml.safe_load((ROOT / name).read_text()))


def test_the_document_to_be_broken_is_good() -> None:
    VALIDATOR.validate(EVERYTHING)
    assert accepted(EVERYTHING)


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith(("server", "blocks", "models"))])
def test_it_refuses_what_the_loader_refuses(name: str) -> None:
    text = CASES[name].files["gateway.yaml"]
    document = yaml.safe_load(text)
    assert VALIDATOR.is_valid(document) == accepted(document)


def test_a_provider_without_settings_takes_none() -> None:
    validator = Draft202012Validator(json.loads(json_schema({"plain": None}, CHAINS, Graph, Tool)))
    assert validator.is_valid({"providers": {"plain": {}, "other": {"type": "plain"}, "own": {"type": "a:B", "x": 1}}})
    assert not validator.is_valid({"providers": {"plain": {"x": 1}}})
    assert not validator.is_valid({"providers": {"other": {"type": "plain", "x": 1}}})
    assert not validator.is_valid({"providers": {"other": {}}})


def test_a_variable_may_stand_for_whatever_stands_in_one_line() -> None:
    document = {
        "server": {"port": "${A}", "max_body": "${A}", "shutdown_grace": "${A}", "host": "${A}"},
        "state": "${A}",
        "database": "${A}",
        "auth": {"keys": [{"name": "${A}", "sha256": "${A}", "role": "${A}", "budget": {"usd": "${A}"}}]},
        "cache": {"enabled": "${A}"},
        "models": {"a": "${A}", "b": {"targets": [{"to": "${A}", "weight": "${A}"}], "strategy": "${A}"}},
        "providers": {"x": {"type": "${A}"}, "mock": {"pace": "${A}"}},
    }
    VALIDATOR.validate(document)


# ---- documents that are broken at random

VALUES = st.sampled_from([
    None, True, False, 0, 1, 2, -1, 7.5, -0.5, 99999, 10**12, "", "x", "true", "8080", "30", "30s", "1h30m", "10MiB",
    "5 parsecs", "1.5kb", "admin", "least_busy", "mock/echo", "a/", "memory", "redis://h", "sqlite:///x", "openai",
    "mock", "nope", "a:B", "echo", "status", "native", [], ["x"], [1], ["a/b"], [None], {}, {"x": 1}, {"use": "auth"},
    [{"use": "auth", "ttl": 5}], [{"to": "a/b"}], {"any": ["a/b"]}, [{}], {"name": "x", "key": "y"},
])  # fmt: skip
NAMES = st.sampled_from(
    ["port", "name", "key", "to", "use", "type", "enabled", "ttl", "targets", "models", "x", "wieght", "any", "usd"]
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for step, item in items for place in places(item, (*path, step)))]


@st.composite
def broken(draw: st.DrawFn) -> dict[str, Any]:
    document = copy.deepcopy(EVERYTHING)
    for _ in range(draw(st.integers(1, 3))):
        *way, last = draw(st.sampled_from(places(document)[1:]))
        holder: Any = document
        for step in way:
            holder = holder[step]
        change = draw(st.sampled_from(["put", "put", "put", "drop", "add", "wrap"]))
        if change == "put":
            holder[last] = copy.deepcopy(draw(VALUES))
        elif change == "drop":
            del holder[last]
        elif change == "wrap":
            holder[last] = [holder[last]]
        elif isinstance(holder, dict):
            holder[draw(NAMES)] = copy.deepcopy(draw(VALUES))
        else:
            holder.append(copy.deepcopy(draw(VALUES)))
        if not document:
            break
    document.pop("include", None)
    return document


@given(broken())
@settings(max_examples=600, deadline=None)
def test_it_judges_as_the_loader_does(document: dict[str, Any]) -> None:
    assert VALIDATOR.is_valid(document) == accepted(document)
