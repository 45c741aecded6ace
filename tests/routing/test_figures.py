from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from gateway.config.routing import Breaker as Settings
from gateway.routing.backend import Backend, Try
from gateway.routing.breaker import Breaker, State
from gateway.routing.figures import TargetFigures
from gateway.seam import GatewayError, Outcome, Usage
from gateway.testing import Received, Wire, answering
from tests.doors import Doors, opened

NAMES = {"gateway_breaker_state", "gateway_target_in_flight", "gateway_target_attempts", "gateway_target_failures"}


class Told:
    """What a scrape tells, read as Prometheus does."""

    def __init__(self, text: str) -> None:
        families = [family for family in text_string_to_metric_families(text) if family.name in NAMES]
        self.kinds = {family.name: family.type for family in families}
        self._values = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in families
            for sample in family.samples
        }
        self.count = sum(len(family.samples) for family in families)
        assert self.count == len(self._values)  # each series once

    def value(self, name: str, target: str, **labels: str) -> float:
        provider, _, model = target.partition("/")
        return self._values[name, frozenset({"provider": provider, "model": model, **labels}.items())]

    def state(self, target: str) -> str:
        values = {one: self.value("gateway_breaker_state", target, state=one) for one in State}
        assert sorted(values.values()) == [0, 0, 1]
        return max(values, key=lambda one: values[one])

    def figures(self, target: str) -> tuple[float, float, float]:
        """Attempts, failures, calls in flight."""
        return (
            self.value("gateway_target_attempts_total", target),
            self.value("gateway_target_failures_total", target),
            self.value("gateway_target_in_flight", target),
        )


class Targets:
    """Two targets, and what is scraped of them."""

    def __init__(self) -> None:
        self.a, self.b = (
            Backend("up", model, answering("Hello."), Breaker(Settings(consecutive=1))) for model in ("a", "b/c:d")
        )
        self._registry = CollectorRegistry()
        self._registry.register(TargetFigures({"up/a": self.a, "up/b/c:d": self.b}))

    def told(self) -> Told:
        return Told(generate_latest(self._registry).decode())


def test_all_is_there_before_any_call() -> None:
    told = Targets().told()
    assert told.kinds == {
        "gateway_breaker_state": "gauge",
        "gateway_target_in_flight": "gauge",
        "gateway_target_attempts": "counter",
        "gateway_target_failures": "counter",
    }
    for target in ("up/a", "up/b/c:d"):
        assert told.state(target) == "closed"
        assert told.figures(target) == (0, 0, 0)


async def test_calls_are_counted_and_those_under_way() -> None:
    targets = Targets()
    first, second = Try(targets.a, 0.0), Try(targets.a, 0.0)
    assert targets.told().figures("up/a") == (2, 0, 2)
    error = GatewayError("No.", status=503)
    error.provider = "up"
    first.failed(error, 1.0)
    first.over(Outcome("failed", Usage()))
    second.failed(GatewayError("Yours.", status=400), 1.0)  # its caller's fault
    second.over(Outcome("failed", Usage()))
    assert targets.told().figures("up/a") == (2, 1, 0)
    assert targets.told().figures("up/b/c:d") == (0, 0, 0)


def test_a_breaker_is_in_one_state() -> None:
    targets = Targets()
    breaker = targets.a.breaker
    breaker.failed(breaker.enter(0.0), 0.0)
    assert targets.told().state("up/a") == "open"
    breaker.enter(breaker.until)
    assert targets.told().state("up/a") == "half_open"
    breaker.succeeded(breaker.enter(breaker.until), breaker.until)
    assert targets.told().state("up/a") == "closed"
    assert targets.told().state("up/b/c:d") == "closed"


@pytest.mark.parametrize("model", ['a"b', "a\\b", "a\nb", "é", "{x}", "a,b=c"])
def test_any_name_stays_in_its_label(model: str) -> None:
    registry = CollectorRegistry()
    one = Backend("up", model, answering("Hello."), Breaker(Settings()))
    registry.register(TargetFigures({one.name: one}))
    assert Told(generate_latest(registry).decode()).state(f"up/{model}") == "closed"


# ---- what is scraped of a gateway


def scraped(doors: Doors) -> Told:
    return Told(doors.client.get("/metrics").text)


async def down(request: Received, wire: Wire) -> None:
    await wire.json({"error": {"message": "No."}}, 503)


def test_a_target_that_fails_is_seen_to_rest() -> None:
    models: dict[str, Any] = {"m": {"targets": [{"to": "up/a"}, {"to": "mock/echo"}], "strategy": "priority"}}
    with opened({"models": models}, {"breaker": {"rest": "60s", "consecutive": 1}}) as doors:
        doors.upstream.script = down
        for _ in range(2):
            assert doors.chat("m").status_code == 200
        told = scraped(doors)
        assert (told.state("up/a"), told.figures("up/a")) == ("open", (1, 1, 0))
        assert (told.state("mock/echo"), told.figures("mock/echo")) == ("closed", (2, 0, 0))


def test_names_that_callers_make_up_have_no_series() -> None:
    with opened({"models": {"m": "up/a"}}) as doors:
        before = scraped(doors)
        for number in range(20):
            doors.chat(f"up/made-up-{number}")
            doors.chat(f"made-up-{number}")
            doors.chat(f"made-up/{number}")
        after = scraped(doors)
        assert after.count == before.count
        assert after.figures("up/*") == (20, 0, 0)
        assert "made-up" not in doors.client.get("/metrics").text


def test_chains_are_targets_too() -> None:
    config = {"models": {"m": {"targets": [{"to": "chain:c"}]}}, "chains": {"c": {"type": "simple", "model": "up/a"}}}
    with opened(config) as doors:
        assert doors.chat("m").status_code == 200
        assert scraped(doors).figures("chain/c") == (1, 0, 0)


def test_what_is_not_counted_is_not_told() -> None:
    with opened({"orchestrator": {"enable_metrics": False}}) as doors:
        assert not list(doors.served.gateway.env.metrics.collect())
