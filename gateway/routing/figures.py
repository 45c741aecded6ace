"""What `/metrics` tells of every target: its breaker, its attempts and failures, what is under way."""

from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.routing.backend import Backend
from gateway.routing.breaker import State

_TARGET = ("provider", "model")


class TargetFigures(Collector):
    """Reads the targets when Prometheus asks, so that no call pays for it.

    They are those of `/health`: the targets that the file names, and `*` for a provider's other models together. A name
    that callers make up has no series of its own.
    """

    def __init__(self, backends: Mapping[str, Backend]) -> None:
        self._backends = backends

    def collect(self) -> Iterator[Metric]:
        """The figures of this process; a page that tells of several processes together has no place for them."""
        state = GaugeMetricFamily(
            "gateway_breaker_state",
            "Whether a target's breaker is in this state (1) or not (0): closed, open (it rests), half_open.",
            labels=(*_TARGET, "state"),
        )
        in_flight = GaugeMetricFamily(
            "gateway_target_in_flight", "Calls at a target that are not over.", labels=_TARGET
        )
        attempts = CounterMetricFamily("gateway_target_attempts", "Calls that a target was sent.", labels=_TARGET)
        failures = CounterMetricFamily(
            "gateway_target_failures", "Failures that a target is to blame for.", labels=_TARGET
        )
        for backend in self._backends.values():
            target = (backend.provider, backend.model)
            for one in State:
                state.add_metric((*target, one), one is backend.breaker.state)
            in_flight.add_metric(target, backend.in_flight)
            attempts.add_metric(target, backend.calls)
            failures.add_metric(target, backend.failures)
        yield from (state, in_flight, attempts, failures)
