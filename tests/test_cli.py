import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli import main


def run(*words: str, **environment: str) -> Result:
    return CliRunner().invoke(main, words, env={"GATEWAY_CONFIG": None, **environment})


def written(folder: Path, text: str) -> str:
    path = folder / "gateway.yaml"
    path.write_text(text)
    return str(path)


GOOD = (
    "providers: {mock: {type: mock}, openai: {api_key: '${NO_KEY}'}}\nmodels: {e: mock/echo}\ncache: {enabled: true}\n"
)


def test_check_says_that_a_file_is_good_and_what_to_know(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    result = run("check", "--config", path)
    assert result.exit_code == 0
    assert result.output.splitlines() == [
        f"{path}:3: note: cache: known, but not built yet: it does nothing",
        f"{path}:1: note: providers.openai: switched off: set NO_KEY",
        f"{path}: good: 6 models",
    ]


def test_check_tells_every_problem_with_its_place_and_exits_1(tmp_path: Path) -> None:
    none = "expected a provider of the file"
    block = "a block of targets, aliases, timeout, strategy, sticky, retry, hedge, fallback, …"
    path = written(tmp_path, "server: {host: 0.0.0.0}\nmodels: {a: nowhere/b, c: d}\n")
    result = run("check", "--config", path)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        f"{path}:1: server.host: 0.0.0.0 can be reached by others, and there is no auth block; add auth.keys",
        f"{path}:2: models.a: no such provider; {none}; found 'nowhere/b'; add it to providers",
        f"{path}:2: models.c: expected provider/model, chain:NAME or graph:NAME, or {block}; found 'd'",
    ]


def test_check_tells_of_a_plugin_the_line_that_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "tenant.py").write_text("async def tenant(call, call_next):\n    retrun\n    x = = 1\n")
    (tmp_path / "plugins" / "shape.py").write_text("\ndef shape(call, call_next): ...\n")
    path = written(tmp_path, "pipeline: {request: [tenant, tenannt], attempt: [shape]}\n")
    result = run("check", "--config", path)
    assert result.exit_code == 1
    first, second, third = (line.partition(": pipeline.")[2] for line in result.stderr.splitlines())
    assert first == (
        "request[0].use: plugins/tenant.py cannot be loaded: SyntaxError: invalid syntax (plugins/tenant.py:3)"
    )
    assert second.startswith("request[1].use: nothing is called 'tenannt'; did you mean tenant?")
    assert third.startswith(
        "attempt[0].use: shape (plugins/shape.py:2) is not `async`; a middleware is `async def NAME("
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\n", ":1: a: unknown name; expected one of include, server"),
        ("server: {port: 1, port: 2}\n", ":1: server.port: the name 'port' stands here twice"),
        ("server: {host: '${NO_VAR}'}\n", ":1: server.host: the environment variable NO_VAR is not set"),
        ("a: [\n", ":2: not valid YAML: a list or block is not closed"),
    ],
)
@pytest.mark.parametrize("command", ["check", "serve"])
def test_a_file_that_does_not_load_ends_both_commands(tmp_path: Path, command: str, text: str, told: str) -> None:
    result = run(command, "--config", written(tmp_path, text))
    assert result.exit_code == 1
    assert told in result.stderr
    assert "Traceback" not in result.output


def test_the_file_may_be_named_by_a_variable(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    assert f"{path}: good" in run("check", GATEWAY_CONFIG=path).output
    missing = run("check", "--config", str(tmp_path / "none.yaml"))
    assert missing.exit_code == 1
    assert missing.stderr == (
        f"{tmp_path / 'none.yaml'}: the file cannot be read: No such file or directory; "
        "`gateway init` writes one, --config names another\n"
    )


def test_an_address_on_the_command_line_is_held_to_the_same_rules(tmp_path: Path) -> None:
    path = written(tmp_path, "auth: {keys: [{name: dev, key: sk-local}]}\nproviders: {mock: {type: mock}}\n")
    result = run("serve", "--config", path, "--host", "0.0.0.0")
    assert result.exit_code == 1
    assert "'sk-local' is known to everybody and serves on loopback only, not on 0.0.0.0" in result.stderr


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["serve", "--help"], ["check", "--help"], ["--version"]])
def test_help_and_version(words: list[str]) -> None:
    assert run(*words).exit_code == 0


def test_as_a_module_from_any_folder(tmp_path: Path) -> None:
    written(tmp_path, GOOD)
    command = [sys.executable, "-m", "gateway", "check", "--config", "gateway.yaml"]
    done = subprocess.run(command, cwd=tmp_path, env=os.environ.copy(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert "gateway.yaml: good: 6 models" in done.stdout
