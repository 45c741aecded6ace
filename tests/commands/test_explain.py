"""What `gateway explain` shows is what was built."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.build import Gateway
from gateway.commands.explain import explain
from tests.test_cli import run, written

CONFIG: dict[str, Any] = {
    "server": {"port": 9000, "max_body": "1MiB", "forward_headers": ["x-team"], "cors": {"origins": ["https://a.b"]}},
    "auth": {
        "keys": [
            {"name": "web", "key": "sk-web-secret", "models": ["house", "mock/*"]},
            {"name": "all", "key": "sk-all-secret"},
        ]
    },
    "providers": {
        "mock": {"type": "mock"},
        "groq": {},
        "vllm": {"models": ["qwen3-8b"], "model": "qwen3-8b", "api_key": "sk-vllm-secret"},
        "claude": {"type": "openrouter"},
    },
    "models": {
        "house": {"targets": [{"to": "vllm/qwen3-8b"}], "aliases": ["default"], "timeout": {"total": "90s"}},
        "quick": "groq/llama-3.3-70b",
        "echo": "mock/echo",
    },
    "cache": {"enabled": True},
}
RESCUED = {**CONFIG, "models": {"quick": {"targets": [{"to": "groq/x"}], "fallback": ["vllm/y"]}}}

WHOLE = """\
server
  address  http://127.0.0.1:9000/v1
  limits   body 1MiB within 1m
  streams  wait 5s for content, then ping each 15s
  stop     answers have 30s to finish
  headers  x-team go on to providers
  pages    from https://a.b may call

pipeline
  request: once a client's request
    1  auth
  model: once a model call, before routing
    –
  attempt: once a try at a target
    –

models
  house  → vllm/qwen3-8b       also default  total 1m30s
  quick  → groq/llama-3.3-70b                off (groq: set GROQ_API_KEY)
  echo   → mock/echo
  timeouts, unless a model has its own: connect 5s, first_token 1m, idle 1m, total 10m
  a request that names no model goes to vllm/qwen3-8b

providers
  mock                  speaks SURFACES, lists MODELS
  groq                  off (set GROQ_API_KEY)
  vllm                  http://127.0.0.1:8000/v1, speaks chat, completions, embeddings, lists qwen3-8b
  claude  (openrouter)  off (set OPENROUTER_API_KEY)

keys
  web  may ask for house, mock/*
  all  may ask for *

notes
  cache: known, but not built yet: it does nothing"""

ONE = """\
model         house
aliases       default
target        vllm/qwen3-8b  (qwen3-8b at http://127.0.0.1:8000/v1)
tries         2
timeouts      connect 5s, first_token 1m, idle 1m, total 1m30s
keys          web, all
request ring  auth
model ring    –
attempt ring  –"""


@pytest.fixture(scope="module")
def gateway() -> Gateway:
    return Gateway.load(CONFIG, {})


def test_the_whole_gateway(gateway: Gateway) -> None:
    mock = gateway.providers["mock"]
    shown = WHOLE.replace("SURFACES", ", ".join(mock.surfaces)).replace("MODELS", ", ".join(mock.models))
    assert explain(gateway) == shown


@pytest.mark.parametrize("name", ["house", "default"])
def test_one_model_by_its_name_or_an_alias(gateway: Gateway, name: str) -> None:
    assert explain(gateway, name) == ONE


def test_how_targets_are_chosen_and_what_follows_them() -> None:
    model = {
        "targets": [{"to": "mock/echo"}, {"to": "mock/lorem"}],
        "strategy": "least_busy",
        "retry": {"attempts": 3},
        "fallback": {"rate_limit": ["n"], "any": ["mock/echo"]},
    }
    gateway = Gateway.load({"providers": {"mock": {}}, "models": {"m": model, "n": "mock/lorem"}}, {})
    assert "  m  → mock/echo, mock/lorem" in explain(gateway).splitlines()
    told = explain(gateway, "m").splitlines()
    assert [line.split()[-1] for line in told[1:4]] == ["mock/echo", "mock/lorem", "least_busy"]
    assert [line.split() for line in told[4:7]] == [
        ["tries", "3"],
        ["fallback,", "any", "mock/echo"],
        ["fallback,", "rate_limit", "n"],
    ]


def test_a_providers_own_model(gateway: Gateway) -> None:
    told = explain(gateway, "mock/some/thing:1").splitlines()
    assert told[:2] == ["model         mock/some/thing:1", "target        mock/some/thing:1"]
    assert "keys          web, all" in told
    assert "off           groq: set GROQ_API_KEY" in explain(gateway, "groq/x").splitlines()


def test_a_model_that_is_switched_off_and_served_by_another() -> None:
    gateway = Gateway.load(RESCUED, {})
    told = explain(gateway, "quick").splitlines()
    assert told[1] == "target         groq/x  (off: set GROQ_API_KEY)"
    assert "fallback, any  vllm/y" in told
    assert not any(line.startswith("off") for line in told)
    assert "  models.quick: its targets are switched off: vllm/y serves it" in explain(gateway).splitlines()


def test_a_name_that_nobody_knows(gateway: Gateway) -> None:
    with pytest.raises(LookupError, match=r"no model is called 'hause'; did you mean house\?"):
        explain(gateway, "hause")
    with pytest.raises(LookupError, match="there are: house, default, quick, echo"):
        explain(gateway, "zzz")
    for name in ("mock/", "mock", "nobody/x", ""):
        with pytest.raises(LookupError):
            explain(gateway, name)


def test_for_machines(gateway: Gateway) -> None:
    document = json.loads(explain(gateway, as_json=True))
    assert list(document) == ["url", "server", "keys", "rings", "models", "providers", "default", "notes", "runs"]
    assert document["server"]["max_body"] == 2**20
    assert document["rings"]["request"] == [{"name": "auth", "origin": "stock", "settings": {}}]
    house = json.loads(explain(gateway, "house", as_json=True))
    assert house == document["models"][0]
    assert house["timeouts"]["total"] == 90
    assert document["providers"][1] == {
        "name": "groq",
        "type": "groq",
        "address": None,
        "surfaces": [],
        "models": [],
        "max_tokens": None,
        "off": "set GROQ_API_KEY",
    }


@pytest.mark.parametrize("as_json", [True, False])
def test_no_secret_is_shown(gateway: Gateway, as_json: bool) -> None:
    assert "secret" not in explain(gateway, as_json=as_json)
    for name in ("house", "echo"):
        assert "secret" not in explain(gateway, name, as_json)


def test_a_plugin_is_shown_with_where_it_is_and_its_settings() -> None:
    plugin = {"use": "prompt_prefix", "text": "Be brief.", "models": ["gpt-*", "fast"]}
    gateway = Gateway.load({"pipeline": {"model": [plugin]}}, {})
    origin = gateway.rings["model"][0].origin
    assert origin.startswith("plugins/prompt_prefix.py:")
    line = f"    1  prompt_prefix  from {origin}, text Be brief., models gpt-* fast"
    assert line in explain(gateway).splitlines()
    document = json.loads(explain(gateway, as_json=True))
    settings = {"text": "Be brief.", "models": ["gpt-*", "fast"]}
    assert document["rings"]["model"] == [{"name": "prompt_prefix", "origin": origin, "settings": settings}]


def test_a_plugins_secrets_are_not_shown() -> None:
    plugin = {"use": "slack_errors", "url": "https://hooks.example/very-secret"}
    gateway = Gateway.load({"pipeline": {"request": [plugin]}}, {})
    assert "slack_errors" in explain(gateway)
    assert "secret" not in explain(gateway) + explain(gateway, as_json=True)


def test_what_a_variable_filled_in_is_shown_as_the_file_has_it() -> None:
    plugin = {
        "use": "prompt_prefix",
        "text": "Say ${WORD}.",
        "models": ["${MODEL}", "${NONE:-fast}", "plain"],
        "timeout": "${TIME}",
    }
    gateway = Gateway.load({"pipeline": {"model": [plugin]}}, {"WORD": "s3cret", "MODEL": "gpt-*", "TIME": "3s"})
    settings = json.loads(explain(gateway, as_json=True))["rings"]["model"][0]["settings"]
    assert settings == {"text": "Say ${WORD}.", "models": ["${MODEL}", "fast", "plain"], "timeout": "${TIME}"}
    assert "s3cret" not in explain(gateway)
    hook = {"use": "slack_errors", "url": "https://hooks.example/s3cret/${ID}"}
    assert "s3cret" not in explain(Gateway.load({"pipeline": {"request": [hook]}}, {"ID": "x"}))


def test_a_gateway_without_keys_says_so() -> None:
    assert "  none needed: whoever reaches the address may call" in explain(Gateway.load({}, {})).splitlines()
    assert "keys          none needed" in explain(Gateway.load({"providers": {"mock": {}}}, {}), "mock/echo")


def test_a_key_that_may_ask_for_nothing_here(gateway: Gateway) -> None:
    config = {"auth": {"keys": [{"name": "a", "key": "x", "models": ["b"]}]}, "providers": {"mock": {}}}
    assert "keys          none may ask for it" in explain(Gateway.load(config, {}), "mock/echo")


def test_the_command(tmp_path: Path) -> None:
    path = written(tmp_path, "providers: {mock: {type: mock}}\nmodels: {e: mock/echo}\n")
    assert run("explain", "--config", path).output.startswith("server\n  address  http://127.0.0.1:8080/v1\n")
    assert run("explain", "e", "--config", path).output.startswith("model         e\n")
    assert json.loads(run("explain", "e", "--json", "--config", path).output)["targets"] == ["mock/echo"]
    missing = run("explain", "f", "--config", path)
    assert missing.exit_code == 1
    assert "no model is called 'f'" in missing.stderr
    broken = run("explain", "--config", written(tmp_path, "models: {e: nowhere/x}\n"))
    assert broken.exit_code == 1
    assert "models.e: no" in broken.stderr


def test_how_runs_are_recorded() -> None:
    config = {"providers": {"mock": {}}, "chains": {"c": {"type": "simple", "template": "x"}}}
    assert "runs\n  the newest 1,000 in memory, for 1h; no contents\n" in explain(Gateway.load(config, {}))
    kept = explain(Gateway.load(config | {"runs": {"ttl": "1d", "max_size": "1MiB"}}, {}))
    assert "runs\n  in the database for 1d; contents up to 1MiB\n" in kept
