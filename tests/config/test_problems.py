"""Broken configurations, and exactly what is told of each: file, line, place, expected, found and cure.

They stand in `broken/`: a configuration (`→` is a tab), further files after `@ name`, then a line `!` for each problem.
Where a block gets a new name, `python -m tests.config.test_problems` writes down what is told now: read the difference.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from gateway.build import Gateway
from gateway.config.problems import ConfigError, Problem

BROKEN = Path(__file__).parent / "broken"
ENVIRONMENT = {"EMPTY": "", "SECRET": "sk-very-secret", "WORD": "eleven"}


class Case(NamedTuple):
    files: Mapping[str, str]
    told: list[str]
    """`file:line | place | message | expected | found | cure`"""


def read_case(text: str) -> Case:
    files, told, name = {"gateway.yaml": ""}, [], "gateway.yaml"
    for line in text.splitlines(keepends=True):
        if line.startswith("! "):
            told.append(line.removeprefix("! ").rstrip("\n"))
        elif line.startswith("@ "):
            name = line.removeprefix("@ ").strip()
            files[name] = ""
        else:
            files[name] += line.replace("→", "\t")
    return Case(files, told)


CASES = {
    f"{path.stem}{number}": read_case(text)
    for path in sorted(BROKEN.glob("*.txt"))
    for number, text in enumerate(path.read_text().split("----\n"))
}


def as_told(problem: Problem) -> str:
    where = f"{problem.file}:{problem.line}" if problem.line else problem.file
    parts = (where, problem.place, problem.message, problem.expected, problem.found, problem.cure)
    return " | ".join(parts).rstrip(" |")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lay(folder: Path, files: Mapping[str, str | bytes]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())


def refused(path: str = "gateway.yaml") -> list[Problem]:
    with pytest.raises(ConfigError) as caught:
        Gateway.load(path, ENVIRONMENT)
    return caught.value.problems


@pytest.mark.parametrize("name", CASES)
def test_what_is_broken_is_told_exactly(folder: Path, name: str) -> None:
    case = CASES[name]
    lay(folder, case.files)
    problems = refused()
    assert [as_told(problem) for problem in problems] == case.told
    assert "sk-very-secret" not in str(problems)
    assert "hunter22" not in str(problems)


def test_there_are_enough_of_them() -> None:
    assert len(CASES) > 150


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"server:\n  host: \xff\n", "gateway.yaml:2: the file is not UTF-8; found byte 0xFF; save the file as UTF-8"),
        (b"\xff\xfes\x00", "gateway.yaml:1: the file is not UTF-8; found byte 0xFF; save the file as UTF-8"),
        (
            b"\n\nserver: {host: '\x07'}\n",
            "gateway.yaml:3: not valid YAML: the control character U+0007 stands in the file; take it out",
        ),
        (
            b"\xef\xbb\xbfserver: {port: x}\n",
            "gateway.yaml:1: server.port: expected a whole number from 0 to 65535; found 'x'",
        ),
        (
            b"cache:\r\n  ttl: 1h\r\n  ttl: 2h\r\n",
            "gateway.yaml:3: cache.ttl: the name 'ttl' stands here twice, first in line 2; keep one",
        ),
    ],
)
def test_bytes_that_are_no_plain_text(folder: Path, data: bytes, told: str) -> None:
    lay(folder, {"gateway.yaml": data})
    assert [str(problem) for problem in refused()] == [told]


TEN = """\
server:
  prot: 8080
  workers: 0
  stream: {hold: soon}
auth:
  keys:
    - {key: abc}
    - {name: web, key: "${NO_KEY}", role: boss}
providers:
  mock: {pace: quick}
  openai: {api_key: abc, base_ulr: http://127.0.0.1:1}
models:
  fast:
    targets: [{to: mock/echo, wieght: 3}]
  slow: nowhere/x
cache: {ttl: forever}
"""


def test_ten_problems_of_one_file_are_told_at_once_in_its_order(folder: Path) -> None:
    """Those of providers and models too, which are found only when the rest is built."""
    lay(folder, {"gateway.yaml": TEN})
    found = [(problem.line, problem.place) for problem in refused()]
    assert found == [
        (2, "server.prot"),
        (3, "server.workers"),
        (4, "server.stream.hold"),
        (7, "auth.keys[0].name"),
        (8, "auth.keys[1].key"),
        (8, "auth.keys[1].role"),
        (10, "providers.mock.pace"),
        (11, "providers.openai.base_ulr"),
        (14, "models.fast.targets[0].wieght"),
        (15, "models.slow"),
        (16, "cache.ttl"),
    ]


def test_the_real_command_tells_them_without_a_traceback(folder: Path) -> None:
    sample = list(CASES.values())[::16]
    for number, case in enumerate([*sample, Case({"gateway.yaml": TEN}, [""] * 11)]):
        here = folder / str(number)
        lay(here, case.files)
        command = [sys.executable, "-m", "gateway", "check", "--config", "gateway.yaml"]
        done = subprocess.run(command, cwd=here, env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
        assert done.returncode == 1
        assert done.stdout == ""
        lines = done.stderr.splitlines()
        assert len(lines) == len(case.told)
        for line, told in zip(lines, case.told, strict=True):
            assert line.startswith(told.partition(" | ")[0])


def test_a_problem_is_one_line() -> None:
    bare = Problem("a.b", "does not hold")
    assert str(bare) == "a.b: does not hold"
    full = Problem("a.b", "unknown name", "one of c, d", "'x'", "did you mean 'c'?", "f.yaml", 3, 7)
    assert str(full) == "f.yaml:3: a.b: unknown name; expected one of c, d; found 'x'; did you mean 'c'?"
    assert str(Problem("", "is no file", file="f.yaml")) == "f.yaml: is no file"


def write_again(path: Path) -> None:
    """Put what is told now into a table."""
    texts = []
    for text in path.read_text().split("----\n"):
        with tempfile.TemporaryDirectory() as folder:
            lay(Path(folder), read_case(text).files)
            os.chdir(folder)
            told = "".join(f"! {as_told(problem)}\n" for problem in refused())
        texts.append("".join(line for line in text.splitlines(keepends=True) if not line.startswith("! ")) + told)
    path.write_text("----\n".join(texts))


if __name__ == "__main__":
    for table in sorted(BROKEN.resolve().glob("*.txt")):
        write_again(table)
