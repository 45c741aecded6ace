"""Every example in the documents runs, and every configuration loads."""

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from gateway.build import Gateway
from gateway.commands.greeting import greeting
from gateway.config.load import parse
from gateway.testing import Served, serve

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("**/*.md"))]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ENVIRONMENT = {"OPENAI_API_KEY": "sk-test", "REDIS_PASSWORD": "secret"}


def blocks(language: str) -> list[object]:
    found = []
    for path in DOCUMENTS:
        for number, match in enumerate(FENCE.finditer(path.read_text())):
            if match[1] == language:
                found.append(pytest.param(match[2], id=f"{path.relative_to(ROOT)}#{number}"))
    return found


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    config = yaml.safe_load((ROOT / "config/gateway.yaml").read_text())
    config["database"] = f"sqlite:///{tmp_path_factory.mktemp('documents')}/kept.db"
    with serve(config, {}) as served:
        yield served


@pytest.mark.parametrize("text", blocks("yaml"))
def test_each_configuration_loads(text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A configuration in the documents builds a gateway, custom providers included."""
    for name, source in examples():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(source)
    for path in ROOT.glob("plugins/*.py"):
        (tmp_path / "plugins" / path.name).write_text(path.read_text())
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    Gateway(parse(yaml.safe_load(text), ENVIRONMENT))


def examples() -> list[tuple[str, str]]:
    """Python blocks that name their file in the first line."""
    found = []
    for path in DOCUMENTS:
        for match in FENCE.finditer(path.read_text()):
            if match[1] == "python" and (name := re.match(r"# ((?:\w+/)?\w+\.py)\n", match[2])):
                found.append((name[1], match[2]))
    return found


@pytest.mark.parametrize("text", blocks("python"))
def test_each_python_example_runs(text: str, served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """A Python block runs as it stands, against the configuration that `make run` serves."""
    exec(compile(text.replace("http://127.0.0.1:8080", served.url), "example", "exec"), {"__name__": "example"})
    if "print(" in text:
        assert capsys.readouterr().out.strip()


@pytest.mark.parametrize("text", blocks("json"))
def test_each_json_example_is_json(text: str) -> None:
    json.loads(text)


def test_start_says_what_the_readme_shows(served: Served) -> None:
    """But for the line that is said once it listens."""
    said = (ROOT / "README.md").read_text().partition("$ make run\n")[2].partition("```")[0].splitlines()
    assert said == [*greeting(served.gateway), "serving on http://127.0.0.1:8080"]


def test_the_curl_line_works(served: Served) -> None:
    """The line that start prints, and the README shows, gets an answer."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    line = next(line for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("try: curl"))
    command = shlex.split(line.removeprefix("try: ").replace("http://127.0.0.1:8080", served.url))
    answer = json.loads(subprocess.run([*command, "-sS"], capture_output=True, check=True).stdout)
    assert answer["choices"][0]["message"]["content"] == "Hello"


def write_examples(folder: Path) -> None:
    for name, text in examples():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)


def test_the_custom_provider_answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The worked example is a provider, whole and streamed."""
    from openai import OpenAI

    write_examples(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    with serve({"providers": {"shout": {"type": "shouting:Shouting"}}}) as served:
        client = OpenAI(base_url=served.base_url, api_key="none")
        ask = {"model": "shout/loud", "messages": [{"role": "user", "content": "hello"}]}
        assert client.chat.completions.create(**ask).choices[0].message.content == "HELLO!"
        with client.chat.completions.create(**ask, stream=True) as stream:
            assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == "HELLO!"
        client.close()


def test_the_custom_embeddings_come_in_every_form(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The worked example of the page on the other doors answers in numbers, and the door sees to base64."""
    from openai import OpenAI

    write_examples(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    with (
        serve({"providers": {"lengths": {"type": "lengths:Lengths"}}}) as served,
        OpenAI(base_url=served.base_url, api_key="none") as client,
    ):
        for form in ({}, {"encoding_format": "float"}):
            answer = client.embeddings.create(model="lengths/length", input=["a", "four"], **form)
            assert [item.embedding for item in answer.data] == [[1.0], [4.0]]
