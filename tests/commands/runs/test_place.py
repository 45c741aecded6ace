from collections.abc import Mapping
from pathlib import Path

import pytest

from gateway.commands.options import DEFAULT
from gateway.commands.runs.place import place
from gateway.config.problems import ConfigError
from tests.test_cli import written

HERE = "server: {host: 0.0.0.0, port: 9000}\nauth: {keys: [{name: a, sha256: SHA}, {name: b, key: sk-b}]}\n".replace(
    "SHA", "a" * 64
)
NONE: Mapping[str, str] = {}


def test_without_a_file_it_is_where_make_run_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = place(DEFAULT, None, None, NONE)
    assert (found.url, found.key, found.config) == ("http://127.0.0.1:8080", "sk-local", None)


def test_the_file_says_where_and_its_first_literal_key_is_used(tmp_path: Path) -> None:
    found = place(written(tmp_path, HERE), None, None, NONE)
    assert (found.url, found.key) == ("http://127.0.0.1:9000", "sk-b")
    assert found.config is not None


def test_options_come_before_variables_before_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, HERE)
    variables = {"GATEWAY_URL": "http://127.0.0.1:7000/", "GATEWAY_KEY": "sk-variable"}
    assert place(path, None, None, variables)[:2] == ("http://127.0.0.1:7000", "sk-variable")
    assert place(path, "localhost:6000", "sk-o", variables)[:2] == ("http://localhost:6000", "sk-o")
    assert place(path, "https://g.example/team/v1", None, variables)[:2] == ("https://g.example/team", "sk-variable")


def test_a_key_of_the_file_goes_to_no_other_machine(tmp_path: Path) -> None:
    path = written(tmp_path, HERE)
    assert place(path, "https://g.example", None, NONE).key is None
    assert place(path, "http://127.0.0.1.evil.example", None, NONE).key is None
    assert place(path, "http://127.0.0.1@evil.example", None, NONE).key is None
    assert place(path, "http://[::1]:1", None, NONE).key == "sk-b"
    elsewhere = written(tmp_path, HERE.replace("0.0.0.0", "10.0.0.9"))
    assert place(elsewhere, None, None, NONE)[:2] == ("http://10.0.0.9:9000", "sk-b")


def test_a_file_that_is_needed_must_be_good(tmp_path: Path) -> None:
    path = written(tmp_path, "server: {port: nine}\n")
    with pytest.raises(ConfigError):
        place(path, None, None, NONE)
    assert place(path, "http://127.0.0.1:1", None, NONE).config is None
    missing = str(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="cannot be read"):
        place(missing, None, None, NONE)
    assert place(missing, "http://127.0.0.1:1", None, NONE).key == "sk-local"


def test_what_a_url_holds_beside_the_address_is_left_out(tmp_path: Path) -> None:
    assert place("none.yaml", "http://me:secret@127.0.0.1:7/v1", None, NONE).url == "http://127.0.0.1:7"


@pytest.mark.parametrize("url", ["ftp://x", "http://", "http:///v1", "http://[::1"])
def test_what_is_no_url(url: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="URL"):
        place(str(tmp_path), url, None, NONE)
