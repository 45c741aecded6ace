from pathlib import Path
from typing import Any

import pytest

from gateway.config.load import convert, parse, read, unbuilt
from gateway.config.problems import ConfigError
from gateway.config.schema import Config, Server


def problems(document: Any, environment: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(document, environment or {})
    return [str(problem) for problem in caught.value.problems]


def written(folder: Path, text: str) -> Path:
    path = folder / "gateway.yaml"
    path.write_text(text)
    return path


def refused(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(written(folder, text), {})
    return str(caught.value)


def test_an_empty_file_is_a_configuration(tmp_path: Path) -> None:
    for text in ("", "# nothing\n", "{}"):
        assert read(written(tmp_path, text), {}) == Config()


def test_durations_and_sizes_are_read() -> None:
    server = {"max_body": "64KiB", "body_timeout": "1m30s", "stream": {"hold": "500ms", "ping": 2}}
    config = parse({"server": server}, {}).server
    assert (config.max_body, config.body_timeout, config.stream.hold, config.stream.ping) == (65536, 90, 0.5, 2)


# ---- what YAML allows and we do not


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("server:\n  port: 1\n  host: a\n  port: 2\n", "line 4: the key 'port' stands here twice"),
        ("a: 1\na: 2\n", "line 2: the key 'a' stands here twice"),
        ("models: {a: x/y, 'a': x/z}\n", "line 1: the key 'a' stands here twice"),
        ("? [a, b]\n: 1\n", "line 1: expected a plain key, found a list or mapping"),
        ("? {a: b}\n: 1\n", "line 1: expected a plain key, found a list or mapping"),
        ("- a\n", "the file holds a list, not a mapping of blocks"),
        ("hello\n", "the file holds a str, not a mapping of blocks"),
    ],
)
def test_files_that_are_no_configuration(tmp_path: Path, text: str, told: str) -> None:
    assert refused(tmp_path, text) == told


@pytest.mark.parametrize("text", ["a: [", "a: b: c", "\ta: 1", "a: !!python/object:os.system x", "a: *nowhere", "\x00"])
def test_what_is_no_yaml_is_told_with_its_line(tmp_path: Path, text: str) -> None:
    assert "is not valid YAML" in refused(tmp_path, text)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(ConfigError, match=r"cannot be read"):
            read(path)
    (tmp_path / "bad.yaml").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(ConfigError, match=r"cannot be read"):
        read(tmp_path / "bad.yaml")


# ---- what does not fit


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"sever": {}}, "the name 'sever' is not known here"),
        ({1: {}}, "the name 1 is not known here"),
        ({"server": {"prot": 1}}, "server: the name 'prot' is not known here"),
        ({"server": {"stream": {"hodl": "5s"}}}, "server.stream: the name 'hodl' is not known here"),
        ({"server": {"port": "http"}}, "server.port: Expected `int`, got `str`"),
        ({"server": None}, "server: Expected `object`, got `null`"),
        (
            {"server": {"body_timeout": "soon"}},
            "server.body_timeout: expected a duration such as 500ms, 30s, 5m or 1h, found 'soon'",
        ),
        (
            {"server": {"max_body": "10 parsecs"}},
            "server.max_body: expected a size such as 64KiB, 10MiB or 1GB, found '10 parsecs'",
        ),
        ({"auth": {}}, "auth: 'keys' is missing"),
        ({"auth": []}, "auth: Expected `object | null`, got `array`"),
        ({"auth": {"keys": [{"key": "a"}]}}, "auth.keys[0]: 'name' is missing"),
        ({"models": {"a": 5}}, "models.a: Expected `str | object`, got `int`"),
        ({"models": {1: "a/b"}}, "models: Expected `str`, got `int`"),
        (
            {"models": {"a": {"targets": [{"to": "x/y", "at": 1}]}}},
            "models.a.targets[0]: the name 'at' is not known here",
        ),
        (
            {"models": {"a": {"targets": [], "timeout": {"first": "1s"}}}},
            "models.a.timeout: the name 'first' is not known here",
        ),
    ],
)
def test_what_does_not_fit_is_told_with_its_place(document: Any, told: str) -> None:
    assert problems(document) == [told]


def test_everything_that_does_not_fit_is_told_at_once() -> None:
    document = {
        "server": {"port": "http", "prot": 1, "stream": {"hold": "soon"}},
        "auth": {"keys": [{"name": "a"}, {"key": "b"}, 5]},
        "models": {"a": 5, "b": {"targets": [{"too": "x"}], "timeout": {"idle": "never"}}},
    }
    assert problems(document) == [
        "server: the name 'prot' is not known here",
        "server.port: Expected `int`, got `str`",
        "server.stream.hold: expected a duration such as 500ms, 30s, 5m or 1h, found 'soon'",
        "auth.keys[1]: 'name' is missing",
        "auth.keys[2]: Expected `object`, got `int`",
        "models.a: Expected `str | object`, got `int`",
        "models.b.targets[0]: the name 'too' is not known here",
        "models.b.targets[0]: 'to' is missing",
        "models.b.timeout.idle: expected a duration such as 500ms, 30s, 5m or 1h, found 'never'",
    ]


@pytest.mark.parametrize(
    "name", ["Authorization", "x-api-key", "host", "Content-Length", "transfer-encoding", "cookie"]
)
def test_headers_that_must_not_be_forwarded(name: str) -> None:
    (problem,) = problems({"server": {"forward_headers": ["x-fine", name]}})
    assert f"forward_headers: {name!r} frames the message or holds the caller's key" in problem


# ---- variables


def test_variables_are_filled_in_wherever_a_text_stands() -> None:
    environment = {"HOST": "::1", "A": "x", "KEY": "12345", "PORT": "9000"}
    config = parse(
        {
            "server": {"host": "${HOST}", "port": "${PORT}", "workers": "${WORKERS:-2}"},
            "auth": {"keys": [{"name": "${A}-${A}", "key": "${KEY}"}]},
            "models": {"m": {"targets": [{"to": "mock/${NONE:-echo}"}]}},
        },
        environment,
    )
    assert (config.server.host, config.server.port, config.server.workers) == ("::1", 9000, 2)
    assert config.auth is not None
    assert (config.auth.keys[0].name, config.auth.keys[0].key) == ("x-x", "12345")
    model = config.models["m"]
    assert not isinstance(model, str)
    assert model.targets[0].to == "mock/echo"


def test_a_default_may_hold_what_it_likes_but_a_brace() -> None:
    assert parse({"server": {"host": "${H:-http://a:1/b?c=$d}"}}, {}).server.host == "http://a:1/b?c=$d"


def test_what_is_filled_in_is_not_filled_in_again() -> None:
    assert parse({"server": {"host": "${H}"}}, {"H": "${OTHER}"}).server.host == "${OTHER}"


@pytest.mark.parametrize("environment", [{}, {"VAR": ""}])
def test_a_variable_that_is_not_set_is_an_error_with_its_cure(environment: dict[str, str]) -> None:
    document = {"server": {"host": "${VAR}"}, "auth": {"keys": [{"name": "a", "key": "x${VAR}"}]}}
    cure = "the environment variable VAR is not set; set it, or write ${VAR:-default}"
    assert problems(document, environment) == [f"server.host: {cure}", f"auth.keys[0].key: {cure}"]


@pytest.mark.parametrize("environment", [{}, {"VAR": ""}])
def test_an_api_key_without_its_variable_is_none(environment: dict[str, str]) -> None:
    config = parse({"providers": {"p": {"type": "openai", "api_key": "${VAR}"}}}, environment)
    assert config.providers["p"] == {"type": "openai", "api_key": None}
    assert problems({"providers": {"p": {"base_url": "${VAR}"}}}, environment)
    assert problems({"providers": {"p": {"headers": {"api_key": "${VAR}"}}}}, environment)


def test_a_dollar_alone_is_a_dollar() -> None:
    for text in ("$HOME", "${}", "${1A}", "a$b", "${a b}"):
        assert parse({"server": {"host": text}}, {}).server.host == text


# ---- what is known and not built


def test_what_does_nothing_yet_is_said() -> None:
    config = parse(
        {
            "cache": {"enabled": True},
            "security": {"enabled": True},
            "auth": {"keys": [{"name": "a", "key": "b", "limits": {"rpm": 1}, "role": "admin"}]},
            "models": {"m": {"targets": [{"to": "a/b"}, {"to": "c/d"}], "fallback": ["x/y"]}, "n": "a/b"},
        },
        {},
    )
    nothing = "known, but not built yet: it does nothing"
    assert unbuilt(config) == [
        f"cache: {nothing}",
        f"security: {nothing}",
        f"auth.keys[0].limits: {nothing}",
        f"auth.keys[0].role: {nothing}",
        f"models.m.fallback: {nothing}",
        "models.m.targets: choice is not built yet: only the first is used",
    ]


def test_a_place_is_put_before_what_is_told() -> None:
    with pytest.raises(ConfigError, match=r"^here\.port: Expected"):
        convert({"port": []}, Server, "here")
