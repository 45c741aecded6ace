"""The file and the variables of the engine that this project follows."""

from pathlib import Path
from typing import Any

import pytest

from gateway.build import Gateway
from gateway.config.load import parse, read
from gateway.config.problems import ConfigError
from gateway.config.schema import Cache, Config, Orchestrator, Security
from gateway.seam import Duration
from tests.doors import opened

ENGINE = Path(__file__).parent / "files/engine.yaml"
KEYS = {"OPENAI_API_KEY": "sk-o", "ANTHROPIC_API_KEY": "sk-a"}


def test_the_file_loads_as_it_is() -> None:
    config = read(ENGINE, KEYS)
    assert config.orchestrator == Orchestrator(
        max_concurrent_chains=10,
        max_concurrent_graphs=5,
        default_timeout=Duration(30),
        enable_metrics=True,
        enable_tracing=True,
    )
    assert config.providers == {
        "openai": {"api_key": "sk-o", "model": "gpt-3.5-turbo", "max_tokens": 4096},
        "anthropic": {"api_key": "sk-a", "model": "claude-3-sonnet", "max_tokens": 4096},
    }
    assert config.cache == Cache(enabled=True, ttl=Duration(3600), max_size=1000)
    assert config.security == Security(enabled=True, audit_enabled=True, input_validation=True, output_filtering=True)


@pytest.mark.parametrize("environment", [KEYS, {}, {"OPENAI_API_KEY": "sk-o"}])
def test_it_serves_as_it_is(environment: dict[str, str]) -> None:
    gateway = Gateway.load(ENGINE, environment)
    off = [note for note in gateway.notes if "switched off" in note]
    assert len(off) == 2 - len(environment)


ALL = {
    "LLM_MAX_CONCURRENT_CHAINS": "7",
    "LLM_DEFAULT_TIMEOUT": "45",
    "LLM_ENABLE_METRICS": "false",
    "LLM_ENABLE_TRACING": "False",
    "LLM_CACHE_ENABLED": "false",
    "LLM_CACHE_TTL": "5m",
    "LLM_CACHE_SIZE": "9",
    "LLM_SECURITY_ENABLED": "0",
    "LLM_AUDIT_ENABLED": "no",
}


def test_every_variable_overrides_the_file() -> None:
    config = read(ENGINE, {**KEYS, **ALL})
    assert config.orchestrator == Orchestrator(
        max_concurrent_chains=7,
        max_concurrent_graphs=5,
        default_timeout=Duration(45),
        enable_metrics=False,
        enable_tracing=False,
    )
    assert config.cache == Cache(enabled=False, ttl=Duration(300), max_size=9)
    assert config.security == Security(enabled=False, audit_enabled=False, input_validation=True, output_filtering=True)


def test_what_is_unset_or_empty_overrides_nothing() -> None:
    assert read(ENGINE, {**KEYS, **dict.fromkeys(ALL, "")}) == read(ENGINE, KEYS)


# ---- a block that is absent


def test_what_bounds_or_measures_needs_no_block() -> None:
    assert parse({}, ALL).orchestrator == Orchestrator(
        max_concurrent_chains=7, default_timeout=Duration(45), enable_metrics=False, enable_tracing=False
    )


def test_what_tunes_begins_no_block() -> None:
    config = parse({}, {"LLM_CACHE_TTL": "5m", "LLM_CACHE_SIZE": "9"})
    assert (config.cache, config.security) == (None, None)


@pytest.mark.parametrize("yes", ["true", "1", "yes", "TRUE", "on"])
def test_what_says_yes_begins_its_block(yes: str) -> None:
    config = parse({}, {"LLM_CACHE_ENABLED": yes, "LLM_CACHE_TTL": "5m", "LLM_SECURITY_ENABLED": yes})
    assert (config.cache, config.security) == (Cache(ttl=Duration(300)), Security())


def test_what_says_no_begins_no_block() -> None:
    environment = dict.fromkeys(("LLM_CACHE_ENABLED", "LLM_SECURITY_ENABLED", "LLM_AUDIT_ENABLED"), "false")
    assert parse({}, environment) == Config()


def test_what_is_switched_off_stays_off() -> None:
    config = parse({}, {"LLM_AUDIT_ENABLED": "true", "LLM_SECURITY_ENABLED": "false"})
    assert config.security is not None
    assert not config.security.enabled


def test_an_audit_alone_brings_no_filters() -> None:
    config = parse({}, {"LLM_AUDIT_ENABLED": "true"})
    assert config.security == Security(audit_enabled=True, input_validation=False, output_filtering=False)


# ---- keys


@pytest.mark.parametrize(
    ("provider", "key"),
    [
        ({"api_key": "sk-file"}, "sk-o"),
        ({"api_key": "${OTHER:-sk-other}"}, "sk-o"),
        ({"api_key": "${UNSET}"}, "sk-o"),
        ({}, "sk-o"),
        ({"type": "openai"}, "sk-o"),
        ({"api_key": "sk-file", "base_url": "http://127.0.0.1:1/v1"}, "sk-o"),
        # Another server, which must not get OpenAI's key unless the file says that it takes one.
        ({"base_url": "http://127.0.0.1:1/v1"}, None),
        ({"type": "mock"}, None),
    ],
)
def test_a_key_goes_to_its_provider_alone(provider: dict[str, Any], key: str | None) -> None:
    config = parse({"providers": {"openai": provider, "spare": {"type": "openai", "api_key": "sk-spare"}}}, KEYS)
    assert config.providers["openai"].get("api_key") == key
    assert config.providers["spare"]["api_key"] == "sk-spare"


def test_a_key_invents_no_provider() -> None:
    assert parse({}, KEYS).providers == {}
    assert parse({"providers": {"mock": {}}}, KEYS).providers == {"mock": {}}
    with pytest.raises(ConfigError):
        parse({"providers": {"openai": 5}}, KEYS)
    with pytest.raises(ConfigError):
        parse({"providers": [], "cache": 5, "orchestrator": []}, {**KEYS, **ALL})


# ---- values that cannot be


@pytest.mark.parametrize(
    ("variable", "value", "place", "expected"),
    [
        ("LLM_MAX_CONCURRENT_CHAINS", "many", "orchestrator.max_concurrent_chains", "a whole number of at least 1"),
        ("LLM_MAX_CONCURRENT_CHAINS", "0", "orchestrator.max_concurrent_chains", "a whole number of at least 1"),
        ("LLM_DEFAULT_TIMEOUT", "soon", "orchestrator.default_timeout", Duration.expected),
        ("LLM_ENABLE_METRICS", "maybe", "orchestrator.enable_metrics", "true or false"),
        ("LLM_ENABLE_TRACING", "2", "orchestrator.enable_tracing", "true or false"),
        ("LLM_CACHE_ENABLED", "maybe", "cache.enabled", "true or false"),
        ("LLM_CACHE_TTL", "-5s", "cache.ttl", Duration.expected),
        ("LLM_CACHE_SIZE", "10MiB", "cache.max_size", "a whole number of at least 1"),
        ("LLM_SECURITY_ENABLED", "x", "security.enabled", "true or false"),
        ("LLM_AUDIT_ENABLED", "x", "security.audit_enabled", "true or false"),
    ],
)
def test_a_value_that_cannot_be_is_told_with_its_variable(variable: str, value: str, place: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(ENGINE, {**KEYS, variable: value})
    assert str(caught.value) == f"environment: {place}: expected {expected}; found {value!r} from {variable}"


# ---- metrics


def test_metrics_can_be_switched_off() -> None:
    chat = {"model": "mock/echo", "messages": [{"role": "user", "content": "hello"}]}
    for metrics, status in ((True, 200), (False, 404)):
        with opened({"orchestrator": {"enable_metrics": metrics}}) as doors:
            assert doors.client.post("/v1/chat/completions", json=chat).status_code == 200
            assert doors.client.get("/metrics").status_code == status
