"""Broken chains and graphs, and exactly what is told of each: file, line, place, expected, found and cure.

They stand in `broken/` as those of the configuration do; a provider, a model and a plugin with functions are added.
`python -m tests.orchestration.test_wiring` writes down what is told now: read the difference.
"""

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.build import Gateway
from gateway.config.problems import ConfigError
from gateway.orchestration.settings import Conversational, Graph
from tests.config.test_problems import Case, as_told, folder, lay, read_case, refused

__all__ = ["folder"]
BROKEN = Path(__file__).parent / "broken"
MODELS = "providers: {mock: {}}\nmodels: {fast: mock/echo}\n"
SHOP = """
def find_order(id, note=""):
    return {}

def by_position(id, /):
    return {}
"""
CASES = {
    f"{path.stem}{number}": read_case(text)
    for path in sorted(BROKEN.glob("*.txt"))
    for number, text in enumerate(path.read_text().split("----\n"))
}


def written(folder: Path, case: Case) -> None:
    """The models stand below, so that the lines are those of the table."""
    files = {**case.files, "plugins/shop.py": SHOP}
    if "models:" not in files["gateway.yaml"]:
        files["gateway.yaml"] += MODELS
    lay(folder, files)


@pytest.mark.parametrize("name", CASES)
def test_what_is_broken_is_told_exactly(folder: Path, name: str) -> None:
    case = CASES[name]
    written(folder, case)
    assert [as_told(problem) for problem in refused()] == case.told
    assert case.told


def test_there_are_enough_of_them() -> None:
    assert len(CASES) > 130


def write_again(path: Path) -> None:
    """Put what is told now into a table."""
    texts = []
    for text in path.read_text().split("----\n"):
        with tempfile.TemporaryDirectory() as name:
            written(Path(name), read_case(text))
            os.chdir(name)
            told = "".join(f"! {as_told(problem)}\n" for problem in refused())
        texts.append("".join(line for line in text.splitlines(keepends=True) if not line.startswith("! ")) + told)
    path.write_text("----\n".join(texts))


if __name__ == "__main__":
    for table in sorted(BROKEN.resolve().glob("*.txt")):
        write_again(table)
