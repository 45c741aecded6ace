"""From files, mappings and the environment to a configuration."""

import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.build import Gateway
from gateway.config.load import further, parse, read
from gateway.config.positions import Mark
from gateway.config.problems import ConfigError, Problem
from gateway.config.routing import ModelEntry, TargetEntry
from gateway.config.schema import Config

FILES = Path(__file__).parent / "files"


def written(folder: Path, text: str) -> Path:
    path = folder / "gateway.yaml"
    path.write_text(text)
    return path


def told(document: Any, environment: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(document, environment or {})
    return [str(problem) for problem in caught.value.problems]


def test_an_empty_file_is_a_configuration(tmp_path: Path) -> None:
    for text in ("", "# nothing\n", "{}", "---\n", "\ufeff"):
        assert read(written(tmp_path, text), {}) == Config()
    assert parse(None, {}) == Config()


def test_every_block_is_read() -> None:
    config = read(FILES / "everything.yaml", {"OPENAI_API_KEY": "sk-x"})
    assert (config.server.max_body, config.server.shutdown_grace, config.server.stream.ping) == (10485760, 30, 15)
    assert config.auth is not None
    dev = config.auth.keys[0]
    assert (dev.key, dev.role, dev.attach) == ("sk-local", "admin", 10)
    assert dev.limits is not None
    assert dev.budget is not None
    assert (dev.limits.rpm, dev.limits.tpm, dev.budget.usd, dev.budget.per) == (600, 200000, 50, 2592000)
    assert config.providers["openai"]["api_key"] == "sk-x"
    assert config.models["gpt-4o-mini"] == "openai/gpt-4o-mini"
    fast = config.models["fast"]
    assert isinstance(fast, ModelEntry)
    assert (fast.targets[0].weight, fast.timeout.first_token, fast.fallback) == (3, 10, ["openai/gpt-4.1-nano"])
    assert config.chains["summarise"]["prompt"] == "Summarise in one line: {{ input }}"
    assert config.pipeline is not None
    assert config.pipeline.request == [{"use": "auth"}]


def test_defaults_are_what_the_documents_say() -> None:
    config = Config()
    assert (config.server.host, config.server.port, config.server.workers) == ("127.0.0.1", 8080, 1)
    assert (config.state, config.database, config.auth, config.cache, config.pipeline) == ("memory", *[None] * 4)
    timeout = ModelEntry(targets=[TargetEntry(to="a/b")]).timeout
    assert (timeout.connect, timeout.first_byte, timeout.first_token, timeout.idle, timeout.total) == (
        5, None, 60, 60, 600,
    )  # fmt: skip


@pytest.mark.parametrize(
    "state",
    ["memory", "redis://h", "redis://:pw@h:6379/0", "rediss://h:6380", "redis+sentinel://a:26379,b:26379/main/0",
     "rediss+sentinel://a/main", "redis+cluster://a:7000,b:7001", "rediss+cluster://a", "unix:///run/redis.sock"],
)  # fmt: skip
def test_where_hot_state_may_be(state: str) -> None:
    assert parse({"state": state}, {}).state == state


@pytest.mark.parametrize(
    "database",
    ["sqlite:///gateway.db", "sqlite:////var/lib/gateway.db", "postgresql://u:p@h:5432/gateway",
     "postgresql+asyncpg://h/x"],
)  # fmt: skip
def test_where_durable_data_may_be(database: str) -> None:
    assert parse({"database": database}, {}).database == database


def test_mappings_that_are_none() -> None:
    assert told([]) == ["expected blocks by name, such as `server:`; found an empty list"]
    assert told({1: {}})[0].startswith("1: unknown name")
    assert told({"models": {1: "a/b"}}) == ["models.1: a name is not text; expected text; found 1; put it in quotes"]
    assert told({"server": {"port": float("nan")}}) == [
        "server.port: expected a whole number from 0 to 65535; found nan"
    ]
    assert told({"server": {"port": 10**400, "body_timeout": 10**400}})[1].startswith("server.body_timeout: expected")
    assert told({"server": {"max_body": object()}})[0].startswith("server.max_body: expected a size")


def test_an_alias_of_a_key_of_json_is_not_read_as_text() -> None:
    assert told({"auth": {"keys": [{"name": "a", "key": b"x"}]}})[0].startswith("auth.keys[0].key: expected text")


# ---- problems that are found later


def test_problems_of_the_build_have_their_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, "providers:\n  mock: {}\n  none: {}\n")
    config = read("gateway.yaml", {})
    assert config.positions.find("providers.none") == Mark("gateway.yaml", 3, 3)
    with pytest.raises(ConfigError) as caught:
        Gateway(config)
    (problem,) = caught.value.problems
    assert (problem.file, problem.line, problem.place) == ("gateway.yaml", 3, "providers.none.type")


def test_what_is_wrong_twice_is_told_once() -> None:
    """A provider that is told already is not told again, and models are not blamed for a provider that was lost."""
    models = {"a": "x/y", "b": {"targets": [{"to": "c"}]}}
    with pytest.raises(ConfigError) as caught:
        Gateway.load({"providers": {"x": 5, "mock": {"pace": "soon"}}, "models": models}, {})
    places = [problem.place for problem in caught.value.problems]
    assert places == ["providers.x", "models.b.targets[0].to", "providers.mock.pace"]


def test_the_rest_is_what_is_left_without_what_is_wrong() -> None:
    document = {
        "server": {"port": 1, "prot": 2, "host": 5},
        "auth": {"keys": [{"key": "a"}, {"name": "b", "key": "c"}, {}, {"name": "d", "key": 5}]},
        "models": {"a": 5, "b": {"targets": [{"to": "c"}, {"to": "x/y"}]}, "c": {"targets": [{"to": "d"}]}},
        "cache": {"ttl": "forever"},
    }
    with pytest.raises(ConfigError) as caught:
        parse(document, {})
    rest = caught.value.rest
    assert rest is not None
    assert (rest.server.port, rest.server.host) == (1, "127.0.0.1")
    assert rest.auth is not None
    assert [key.name for key in rest.auth.keys] == ["b"]
    assert rest.models == {"b": ModelEntry(targets=[TargetEntry(to="x/y")])}


def test_further_leaves_an_error_alone_that_has_no_rest() -> None:
    error = ConfigError([Problem("a", "b")])
    assert further(error, lambda config: 1 / 0) is error


def test_what_a_component_raises_shows_no_secret(tmp_path: Path) -> None:
    text = "providers:\n  x: {type: 'tests.config.test_load:Telltale', api_key: sk-very-secret-indeed}\n"
    with pytest.raises(ConfigError) as caught:
        Gateway.load(written(tmp_path, text), {})
    assert str(caught.value).endswith(":2: providers.x: … is no key")


class Telltale:
    """A provider that shows its key where it does not like it."""

    from gateway.seam import Settings as _Settings

    surfaces = ("chat",)

    class Settings(_Settings):
        api_key: str

    def __init__(self, settings: Any) -> None:
        raise ValueError(f"{settings.api_key} is no key")

    async def __call__(self, call: Any) -> Any: ...


EDITS = [b"${", b"}", b"\t", b"&a ", b"*a", b"<<: ", b"- ", b": ", b"[", b"{", b"'", b"!!", b"\xff", b"\0", b"|", b"#",
         b"null", b"1e400", b"include: x\n", b"  ", b""]  # fmt: skip


@given(st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 12), st.sampled_from(EDITS)), min_size=1, max_size=4))
@settings(max_examples=150, deadline=None)
def test_whatever_stands_in_a_file_nothing_else_is_raised(edits: list[tuple[int, int, bytes]]) -> None:
    data = (FILES / "everything.yaml").read_bytes()
    for at, length, put in edits:
        data = data[:at] + put + data[at + length :]
    with tempfile.NamedTemporaryFile(suffix=".yaml") as file:
        file.write(data)
        file.flush()
        found: list[Problem] = []
        try:
            Gateway.load(file.name, {})
        except ConfigError as error:
            found = error.problems or [Problem("", "")]
        assert all(problem.file or problem.place for problem in found)


# ---- size


def test_a_large_file_is_read_in_linear_time(tmp_path: Path) -> None:
    """A thousand models take some 50 ms; the bound is for slow machines, and far below what a square would take."""

    def spent(models: int) -> float:
        entry = "    targets: [{to: mock/echo, weight: 2}, {to: mock/lorem}]\n    timeout: {total: 30s}\n"
        text = "".join(f"  m{n}:\n{entry}" for n in range(models))
        path = written(tmp_path, f"providers: {{mock: {{}}}}\nmodels:\n{text}")
        begun = time.process_time()
        assert len(read(path, {}).models) == models
        return time.process_time() - begun

    few = min(spent(500) for _ in range(3))
    assert min(spent(4000) for _ in range(3)) < 8 * few * 3
