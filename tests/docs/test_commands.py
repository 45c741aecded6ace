"""What the page on commands shows is what they print."""

import re
from pathlib import Path

import yaml

from gateway.build import Gateway
from gateway.commands.description import describe
from gateway.commands.diff import diff
from gateway.commands.explain import explain
from gateway.config.load import parse
from tests.commands.runs.test_command import LIST, SHOW
from tests.commands.runs.test_frame import UNDER_WAY

TEXT = (Path(__file__).parents[2] / "docs" / "commands.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
SOURCE = next(text for kind, text in BLOCKS if kind == "yaml")
SHOWN = [text for kind, text in BLOCKS if kind == "text"]


def built(source: str) -> Gateway:
    return Gateway(parse(yaml.safe_load(source), {}), {})


def test_explain() -> None:
    assert explain(built(SOURCE)) + "\n" == SHOWN[0]


def test_diff() -> None:
    other = SOURCE.replace(', "ollama/*"', "").replace("vllm/qwen3-8b", "ollama/llama3.2:3b").replace("90s", "2m")
    assert diff(describe(built(SOURCE)), describe(built(other)))[1] + "\n" == SHOWN[1]


def test_runs() -> None:
    """The tests of the commands hold that these are what is printed."""
    assert SHOWN[2:] == [LIST, SHOW, f"{UNDER_WAY}\n"]
