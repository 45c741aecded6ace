"""Chains and graphs among the models; and nothing of them where there are none."""

import json
import subprocess
import sys

import pytest

from gateway import Gateway
from gateway.config.load import parse
from gateway.config.problems import ConfigError
from gateway.workflows import models

CHAIN = {"type": "simple", "template": "x"}


def loaded(config: dict[str, object]) -> list[str]:
    """What of the engine is imported once a gateway with this configuration is built."""
    code = (
        "import sys, json; from gateway import Gateway; Gateway.load(json.loads(sys.argv[1])); "
        "print(*[m for m in sys.modules if m.startswith(('gateway.orchestration', 'gateway.workflows', 'jinja2'))])"
    )
    done = subprocess.run([sys.executable, "-c", code, json.dumps(config)], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_where_there_are_none_nothing_is_imported() -> None:
    assert loaded({"providers": {"mock": {"type": "mock"}}, "orchestrator": {"max_concurrent_chains": 5}}) == []
    assert "jinja2" in loaded({"chains": {"c": CHAIN}})


def test_what_is_no_node_is_told() -> None:
    chain = {"type": "simple", "function": f"{__name__}:Neither"}
    with pytest.raises(ConfigError, match=r"chains\.c\.function"):
        Gateway.load({"chains": {"c": chain}})


class Neither:
    """A class that is no node: it takes no handler."""

    async def __call__(self, call: object) -> None: ...


@pytest.mark.parametrize("to", ["chain:nope", "graph:c"])
def test_a_target_that_is_not_there_is_told(to: str) -> None:
    with pytest.raises(ConfigError, match=r"no such (chain|graph)"):
        Gateway.load({"chains": {"c": CHAIN}, "models": {"m": {"targets": [{"to": to}]}}})


@pytest.mark.parametrize("entry", ["chain:c", {"targets": [{"to": "chain:c"}]}], ids=["short", "block"])
async def test_a_name_of_models_may_lead_to_a_chain(entry: object) -> None:
    async with Gateway.load({"chains": {"c": CHAIN}, "models": {"m": entry}}) as gateway:
        answer = await gateway.run("m", inputs={})
        assert (answer.text, answer.provider, answer.model) == ("x", "gateway", "chain:c")
        assert [entry.name for entry in gateway.catalog.visible(None)] == ["m", "chain:c"]
        assert not any("chain" in note for note in gateway.notes)


def test_models_lead_to_chains_by_way_of_others() -> None:
    config = parse(
        {
            "providers": {"mock": {}},
            "chains": {"a": {}, "b": {}},
            "graphs": {"g": {}},
            "models": {
                "plain": "mock/echo",
                "canary": {"targets": [{"to": "chain:a"}, {"to": "mock/echo"}], "aliases": ["bird"]},
                "safe": {"targets": [{"to": "mock/echo"}], "fallback": {"timeout": ["bird"], "any": ["graph:g"]}},
                "round": {"targets": [{"to": "chain:b"}], "fallback": ["safe"]},
            },
        },
        {},
    )
    assert {name: sorted(led_to) for name, led_to in models(config).items()} == {
        "plain": [],
        "canary": ["chain:a"],
        "bird": ["chain:a"],
        "safe": ["chain:a", "graph:g"],
        "round": ["chain:a", "chain:b", "graph:g"],
    }
