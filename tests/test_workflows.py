"""What a configuration's chains and graphs get from the rest of it."""

from gateway.config.load import parse
from gateway.workflows import models


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
