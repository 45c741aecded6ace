from collections.abc import Iterator
from typing import Any

import pytest

from gateway.testing import Received, Wire
from tests.doors import Doors, error_of, opened


@pytest.mark.parametrize(("path", "status"), [("/health/live", "live"), ("/health/ready", "ready")])
def test_probes_answer(doors: Doors, path: str, status: str) -> None:
    answer = doors.client.get(path)
    assert (answer.status_code, answer.json()) == (200, {"status": status})
    assert doors.client.head(path).content == b""


def test_a_gateway_that_drains_is_live_but_not_ready(doors: Doors) -> None:
    doors.served.gateway.draining = True
    try:
        assert doors.client.get("/health/ready").status_code == 503
        assert doors.client.get("/health/ready").json() == {"status": "draining"}
        assert doors.client.get("/health/live").status_code == 200
    finally:
        doors.served.gateway.draining = False


# ---- where there are keys


@pytest.fixture(scope="module")
def keyed() -> Iterator[Doors]:
    """A gateway with keys for all, for some models, and for none; `up/weary` rests, and `gone` is switched off."""
    models = {
        "fast": {"targets": [{"to": "up/weary"}, {"to": "up/b"}], "strategy": "priority", "aliases": ["claude-fast"]},
        "kept": "up/c",
        "off": "gone/m",
    }
    keys = {
        "all": ["*"],
        "named": ["kept"],
        "alias": ["claude-*"],
        "target": ["up/weary"],
        "provider": ["up/*"],
        "off": ["off"],
        "off-provider": ["gone/*"],
        "none": [],
    }
    config = {
        "auth": {"keys": [{"name": name, "key": f"sk-{name}", "models": models} for name, models in keys.items()]},
        "providers": {"gone": {"type": "openai", "api_key": "${NO_SUCH_KEY}"}},
        "models": models,
        "chains": {"c": {"type": "simple", "model": "kept"}},
    }
    with opened(config, {"breaker": {"rest": "60s", "consecutive": 1}}) as doors:

        async def weary(request: Received, wire: Wire) -> None:
            await wire.json({"error": {"message": "secret"}}, 503)

        doors.upstream.script = weary
        assert doors.chat("up/weary", headers={"authorization": "Bearer sk-all"}).status_code == 503
        yield doors


def health(doors: Doors, key: str) -> Any:
    answer = doors.client.get("/health", headers={"authorization": f"Bearer sk-{key}"})
    assert answer.status_code == 200
    return answer.json()


def seen(doors: Doors, key: str) -> dict[str, list[str]]:
    return {name: sorted(provider["targets"]) for name, provider in health(doors, key)["providers"].items()}


@pytest.mark.parametrize(
    "headers",
    [{}, {"authorization": "Basic c2stYWxs"}, {"authorization": "Bearer"}, {"x-api-key": ""}, {"cookie": "key=sk-all"}],
)
def test_without_a_key_only_the_status_is_told(keyed: Doors, headers: dict[str, str]) -> None:
    answer = keyed.client.get("/health", headers=headers)
    assert (answer.status_code, answer.json()) == (200, {"status": "degraded"})
    assert answer.headers["x-request-id"].startswith("req_")
    assert keyed.client.head("/health", headers=headers).content == b""


@pytest.mark.parametrize("header", ["authorization", "x-api-key", "api-key"])
def test_a_key_comes_as_at_other_endpoints(keyed: Doors, header: str) -> None:
    for key, ok in (("sk-all", True), ("sk-none", True), ("sk-wrong", False), ("sk-al", False)):
        answer = keyed.client.get("/health", headers={header: f"Bearer {key}" if header == "authorization" else key})
        if ok:
            assert answer.status_code == 200
            assert list(answer.json()) == ["status", "providers", "state", "database"]
        else:
            assert answer.status_code == 401
            assert error_of(answer.content)["code"] == "invalid_api_key"
            assert "up" not in answer.text


@pytest.mark.parametrize(
    ("key", "found", "status"),
    [
        ("all", {"up": ["*", "b", "c", "weary"], "mock": ["*"], "gone": []}, "degraded"),
        ("named", {"up": ["c"]}, "ok"),
        ("alias", {"up": ["b", "weary"]}, "degraded"),
        ("target", {"up": ["weary"]}, "degraded"),
        ("provider", {"up": ["*", "b", "c", "weary"]}, "degraded"),
        ("off", {"gone": []}, "ok"),
        ("off-provider", {"gone": []}, "ok"),
        ("none", {}, "ok"),
    ],
)
def test_a_key_sees_what_it_may_use(keyed: Doors, key: str, found: dict[str, list[str]], status: str) -> None:
    assert seen(keyed, key) == found
    assert health(keyed, key)["status"] == status


def test_the_probes_ask_for_no_key(keyed: Doors) -> None:
    for path in ("/health/live", "/health/ready", "/"):
        assert keyed.client.get(path).status_code == 200
        assert keyed.client.get(path, headers={"x-api-key": "wrong"}).status_code == 200


def test_without_keys_everybody_sees_all(doors: Doors) -> None:
    assert set(doors.client.get("/health").json()["providers"]) == {"up", "mock"}
    assert set(doors.client.get("/health", headers={"x-api-key": "any"}).json()["providers"]) == {"up", "mock"}


# ---- metrics


def test_metrics_are_prometheus_text(doors: Doors) -> None:
    doors.chat("mock/echo")
    answer = doors.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert 'gateway_requests_total{model="mock/echo",outcome="ok",provider="mock"}' in answer.text
