import json
from typing import Any

from gateway.config.routing import Breaker as Settings
from gateway.routing.backend import Backend, Failure
from gateway.routing.breaker import Breaker
from gateway.routing.health import report
from gateway.routing.probe import Result
from gateway.seam import GatewayError
from gateway.testing import answering

NOW, WALL = 500.0, 1_700_000_000.0


def backend(provider: str, model: str) -> Backend:
    return Backend(provider, model, answering("Hello."), Breaker(Settings()))


def told(*backends: Backend, off: tuple[str, ...] = (), **probed: Result | None) -> dict[str, Any]:
    found = report(backends, off, probed, NOW, WALL)
    json.dumps(found)
    return found


def test_all_is_well() -> None:
    one = backend("openai", "gpt")
    one.calls, one.in_flight, one.first_content, one.per_token = 7, 2, 0.32157, 0.0121
    assert told(one, off=("anthropic",)) == {
        "status": "ok",
        "providers": {
            "openai": {
                "status": "ok",
                "targets": {
                    "gpt": {
                        "state": "closed",
                        "resting_until": None,
                        "in_flight": 2,
                        "calls": 7,
                        "failures": 0,
                        "first_content_ms": 321.6,
                        "per_token_ms": 12.1,
                        "last_error": None,
                    }
                },
            },
            "anthropic": {"status": "off", "targets": {}},
        },
    }


def test_who_rests_until_when_and_why() -> None:
    a, b = backend("openai", "a"), backend("openai", "b")
    a.failure = Failure(503, "overloaded", WALL - 60)
    a.breaker.rest(NOW + 90)
    found = told(a, b)
    assert found["status"] == "degraded"
    provider = found["providers"]["openai"]
    assert provider["status"] == "degraded"
    target = provider["targets"]["a"]
    assert target["state"] == "open"
    assert target["resting_until"] == "2023-11-14T22:14:50Z"
    assert target["last_error"] == {"status": 503, "code": "overloaded", "at": "2023-11-14T22:12:20Z"}
    b.breaker.rest(NOW)
    assert told(a, b)["providers"]["openai"]["status"] == "resting"


def test_one_that_comes_back_tells_its_share_and_a_probe_its_result() -> None:
    one = backend("openai", "a")
    one.breaker.rest(NOW - 20)
    one.breaker.succeeded(one.breaker.enter(NOW), NOW - 15)
    found = told(one, **{"openai/a": Result(True, WALL, 0.0421)})
    target = found["providers"]["openai"]["targets"]["a"]
    assert target["share"] == 0.5
    assert target["probe"] == {"well": True, "at": "2023-11-14T22:13:20Z", "ms": 42.1}


def test_no_message_and_no_odd_code_is_kept() -> None:
    one = backend("openai", "a")
    one.note(GatewayError("Incorrect key sk-secret", status=500, code="key sk-secret is wrong"))
    assert "secret" not in json.dumps(told(one))
    one.note(GatewayError("No.", status=500, code="rate_limit_exceeded"))
    assert one.failure is not None
    assert one.failure.code == "rate_limit_exceeded"
