"""Configurations of several files, and prompts in files of their own."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from gateway.config.load import parse, read
from gateway.config.positions import Mark
from gateway.config.problems import ConfigError
from gateway.config.schema import Config


def laid(folder: Path, files: Mapping[str, str], **environment: str) -> Config:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return read(folder / "gateway.yaml", environment)


def test_blocks_of_several_files_are_put_together(tmp_path: Path) -> None:
    config = laid(
        tmp_path,
        {
            "gateway.yaml": "include: [teams/a.yaml, teams/b.yaml]\nserver: {port: 1}\nmodels: {one: mock/echo}\n",
            "teams/a.yaml": "include: more/c.yaml\nmodels: {two: mock/echo}\nserver: {workers: 2}\n",
            "teams/more/c.yaml": "models: {three: mock/echo}\nproviders: {mock: {}}\n",
            "teams/b.yaml": "",
        },
    )
    assert list(config.models) == ["one", "two", "three"]
    assert (config.server.port, config.server.workers, config.providers) == (1, 2, {"mock": {}})
    assert config.positions.find("models.three") == Mark(str(tmp_path / "teams/more/c.yaml"), 1, 10)
    assert [os.path.relpath(file, tmp_path) for file in config.positions.files] == [
        "gateway.yaml",
        "teams/a.yaml",
        "teams/more/c.yaml",
        "teams/b.yaml",
    ]


def test_an_include_may_be_absolute_or_a_variable_or_empty(tmp_path: Path) -> None:
    other = tmp_path / "elsewhere/x.yaml"
    text = "providers: {mock: {}}\nmodels: {a: mock/echo}\n"
    files = {"gateway.yaml": "include: ${DIR}/x.yaml\n", "elsewhere/x.yaml": text}
    assert list(laid(tmp_path, files, DIR=str(other.parent)).models) == ["a"]
    assert list(laid(tmp_path, files, DIR="elsewhere").models) == ["a"]
    for text in ("include:\n", "include: []\n"):
        assert laid(tmp_path, {"gateway.yaml": text}) == Config()


def test_a_mapping_includes_from_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.yaml").write_text("models: {a: mock/echo}\n")
    assert list(parse({"include": "x.yaml", "providers": {"mock": {}}}, {}).models) == ["a"]


def test_a_link_to_itself_is_found(tmp_path: Path) -> None:
    (tmp_path / "link.yaml").symlink_to(tmp_path / "gateway.yaml")
    with pytest.raises(ConfigError, match="a file includes itself"):
        laid(tmp_path, {"gateway.yaml": "include: link.yaml\n"})
    (tmp_path / "loop.yaml").symlink_to(tmp_path / "loop.yaml")
    with pytest.raises(ConfigError, match=r"loop\.yaml cannot be read"):
        laid(tmp_path, {"gateway.yaml": "include: loop.yaml\n"})


def test_a_device_is_not_read_for_ever(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="/dev/zero is larger than 16 MiB"):
        laid(tmp_path, {"gateway.yaml": "include: /dev/zero\n"})


def test_a_name_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        laid(tmp_path, {"gateway.yaml": 'include: "a\\0b"\n'})
    with pytest.raises(ConfigError, match="cannot be read"):
        laid(tmp_path, {"gateway.yaml": f"include: {'a' * 5000}\n"})
    with pytest.raises(ConfigError, match="cannot be read"):
        read(tmp_path)


# ---- prompts


def test_prompts_stand_beside_the_file_that_names_them(tmp_path: Path) -> None:
    config = laid(
        tmp_path,
        {
            "gateway.yaml": "include: sub/more.yaml\n"
            "chains:\n  a:\n    prompt: {file: prompts/a.txt}\n"
            "    steps: [{system: {file: prompts/a.txt}, prompt: '${X}'}]\n",
            "prompts/a.txt": "Say ${X} of {{ input }}: ä\n",
            "sub/more.yaml": "graphs:\n  g: {nodes: {n: {template: {file: p.txt}, prompt: {file: '${Y}.txt'}}}}\n",
            "sub/p.txt": "p",
        },
        X="x",
        Y="p",
    )
    text = "Say ${X} of {{ input }}: ä\n"
    assert config.chains["a"] == {"prompt": text, "steps": [{"system": text, "prompt": "x"}]}
    assert config.graphs["g"]["nodes"]["n"] == {"template": "p", "prompt": "p"}
    assert str(tmp_path / "sub/p.txt") in config.positions.files


def test_a_file_elsewhere_is_no_prompt(tmp_path: Path) -> None:
    text = "chains:\n  a: {response_format: {file: string}, file: x}\nproviders: {mock: {prompt: {file: x}}}\n"
    config = laid(tmp_path, {"gateway.yaml": text})
    assert config.chains["a"] == {"response_format": {"file": "string"}, "file": "x"}
    assert config.providers["mock"] == {"prompt": {"file": "x"}}


@pytest.mark.parametrize("value", ["text", "5", "[]", "{text: x}", "null"])
def test_a_prompt_that_names_no_file_is_left_alone(tmp_path: Path, value: str) -> None:
    laid(tmp_path, {"gateway.yaml": f"chains: {{a: {{prompt: {value}}}}}\n"})


def test_a_prompt_that_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_bytes(b"one\n\xff\n")
    with pytest.raises(ConfigError) as caught:
        laid(tmp_path, {"gateway.yaml": "chains: {a: {prompt: {file: p.txt}}}\n"})
    assert str(caught.value) == f"{tmp_path}/p.txt:2: the file is not UTF-8; found byte 0xFF; save the file as UTF-8"
