import pytest

from tests.doors import Doors


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


def test_metrics_are_prometheus_text(doors: Doors) -> None:
    doors.chat("mock/echo")
    answer = doors.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert 'gateway_requests_total{model="mock/echo",outcome="ok",provider="mock"}' in answer.text
