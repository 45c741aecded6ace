"""Broken chains and graphs, and exactly what is told of each: file, line, place, expected, found and cure.

They stand in `broken/` as those of the configuration do; a provider, a model and a plugin with functions are added.
`python -m tests.orchestration.test_wiring` writes down what is told now: read the difference.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from gateway.build import Gateway
from gateway.config.problems import ConfigError
from gateway.orchestration.settings import Conversational, Simple
from gateway.orchestration.wiring import read_workflows
from tests.config.test_problems import Case, as_told, folder, lay, read_case, refused

__all__ = ["folder"]
BROKEN = Path(__file__).parent / "broken"
MODELS = "providers: {mock: {}}\nmodels: {fast: mock/echo}\n"
SHOP = """
def find_order(id, note=""):
    return {}

def typed(id: str, note: str = "") -> dict:
    return {}

def unknown_type(id: "Nowhere") -> dict:
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


def test_all_is_told_at_once_in_the_order_of_the_file(folder: Path) -> None:
    """Problems of values, of wiring, and of other blocks; what comes of another problem is not told."""
    text = """\
models: {fast: {targets: [{to: mock/echo, weight: heavy}]}, slow: nowhere/x}
chains:
  a: {type: simple, model: fast, prompt: "{{ nope }}"}
  b: {type: sequential, steps: [{name: x, modle: fast}]}
  c: {type: simple, graph: g}
graphs:
  g: {start: n, nodes: {n: {chain: c}}, edges: []}
providers: {mock: {}}
"""
    lay(folder, {"gateway.yaml": text})
    assert [(problem.line, problem.place) for problem in refused()] == [
        (1, "models.fast.targets[0].weight"),
        (1, "models.slow"),
        (3, "chains.a.prompt"),
        (4, "chains.b.steps[0].modle"),
        (7, "graphs.g.nodes.n"),
        (7, "graphs.g.nodes.n.chain"),
    ]


def test_rings_through_models_are_found() -> None:
    chains = {"a": {"type": "simple", "model": "canary"}}
    with pytest.raises(ConfigError, match="chain:a calls itself: chain:a → chain:a"):
        read_workflows(chains, {}, {}, {"canary": ["chain:a"]}, [], lambda name, place: name)


def test_calls_may_be_nested_deeply_and_shared() -> None:
    chains: dict[str, Any] = {"c0": {"type": "simple", "model": "p/m"}}
    for number in range(1, 1500):
        steps = [{"name": "a", "chain": f"c{number - 1}"}, {"name": "b", "chain": f"c{number - 1}"}]
        chains[f"c{number}"] = {"type": "sequential", "steps": steps}
    assert len(read_workflows(chains, {}, {}, {}, ["p"], lambda name, place: name).chains) == 1500


def test_the_designs_workflows_load_as_they_stand() -> None:
    gateway = Gateway.load(Path(__file__).parent / "files/workflows.yaml", {})
    read = gateway.workflows
    assert read is not None
    assert list(read.chains) == ["summarise", "tutor", "polish", "panel", "triage"]
    assert list(read.graphs) == ["support"]
    tutor = read.chains["tutor"]
    assert isinstance(tutor, Conversational)
    assert tutor.memory is not None
    assert tutor.memory.last == 20
    assert "database: none is configured: chains.tutor keeps conversations in sqlite:///gateway.db" in gateway.notes


def test_texts_of_variables_are_plain_wherever_they_stand(folder: Path) -> None:
    text = """\
chains:
  c:
    type: simple
    function: "shop:find_order"
    args: {id: {deep: ["${WORD}"]}, note: "${NUMBER}"}
    timeout: "${NUMBER}"
"""
    written(folder, Case({"gateway.yaml": text}, []))
    read = Gateway.load("gateway.yaml", {"WORD": "eleven", "NUMBER": "7"}).workflows
    assert read is not None
    chain = read.chains["c"]
    assert isinstance(chain, Simple)
    assert chain.args == {"id": {"deep": ["eleven"]}, "note": "7"}
    assert (chain.timeout, type(chain.args["note"])) == (7, str)


def test_a_prompt_may_stand_in_a_file_of_its_own(folder: Path) -> None:
    written(folder, Case({"gateway.yaml": "chains: {c: {type: simple, model: fast, prompt: {file: p.txt}}}\n"}, []))
    (folder / "p.txt").write_text("Say {{ inpt }}")
    (problem,) = refused()
    assert (problem.place, problem.found) == ("chains.c.prompt", "'inpt'")
    (folder / "p.txt").write_text("Say {{ input }}")
    read = Gateway.load("gateway.yaml", {}).workflows
    assert read is not None
    chain = read.chains["c"]
    assert isinstance(chain, Simple)
    assert chain.prompt == "Say {{ input }}"


def test_who_has_none_imports_no_template_engine() -> None:
    code = "import sys\nfrom gateway.build import Gateway\nGateway.load({'providers': {'mock': {}}}, {})\n"
    code += "assert not [name for name in sys.modules if name.startswith(('jinja2', 'gateway.orchestration'))]"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


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
