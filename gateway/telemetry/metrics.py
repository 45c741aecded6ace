"""What Prometheus reads: requests, latency, time to first token."""

import os
import time
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from gateway.seam import Call, GatewayError, Handler, Outcome, Reply

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
_LABELS = ("model", "provider", "outcome")


class _Series(NamedTuple):
    """The children of one set of labels, looked up once."""

    requests: Counter
    duration: Histogram
    first_token: Histogram


class Metrics:
    """The outermost middleware of the request ring: counts each client request once, when it is over.

    `known` are the model names that get a label of their own; any other counts as `other`, since names come from
    callers and each label costs memory for ever.
    """

    def __init__(self, registry: CollectorRegistry, known: frozenset[str]) -> None:
        self._known = known
        self._series: dict[tuple[str, str, str], _Series] = {}
        self._requests = Counter("gateway_requests", "Client requests that ended.", _LABELS, registry=registry)
        self._duration = Histogram(
            "gateway_request_duration_seconds",
            "From a request's arrival to its last byte.",
            _LABELS,
            buckets=_SECONDS,
            registry=registry,
        )
        self._first_token = Histogram(
            "gateway_time_to_first_token_seconds",
            "From a streamed request's arrival to its first content.",
            _LABELS,
            buckets=_SECONDS,
            registry=registry,
        )

    async def __call__(self, call: Call, call_next: Handler) -> Reply:
        """Count the call."""
        began = time.perf_counter()
        first: float | None = None
        provider = ""
        name = call.request.model

        def count(outcome: Outcome) -> None:
            who = provider or (outcome.error.provider if isinstance(outcome.error, GatewayError) else None) or ""
            series = self._of(name if name in self._known else "other", who, outcome.kind)
            series.requests.inc()
            series.duration.observe(time.perf_counter() - began)
            if first is not None:
                series.first_token.observe(first)

        call.on_end(count)
        reply = await call_next(call)
        provider = reply.head.provider or ""
        if call.request.stream:
            first = time.perf_counter() - began  # the router returns a stream at its first content
        return reply

    def _of(self, model: str, provider: str, outcome: str) -> _Series:
        labels = (model, provider, outcome)
        series = self._series.get(labels)
        if series is None:
            series = self._series[labels] = _Series(
                self._requests.labels(*labels),
                self._duration.labels(*labels),
                self._first_token.labels(*labels),
            )
        return series


def exposition(registry: CollectorRegistry) -> bytes:
    """The text that Prometheus scrapes; of all workers together, where there are several."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
