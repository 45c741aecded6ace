"""A gateway as data."""

from hashlib import sha256

import pytest

from gateway.build import Gateway
from gateway.commands.description import DEFAULT_TIMEOUTS, RINGS, describe, plain
from gateway.config.schema import Server
from gateway.seam.settings import Duration, Size


def test_values_are_plain() -> None:
    assert plain(DEFAULT_TIMEOUTS) == DEFAULT_TIMEOUTS
    values = plain({"a": Duration(1.5), "b": Size(7), "c": (True, None), 4: "x"})
    assert values == {"a": 1.5, "b": 7, "c": [True, None], "4": "x"}
    assert [type(values["a"]), type(values["b"])] == [float, int]
    assert plain(Server())["stream"]["hold"] == 5.0


def test_secrets_are_kept_as_hashes_and_never_plain() -> None:
    keys = [{"name": "a", "key": "sk-a"}, {"name": "b", "sha256": sha256(b"sk-b").hexdigest()}]
    providers = {"vllm": {"api_key": "sk-vllm"}, "ollama": {}}
    what = describe(Gateway.load({"auth": {"keys": keys}, "providers": providers}, {}))
    assert what.keys is not None
    assert [key.secret for key in what.keys] == [sha256(b"sk-a").digest(), sha256(b"sk-b").digest()]
    assert [vendor.secret for vendor in what.providers] == [sha256(b"sk-vllm").digest(), None]
    document = plain(what)
    assert "secret" not in document["keys"][0]
    assert "secret" not in document["providers"][0]
    assert "sk-" not in repr(document)


def test_all_rings_are_there() -> None:
    assert [*describe(Gateway.load({}, {})).rings] == [*RINGS] == ["request", "model", "attempt"]


@pytest.mark.parametrize(("host", "url"), [("localhost", "http://localhost:8080"), ("::1", "http://[::1]:8080")])
def test_the_address_is_a_url(host: str, url: str) -> None:
    assert describe(Gateway.load({"server": {"host": host}}, {})).url == url


def test_the_default_model_is_the_first_provider_that_has_one_and_is_on() -> None:
    providers = {"xai": {"model": "grok"}, "vllm": {"model": "qwen"}, "ollama": {"model": "llama"}}
    assert describe(Gateway.load({"providers": providers}, {})).default == "vllm/qwen"
    assert describe(Gateway.load({"providers": providers}, {"XAI_API_KEY": "x"})).default == "xai/grok"
    assert describe(Gateway.load({}, {})).default is None
