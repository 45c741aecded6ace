"""What `gateway diff` says of each kind of change."""

import json
from copy import deepcopy
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from gateway.build import Gateway
from gateway.commands.description import Layer, describe, plain
from gateway.commands.diff import changes, diff
from tests.test_cli import run, written

UP = "http://127.0.0.1:1/v1"


def base() -> dict[str, Any]:
    return {
        "server": {"port": 9000},
        "auth": {"keys": [{"name": "web", "key": "sk-old", "models": ["gpt-*", "house"]}]},
        "providers": {
            "mock": {"type": "mock"},
            "up": {"type": "openai", "base_url": UP, "api_key": "sk-up-old", "models": ["a", "b"]},
            "groq": {"api_key": "sk-groq"},
        },
        "models": {
            "gpt-4o": "up/gpt-4o",
            "house": {"targets": [{"to": "up/qwen"}], "aliases": ["default"], "timeout": {"total": "60s"}},
            "quick": {"targets": [{"to": "groq/llama"}], "timeout": {"total": "5s"}},
        },
    }


def found(old: dict[str, Any], new: dict[str, Any], environment: dict[str, str] | None = None) -> dict[str, list[str]]:
    one, other = (describe(Gateway.load(config, environment or {})) for config in (old, new))
    told = [*changes(one, other)]
    return {
        "breaking": [change.sentence for change in told if change.breaking],
        "other": [change.sentence for change in told if not change.breaking],
    }


def changed(path: str, value: Any) -> dict[str, Any]:
    """The base with one value set; None takes it away."""
    config = base()
    *parents, last = path.split("/")
    where: Any = config
    for name in parents:
        where = where[int(name)] if isinstance(where, list) else where.setdefault(name, {})
    if value is None:
        del where[last]
    else:
        where[last] = value
    return config


KEY = "auth/keys/0"
B, O = "breaking", "other"  # noqa: E741
TABLE: list[tuple[str, Any, str, str]] = [
    ("server/port", 9001, B, "the gateway listens on http://127.0.0.1:9001, before on http://127.0.0.1:9000"),
    ("server/host", "0.0.0.0", B, "the gateway listens on http://0.0.0.0:9000, before on http://127.0.0.1:9000"),
    ("server/max_body", "1MiB", B, "bodies may have at most 1MiB, before 10MiB"),
    ("server/max_body", "32MiB", O, "bodies may have at most 32MiB, before 10MiB"),
    ("server/body_timeout", "5s", B, "a body may take 5s to arrive, before 1m"),
    ("server/shutdown_grace", "5s", B, "open answers have 5s to finish at a stop, before 30s"),
    ("server/stream", {"ping": "20s"}, O, "silent streams are pinged each 20s, before 15s"),
    ("server/stream", {"hold": "1s"}, O, "an error has its true status within the first 1s of a stream, before 5s"),
    (
        "server/stream",
        {"hold_messages": "3s"},
        O,
        "an error has its true status within the first 3s of a stream of messages, before 1s",
    ),
    ("server/forward_headers", ["x-team"], O, "callers' header x-team now goes on to providers"),
    ("server/cors", {"origins": ["https://a.b"]}, O, "pages from https://a.b may now call"),
    ("auth", None, O, "a key is no longer needed: anybody may call"),
    (f"{KEY}/key", "sk-new", B, "key 'web': its secret changed"),
    (f"{KEY}/name", "site", O, "key 'web' is called 'site' now"),
    (f"{KEY}/models", ["house"], B, "key 'web' may no longer ask for gpt-*"),
    (f"{KEY}/models", ["*"], O, "key 'web' may now also ask for *"),
    (f"{KEY}/models", ["gpt-*", "house", "mock/*"], O, "key 'web' may now also ask for mock/*"),
    (f"{KEY}/limits", {"rpm": 60}, B, "key 'web': its limit rpm is 60, before none"),
    (f"{KEY}/budget", {"usd": 5}, B, "key 'web': its budget in dollars is 5, before none"),
    (f"{KEY}/role", "admin", O, "key 'web': its role is admin, before none"),
    ("providers/new", {"type": "mock"}, O, "provider 'new' is new"),
    ("providers/xai", {}, O, "provider 'xai' is new, and switched off: set XAI_API_KEY"),
    ("providers/mock", None, B, "provider 'mock' is gone: mock/… can no longer be asked for"),
    ("providers/up/base_url", "http://h:2/v1", B, f"provider 'up' is at http://h:2/v1, before at {UP}"),
    ("providers/up/api_key", "sk-up-new", O, "provider 'up': its secret changed"),
    ("providers/up/models", ["a", "b", "c"], O, "provider 'up' lists c"),
    ("providers/up/models", ["a"], O, "provider 'up' no longer lists b"),
    ("providers/up/max_tokens", 99, B, "provider 'up': the max_tokens of calls that set none is 99, before none"),
    ("providers/up/model", "a", O, "a request that names no model goes to up/a, before it was refused"),
    ("models/gpt-4o", None, B, "model 'gpt-4o' is gone"),
    ("models/gpt-4o", "up/gpt-4.1", B, "model 'gpt-4o' goes to up/gpt-4.1, before to up/gpt-4o"),
    ("models/gpt-4o", "mock/echo", B, "model 'gpt-4o' goes to mock/echo, before to up/gpt-4o"),
    ("models/extra", "mock/echo", O, "model 'extra' is new, and goes to mock/echo"),
    ("models/house/aliases", [], B, "'default', a name of 'house', is gone"),
    ("models/house/aliases", ["default", "x"], O, "'x' is a new name of 'house', and goes to up/qwen"),
    ("models/house/timeout", {"total": "30s"}, B, "model 'house' or 'default': its timeout total is 30s, before 1m"),
    ("models/house/timeout", {"total": "2m"}, O, "model 'house' or 'default': its timeout total is 2m, before 1m"),
    ("models/quick/retry", {"attempts": 3}, O, "model 'quick' is tried 3 times at most, before 2"),
    ("models/quick/fallback", ["house"], O, "model 'quick' falls back on house (any), before on nothing"),
    (
        "models/quick/fallback",
        {"rate_limit": ["house", "up/x"]},
        O,
        "model 'quick' falls back on house, up/x (rate_limit), before on nothing",
    ),
    (
        "models/house/timeout",
        {"total": "60s", "first_byte": "5s"},
        B,
        "model 'house' or 'default': its timeout first_byte is 5s, before none",
    ),
]


@pytest.mark.parametrize(("path", "value", "group", "sentence"), TABLE)
def test_each_change_is_one_sentence(path: str, value: Any, group: str, sentence: str) -> None:
    told = found(base(), changed(path, value))
    extra = {"auth": ["auth is gone from the request ring"]}.get(path, [])
    assert told[group] == [sentence, *extra]
    assert told[B if group == O else O] == []


BACK = [
    ("auth", None, B, ["a key is needed now", "auth is new in the request ring: it may refuse or change calls"]),
    ("server/forward_headers", ["x-team"], B, ["callers' header x-team no longer goes on to providers"]),
    ("server/cors", {"origins": ["https://a.b"]}, B, ["pages from https://a.b may no longer call"]),
    (f"{KEY}/limits", {"rpm": 60}, O, ["key 'web': its limit rpm is none, before 60"]),
    (f"{KEY}/role", "admin", B, ["key 'web': its role is none, before admin"]),
    ("providers/up/model", "a", B, ["a request that names no model is refused, before it went to up/a"]),
    ("providers/xai", {"api_key": "x"}, B, ["provider 'xai' is gone: xai/… can no longer be asked for"]),
    ("models/house/aliases", ["default", "x"], B, ["'x', a name of 'house', is gone"]),
]


@pytest.mark.parametrize(("path", "value", "group", "sentences"), BACK)
def test_a_change_taken_back(path: str, value: Any, group: str, sentences: list[str]) -> None:
    assert found(changed(path, value), base())[group] == sentences


def test_another_choice_among_the_same_targets() -> None:
    two = {"targets": [{"to": "up/a"}, {"to": "up/b"}]}
    told = found(changed("models/two", two), changed("models/two", two | {"strategy": "priority"}))
    assert told == {B: [], O: ["model 'two' chooses its target by priority, before by weighted"]}


def test_nothing_changes_where_only_the_writing_does() -> None:
    other = base()
    other["server"]["max_body"] = 10 * 2**20
    other["server"]["workers"] = 2
    other["auth"]["keys"][0] = {"name": "web", "sha256": sha256(b"sk-old").hexdigest(), "models": ["gpt-*", "house"]}
    other["models"]["gpt-4o"] = {"targets": [{"to": "up/gpt-4o"}]}
    other["providers"]["groq"]["type"] = "groq"
    assert found(base(), other) == {"breaking": [], "other": []}


def test_a_narrower_limit_breaks_and_a_wider_one_does_not() -> None:
    old, new = changed(f"{KEY}/limits", {"rpm": 60, "tpm": 10}), changed(f"{KEY}/limits", {"rpm": 30, "tpm": 20})
    assert found(old, new) == {
        "breaking": ["key 'web': its limit rpm is 30, before 60"],
        "other": ["key 'web': its limit tpm is 20, before 10"],
    }


@pytest.mark.parametrize(("before", "now"), [("30d", "1d"), (30 * 86400, 86400)])
def test_a_budget_for_another_span(before: str | int, now: str | int) -> None:
    old, new = (changed(f"{KEY}/budget", {"usd": 5, "per": per}) for per in (before, now))
    assert found(old, new)["breaking"] == ["key 'web': its budget is for 1d, before for 30d"]


def test_keys_that_go_and_come() -> None:
    other = base()
    other["auth"]["keys"] = [{"name": "a", "key": "1"}, {"name": "b", "key": "2"}]
    assert found(base(), other) == {"breaking": ["key 'web' is gone"], "other": ["key 'a' is new", "key 'b' is new"]}


def test_providers_that_are_switched_off_and_on() -> None:
    off = base()
    off["providers"]["groq"] = {}
    assert found(base(), off) == {
        "breaking": [
            "provider 'groq' is switched off: set GROQ_API_KEY",
            "model 'quick' cannot be served any more (groq: set GROQ_API_KEY)",
        ],
        "other": [],
    }
    assert found(off, base()) == {
        "breaking": [],
        "other": ["provider 'groq' is switched on", "model 'quick' can be served now"],
    }


def test_a_provider_of_another_type() -> None:
    told = found(base(), changed("providers/groq/type", "xai"))
    assert told["breaking"] == [
        "provider 'groq' is of type xai, before groq",
        "provider 'groq' is at https://api.x.ai/v1, before at https://api.groq.com/openai/v1",
    ]


def test_an_alias_that_becomes_a_model_of_its_own() -> None:
    other = base()
    other["models"]["house"]["aliases"] = []
    other["models"]["default"] = "mock/echo"
    assert found(base(), other) == {
        "breaking": ["model 'default' goes to mock/echo, before to up/qwen"],
        "other": ["model 'default': its timeout total is 10m, before 1m"],
    }


def test_the_pipeline() -> None:
    old = describe(Gateway.load(base(), {}))
    layers = {"metrics": {}, "auth": {}, "cache": {"ttl": 5}, "guard": {}}

    def rings(*names: str, **settings: Any) -> Any:
        made = [Layer(name, "stock", settings.get(name, layers[name])) for name in names]
        return {"request": made, "model": [], "attempt": []}

    import msgspec

    def told(before: Any, now: Any) -> list[str]:
        one, other = (msgspec.structs.replace(old, rings=which) for which in (before, now))
        return [("! " if change.breaking else "") + change.sentence for change in changes(one, other)]

    assert told(rings("auth", "cache"), rings("cache", "auth")) == [
        "the order of the request ring is cache, auth, before auth, cache"
    ]
    assert told(rings("auth"), rings("auth", "guard")) == [
        "! guard is new in the request ring: it may refuse or change calls"
    ]
    assert told(rings("auth", "guard"), rings("auth")) == ["guard is gone from the request ring"]
    assert told(rings("cache"), rings("cache", cache={"ttl": 9, "size": 1})) == [
        "cache in the request ring: ttl, size changed"
    ]


def test_for_people_and_for_machines() -> None:
    old, new = (describe(Gateway.load(config, {})) for config in (base(), changed("models/extra", "mock/echo")))
    assert diff(old, old) == (False, "nothing changes for callers")
    assert diff(old, new) == (True, "other changes\n  model 'extra' is new, and goes to mock/echo")
    assert diff(new, old) == (True, "may break callers\n  model 'extra' is gone")
    some, text = diff(old, new, as_json=True)
    assert some
    assert json.loads(text) == {"breaking": [], "other": ["model 'extra' is new, and goes to mock/echo"]}


def test_no_secret_is_told() -> None:
    other = base()
    other["auth"]["keys"][0]["key"] = "sk-new"
    other["providers"]["up"]["api_key"] = "sk-up-new"
    one, two = (describe(Gateway.load(config, {})) for config in (base(), other))
    for as_json in (True, False):
        assert "sk-" not in diff(one, two, as_json)[1]


def test_the_command_exits_as_diff_does(tmp_path: Path) -> None:
    one = written(tmp_path, "providers: {mock: {type: mock}}\n")
    other = tmp_path / "other.yaml"
    other.write_text("providers: {mock: {type: mock}}\nmodels: {e: mock/echo}\n")
    broken = tmp_path / "broken.yaml"
    broken.write_text("models: {e: nowhere/x}\n")
    assert run("diff", one, one).exit_code == 0
    some = run("diff", one, str(other), "--json")
    assert some.exit_code == 1
    assert json.loads(some.stdout)["other"] == ["model 'e' is new, and goes to mock/echo"]
    for words in ((one, str(broken)), (str(broken), one), (one, str(tmp_path / "none.yaml")), (one,)):
        assert run("diff", *words).exit_code == 2
    assert "models.e: no" in run("diff", one, str(broken)).stderr


WORKFLOWS: dict[str, Any] = {
    "chains": {
        "polish": {
            "type": "sequential",
            "timeout": "20s",
            "steps": [
                {"name": "draft", "model": "house", "prompt": "Draft: {{ input }}"},
                {"name": "final", "model": "house", "prompt": "Polish: {{ draft }}"},
            ],
        },
        "old": {"type": "simple", "model": "house", "prompt": "{{ input }}"},
    },
    "graphs": {
        "support": {
            "start": "one",
            "nodes": {"one": {"model": "house"}, "two": {"model": "quick"}},
            "edges": [
                {"from": "one", "to": "two", "when": "one"},
                {"from": "one", "to": "END"},
                {"from": "two", "to": "END"},
            ],
        }
    },
    "tools": {"find": {"template": "{{ input }}"}},
}


@pytest.mark.parametrize(
    ("path", "value", "group", "sentence"),
    [
        ("chains/old", None, B, "chain:old is gone"),
        ("chains/new", {"type": "simple", "model": "house"}, O, "chain:new is new"),
        ("chains/polish/timeout", "10s", B, "chain:polish: its timeout is 10s, before 20s"),
        ("chains/polish/timeout", "30s", O, "chain:polish: its timeout is 30s, before 20s"),
        ("chains/polish/timeout", None, O, "chain:polish: its timeout is the default, before 20s"),
        ("chains/polish/steps/0/prompt", "{{ input }}", O, "chain:polish: steps.draft.prompt changed"),
        ("chains/polish/steps/1/model", "quick", B, "chain:polish: steps.final.model changed"),
        (
            "graphs/support/nodes/two/params",
            {"temperature": 0},
            O,
            "graph:support: nodes.two.params.temperature changed",
        ),
        ("graphs/support/edges/0/when", "one == 'x'", O, "graph:support: edges[0].when changed"),
        ("graphs/support/nodes/one/model", "quick", B, "graph:support: nodes.one.model changed"),
        ("graphs/support/nodes/one/tools", ["find"], O, "graph:support: nodes.one.tools changed"),
        ("tools/find/description", "Finds.", O, "tool:find: description changed"),
        ("tools/find/template", "None.", B, "tool:find: template changed"),
        ("tools/find", None, O, "tool:find is gone"),
    ],
)
def test_chains_and_graphs_are_compared(path: str, value: Any, group: str, sentence: str) -> None:
    old = base() | deepcopy(WORKFLOWS)
    new = deepcopy(old)
    *parents, last = path.split("/")
    where: Any = new
    for name in parents:
        where = where[int(name)] if isinstance(where, list) else where.setdefault(name, {})
    if value is None:
        del where[last]
    else:
        where[last] = value
    told = found(old, new)
    assert told[group] == [sentence]
    assert told[B if group == O else O] == []


def test_what_is_compared_only_is_shown_nowhere() -> None:
    told = plain(describe(Gateway.load(base() | WORKFLOWS, {})))
    assert "workflows" not in told


@pytest.mark.parametrize(
    ("old", "new", "group", "sentence"),
    [
        (None, {}, O, "runs are recorded in the database for 30d; contents up to 64KiB, before the newest 1,000"),
        ({}, {"content": False}, O, "in the database for 30d; no contents, before"),
        ({}, {"keep": False, "content": True}, B, "the newest 1,000 in memory, for 1h; contents up to 64KiB, before"),
    ],
)
def test_how_runs_are_recorded(old: Any, new: Any, group: str, sentence: str) -> None:
    with_chain = base() | {"chains": {"c": {"type": "simple", "template": "x"}}}
    told = found(*(with_chain | ({} if runs is None else {"runs": runs}) for runs in (old, new)))
    assert len(told[group]) == 1
    assert sentence in told[group][0]
    assert found(base(), base() | {"runs": {}}) == {B: [], O: []}
