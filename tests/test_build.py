"""From a configuration to a gateway, and what is told where it cannot be one."""

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import pytest
from msgspec import Meta

from gateway.build import PROVIDERS, Gateway
from gateway.config.problems import ConfigError
from gateway.seam import Call, Env, Reply, Request, Settings
from gateway.testing import answer
from tests.doors import opened


class Parrot:
    """A provider of one's own."""

    class Settings(Settings):
        word: str = "Polly"
        times: int = 1

    surfaces: Sequence[str] = ("chat",)
    models: Sequence[str] = ("grey",)
    events: list[str] = []

    def __init__(self, settings: Settings) -> None:
        if settings.times > 9:
            raise ValueError("a parrot repeats itself nine times at most")
        self._settings = settings

    async def start(self, env: Env) -> None:
        self.events.append("start")

    async def aclose(self) -> None:
        self.events.append("close")

    async def __call__(self, call: Call) -> Reply:
        return answer(call, *[self._settings.word] * self._settings.times)


class Keyed(Parrot):
    """A provider that needs a key, and looks at it."""

    class Settings(Settings):
        api_key: Annotated[str, Meta(pattern="^sk-")]
        times: int = 1
        word: str = "Polly"


class Ruled(Parrot):
    """A provider whose settings have a rule of their own."""

    class Settings(Settings):
        api_key: str
        word: str = "Polly"

        def __post_init__(self) -> None:
            if self.word == "Coco":
                raise ValueError("word: Coco is another one's")


class Plain:
    """A provider without settings."""

    surfaces: Sequence[str] = ("chat",)

    async def __call__(self, call: Call) -> Reply:
        return answer(call, "plain")


class Failing(Parrot):
    async def start(self, env: Env) -> None:
        raise RuntimeError("cannot start")


class NoCall:
    surfaces: Sequence[str] = ("chat",)


def not_a_provider() -> None: ...


def problems(config: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        Gateway.load(config, {})
    return [str(problem) for problem in caught.value.problems]


HERE = __name__
STOCK = ", ".join(PROVIDERS)


def test_a_provider_of_ones_own() -> None:
    Parrot.events.clear()
    config = {
        "providers": {
            "bird": {"type": f"{HERE}:Parrot", "word": "Hi. ", "times": 2},
            "plain": {"type": f"{HERE}:Plain"},
        },
        "models": {"talker": "bird/green"},
    }
    with opened(config) as doors:
        assert Parrot.events == ["start"]
        for name in ("bird/grey", "bird/other", "talker"):
            assert doors.chat(name).json()["choices"][0]["message"]["content"] == "Hi. Hi. "
        assert doors.chat("bird/grey", stream=True).text.count("Hi. ") == 2
        assert doors.chat("plain/x").json()["choices"][0]["message"]["content"] == "plain"
        listed = [model["id"] for model in doors.client.get("/v1/models").json()["data"]]
        assert [name for name in listed if "bird" in name or name == "talker"] == ["talker", "bird/grey"]
    assert Parrot.events == ["start", "close"]


def test_a_provider_in_the_plugins_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "bird.py").write_text(
        "from gateway.seam import Reply\n\n\nclass Bird:\n    surfaces = models = ('chat',)\n\n"
        "    async def __call__(self, call):\n        return Reply.saying(call, 'Tweet.')\n"
    )
    with opened({"providers": {"bird": {}}}) as doors:
        assert doors.chat("bird/x").json()["choices"][0]["message"]["content"] == "Tweet."
        assert "Tweet." in doors.chat("bird/x", stream=True).text
    sys.modules.pop("plugins.bird")


@pytest.mark.parametrize(
    ("provider", "told"),
    [
        ({"type": "opnai"}, "providers.x.type: nothing is called 'opnai'; did you mean openai"),
        ({}, "providers.x.type: nothing is called 'x'; there are mock, anthropic"),
        (
            {"type": "no.such.module:Class"},
            "providers.x.type: 'no.such.module:Class' cannot be loaded: No module named",
        ),
        ({"type": f"{HERE}:Plian"}, f"providers.x.type: {HERE} has no 'Plian'; did you mean Plain?"),
        ({"type": f"{HERE}:not_a_provider"}, f"providers.x.type: {HERE}:not_a_provider ({HERE}:not_a_provider) is no"),
        ({"type": f"{HERE}:HERE"}, f"providers.x.type: '{HERE}:HERE' is neither a class nor a function"),
        ({"type": f"{HERE}:NoCall"}, f"providers.x: {HERE}:NoCall ({HERE}:NoCall) is a class without"),
        ({"type": f"{HERE}:Plain", "word": "x"}, f"providers.x: {HERE}:Plain takes no settings, found word"),
        ({"type": f"{HERE}:Parrot", "wrod": "x"}, "providers.x.wrod: unknown name; expected one of word, times"),
        ({"type": f"{HERE}:Parrot", "times": 10}, "providers.x: a parrot repeats itself nine times at most"),
        ({"type": "mock", "pace": "soon"}, "providers.x.pace: expected a duration"),
        ({"type": "openai", "base_url": "nonsense"}, "providers.x"),
        (
            {"type": "openai", "base_url": "http://h/v1", "http": {"transport": "pigeon"}},
            "providers.x.http.transport: expected one of httpx, native",
        ),
    ],
)
def test_a_provider_that_cannot_be_is_told(provider: dict[str, Any], told: str) -> None:
    (problem,) = problems({"providers": {"x": provider}})
    assert problem.startswith(told)


def test_a_module_that_breaks_when_imported_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_provider.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    (problem,) = problems({"providers": {"x": {"type": "broken_provider:Class"}}})
    told = "providers.x.type: 'broken_provider:Class' cannot be loaded: ZeroDivisionError: division by zero"
    assert problem == f"{told} ({tmp_path / 'broken_provider.py'}:1)"
    sys.modules.pop("broken_provider", None)


def test_every_problem_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = problems(
        {
            "server": {"host": "0.0.0.0"},
            "providers": {"a": {"type": "nope"}, "mock": {"type": "mock"}},
            "models": {
                "one": "nowhere/x",
                "two": "noslash",
                "three": {"targets": []},
                "four": {"targets": [{"to": "mock/echo"}], "aliases": ["five"]},
                "five": "mock/echo",
                "six": "mock/",
            },
        }
    )
    block = "a block of targets, aliases, timeout, strategy, sticky, retry, hedge, fallback, …"
    assert found == [
        f"models.two: expected provider/model, chain:NAME or graph:NAME, or {block}; found 'noslash'",
        "models.three.targets: expected a list of blocks, at least one; found an empty list",
        f"models.six: expected provider/model, chain:NAME or graph:NAME, or {block}; found 'mock/'",
        "models.one: no such provider; expected one of a, mock; found 'nowhere/x'; add it to providers",
        "models.four.aliases[0]: the name 'five' stands for models.five too; take one out",
        "server.host: 0.0.0.0 can be reached by others, and there is no auth block; add auth.keys",
        f"providers.a.type: nothing is called 'nope'; there are {STOCK}; a file in plugins/ or module:Name will do",
    ]


def test_a_model_is_not_blamed_for_its_provider() -> None:
    told = problems({"providers": {"mock": {"pace": "soon"}}, "models": {"a": "mock/echo"}})
    assert [problem.partition(":")[0] for problem in told] == ["providers.mock.pace"]


# ---- addresses and keys

MOCK = {"mock": {"type": "mock"}}
LOCAL = hashlib.sha256(b"sk-local").hexdigest()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "gateway.example", ""])
@pytest.mark.parametrize("key", [{"key": "sk-local"}, {"sha256": LOCAL}, {"sha256": LOCAL.upper()}])
def test_the_key_that_everybody_knows_serves_on_loopback_only(host: str, key: dict[str, str]) -> None:
    auth = {"keys": [{"name": "fine", "key": "sk-fine"}, {"name": "dev", **key}]}
    assert problems({"server": {"host": host}, "auth": auth}) == [
        f"auth.keys: 'sk-local' is known to everybody and serves on loopback only, not on {host}"
    ]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_on_loopback_anything_serves(host: str) -> None:
    Gateway.load({"server": {"host": host}, "providers": MOCK})
    Gateway.load({"server": {"host": host}, "auth": {"keys": [{"name": "dev", "key": "sk-local"}]}})


def test_elsewhere_keys_of_ones_own_serve() -> None:
    Gateway.load({"server": {"host": "0.0.0.0"}, "auth": {"keys": [{"name": "a", "key": "sk-mine"}]}})


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ([{"name": "a"}], "auth.keys[0]: expected either key or sha256"),
        ([{"name": "a", "key": "x", "sha256": LOCAL}], "auth.keys[0]: expected either key or sha256"),
        ([{"name": "a", "sha256": "abc"}], "auth.keys[0].sha256: expected 64 hexadecimal digits; found '…'"),
        ([{"name": "a", "sha256": "z" * 64}], "auth.keys[0].sha256: expected 64 hexadecimal digits; found '…'"),
        ([{"name": "a", "key": "x"}, {"name": "a", "key": "y"}], "auth.keys[1]: the key 'a' stands here twice"),
        ([{"name": "a", "key": "x"}, {"name": "b", "key": "x"}], "auth.keys[1]: the key 'b' stands here twice"),
    ],
)
def test_keys_that_cannot_be_are_told(keys: list[dict[str, str]], told: str) -> None:
    assert problems({"auth": {"keys": keys}}) == [told]


def test_a_key_may_be_given_by_its_hash() -> None:
    digest = hashlib.sha256(b"sk-hashed").hexdigest().upper()
    with opened({"auth": {"keys": [{"name": "h", "sha256": digest}]}}) as doors:
        assert doors.chat("mock/echo", headers={"x-api-key": "sk-hashed"}).status_code == 200
        assert doors.chat("mock/echo", headers={"x-api-key": digest}).status_code == 401


# ---- life


async def test_a_gateway_without_http() -> None:
    Parrot.events.clear()
    async with Gateway.load({"providers": {"bird": {"type": f"{HERE}:Parrot"}}}) as gateway:
        body = b'{"model":"bird/grey","messages":[]}'
        call = Call(Request("chat", body, model="bird/grey"), gateway.env.tasks)
        chunk = await (await gateway.env.run(call)).whole()
        assert chunk.parts()[0].text == "Polly"
    assert Parrot.events == ["start", "close"]


async def test_what_was_started_is_closed_where_a_start_fails() -> None:
    Parrot.events.clear()
    providers = {"fine": {"type": f"{HERE}:Parrot"}, "bad": {"type": f"{HERE}:Failing"}}
    with pytest.raises(RuntimeError, match="cannot start"):
        async with Gateway.load({"providers": providers}):
            pass
    assert Parrot.events == ["start", "close", "close"]


def test_what_is_off_is_said_and_not_listed() -> None:
    config = {
        "providers": {"openai": {"api_key": "${NO_KEY}"}, **MOCK},
        "models": {"gpt": "openai/gpt", "e": "mock/echo"},
    }
    gateway = Gateway.load(config, {})
    assert gateway.notes == ["providers.openai: switched off: set NO_KEY"]
    assert [entry.name for entry in gateway.catalog.visible(None)][:2] == ["e", "mock/echo"]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"times": "often"}, ["providers.p.times: expected a whole number; found 'often'"]),
        ({"tmes": 2}, ["providers.p.tmes: unknown name; expected one of api_key, times, word; found 'tmes'"]),
        ({"times": "x", "probe": {"evry": 1}}, ["providers.p.probe.evry"]),
        ({"type": f"{HERE}:Ruled", "word": "Coco"}, ["providers.p.word: Coco is another one's"]),
        ({"type": f"{HERE}:Plain"}, [f"providers.p: {HERE}:Plain takes no settings, found api_key"]),
        ({"type": f"{HERE}:Parrot"}, ["providers.p.api_key: unknown name"]),
        ({"type": f"{HERE}:NoCall"}, [f"providers.p: {HERE}:NoCall ({HERE}:NoCall) is a class without"]),
    ],
)
def test_a_provider_of_ones_own_that_is_off_is_checked_too(settings: dict[str, Any], told: list[str]) -> None:
    found = problems({"providers": {"p": {"type": f"{HERE}:Keyed", "api_key": "${NO_KEY}", **settings}}})
    assert len(found) == len(told)
    assert all(one.startswith(words) for one, words in zip(found, told, strict=True)), found


@pytest.mark.parametrize("kind", [f"{HERE}:Keyed", f"{HERE}:Nobody", "no_such_module:Class", "tests.plugins.nothing"])
def test_one_that_is_off_may_lack_what_it_consists_of(kind: str) -> None:
    gateway = Gateway.load({"providers": {"p": {"type": kind, "api_key": "${NO_KEY}"}}}, {})
    assert gateway.off == {"p": "set NO_KEY"}


def test_the_file_that_is_served_by_default_loads() -> None:
    path = Path(__file__).parents[1] / "config" / "gateway.yaml"
    gateway = Gateway.load(path, {})
    assert gateway.config.auth is not None
    assert gateway.config.auth.keys[0].key == "sk-local"
    assert "echo" in [entry.name for entry in gateway.catalog.visible(None)]
    keys = {f"{name.upper()}_API_KEY": "sk-x" for name in gateway.off}
    assert Gateway.load(path, keys).notes == []
    assert Gateway.load(path, {"OPENAI_API_KEY": "sk-x"}).off.keys() == gateway.off.keys() - {"openai"}
