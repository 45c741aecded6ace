"""`make demo`: each example shows a run, and ends by itself."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.commands.demo import ASKS, FOLDER
from tests.commands.runs.test_command import CODES, in_terminal

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted({path.stem for path in (ROOT / FOLDER).glob("*.yaml")} & {*ASKS})
COMMAND = [sys.executable, "-m", "gateway.commands.demo"]


@pytest.mark.parametrize(
    "example", [pytest.param(name, marks=() if name == "agent" else pytest.mark.slow) for name in EXAMPLES]
)
def test_an_example_in_a_pipe(example: str) -> None:
    done = subprocess.run([*COMMAND, example], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n> ") == len(ASKS[example]) + 1
    assert done.stdout.count(" run started: ") == done.stdout.count(" run completed in ") == len(ASKS[example])
    assert done.stdout.partition("> gateway runs list\n")[2].count(" ✓ completed ") == len(ASKS[example])


def test_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    shown, status = in_terminal([*COMMAND, "research"])
    assert status == 0
    plain = CODES.sub("", shown)
    assert re.search("┃ [◐◓◑◒] ", plain)  # a step at work
    assert "│ ✓ END │" in plain


def test_what_is_not_there(tmp_path: Path) -> None:
    done = subprocess.run([*COMMAND, "none"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: there is no {FOLDER}/none.yaml; there are: ")


def test_an_example_of_which_nothing_is_known(tmp_path: Path) -> None:
    folder = tmp_path / FOLDER
    folder.mkdir(parents=True)
    text = "providers: {mock: {}}\nchains: {a: {type: simple, model: mock/echo, prompt: 'Say {{ inputs.what }}'}}\n"
    (folder / "mine.yaml").write_text(text.replace("{{ inputs.what }}", "{{ input }}"))
    done = subprocess.run([*COMMAND, "mine"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\nSay Hello?\n" in done.stdout


def test_a_question_that_begins_no_run_ends_it(tmp_path: Path) -> None:
    folder = tmp_path / FOLDER
    folder.mkdir(parents=True)
    auth = "auth: {keys: [{name: a, key: sk-secret}]}\n"
    text = f"{auth}providers: {{mock: {{}}}}\nchains: {{a: {{type: simple, model: mock/echo}}}}\n"
    (folder / "mine.yaml").write_text(text)
    done = subprocess.run([*COMMAND, "mine"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert "Traceback" not in done.stderr


def test_an_example_that_does_not_start(tmp_path: Path) -> None:
    folder = tmp_path / FOLDER
    folder.mkdir(parents=True)
    (folder / "bad.yaml").write_text("providers: {mock: {type: mock}}\nchains: {a: {type: simple, model: none}}\n")
    done = subprocess.run([*COMMAND, "bad"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "the gateway did not start:" in done.stderr
    assert "chains.a.model" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_example_that_is_none(tmp_path: Path) -> None:
    folder = tmp_path / FOLDER
    folder.mkdir(parents=True)
    (folder / "bad.yaml").write_text("providers: {mock: {type: mock}}\nchians: {}\n")
    done = subprocess.run([*COMMAND, "bad"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "chians: unknown name" in done.stderr
    assert "Traceback" not in done.stderr
