"""What `/health` tells: how every provider and target is."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from gateway.routing.backend import Backend
from gateway.routing.breaker import State
from gateway.routing.probe import Result


def report(
    backends: Iterable[Backend],
    off: Iterable[str],
    probed: Mapping[str, Result | None],
    monotonic: float,
    wall: float,
) -> dict[str, Any]:
    """The state of all targets by provider, as JSON. No message of a provider's: those quote callers.

    `off` are the providers that are switched off, `probed` the last probe of each target that is probed; the present
    is given on the loop's clock and in seconds since 1970.
    """
    providers: dict[str, dict[str, Any]] = {}
    for backend in backends:
        targets = providers.setdefault(backend.provider, {"status": "ok", "targets": {}})["targets"]
        targets[backend.model] = _target(backend, probed.get(backend.name), monotonic, wall)
    for provider in providers.values():
        provider["status"] = _status([target["state"] for target in provider["targets"].values()])
    for name in off:
        providers[name] = {"status": "off", "targets": {}}
    well = all(provider["status"] in ("ok", "off") for provider in providers.values())
    return {"status": "ok" if well else "degraded", "providers": providers}


def _target(backend: Backend, probe: Result | None, monotonic: float, wall: float) -> dict[str, Any]:
    breaker, failure = backend.breaker, backend.failure
    resting = breaker.state is State.OPEN and breaker.until > monotonic
    told: dict[str, Any] = {
        "state": breaker.state.value,
        "resting_until": _moment(wall + breaker.until - monotonic) if resting else None,
        "in_flight": backend.in_flight,
        "calls": backend.calls,
        "failures": backend.failures,
        "first_content_ms": _milliseconds(backend.first_content),
        "per_token_ms": _milliseconds(backend.per_token),
        "last_error": None
        if failure is None
        else {"status": failure.status, "code": failure.code, "at": _moment(failure.at)},
    }
    if breaker.state is State.CLOSED and (share := breaker.share(monotonic)) < 1:
        told["share"] = round(share, 2)
    if probe is not None:
        told["probe"] = {"well": probe.well, "at": _moment(probe.at), "ms": _milliseconds(probe.seconds)}
    return told


def _status(states: list[str]) -> str:
    resting = sum(state != State.CLOSED for state in states)
    return "ok" if resting == 0 else "resting" if resting == len(states) else "degraded"


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
