import threading
from typing import Any

import pytest

from gateway.testing import Received, Upstream, Wire
from tests.doors import Doors, opened


async def fail(request: Received, wire: Wire) -> None:
    await wire.json({"error": {"message": "on fire", "type": "server_error", "param": None, "code": None}}, 500)


async def fine(request: Received, wire: Wire) -> None:
    await wire.json(b"ok")


def config(hook: str, **settings: Any) -> dict[str, Any]:
    return {"pipeline": {"request": [{"use": "slack_errors", "url": f"{hook}/T0/sk-secret", **settings}]}}


def texts(hook: Upstream, doors: Doors) -> list[str]:
    doors.quiet()
    return [request.json["text"] for request in hook.received]


def test_a_failure_is_posted_and_what_is_no_failure_is_not() -> None:
    with Upstream(fine) as hook, opened(config(hook.url, every=0)) as doors:
        doors.upstream.script = fail
        answer = doors.chat("up/m")
        assert answer.status_code == 500
        (text,) = texts(hook, doors)
        assert text.startswith("up/m failed with 500: ")
        assert "on fire" in text
        assert answer.headers["x-request-id"] in text
        assert hook.received[0].path == "/v1/T0/sk-secret"
        assert hook.received[0].headers["content-type"] == "application/json"
        doors.chat("mock/echo")
        assert doors.chat("nobody").status_code == 404
        assert len(texts(hook, doors)) == 1


def test_many_failures_are_one_post_and_a_count() -> None:
    with Upstream(fine) as hook, opened(config(hook.url, every="1h")) as doors:
        doors.upstream.script = fail
        for _ in range(3):
            doors.chat("up/m")
        assert len(texts(hook, doors)) == 1
        (layer,) = doors.served.gateway.rings["request"]
        layer.component._next = 0.0  # an hour later
        doors.chat("up/m")
        assert texts(hook, doors)[1].endswith("(2 more since the last message)")


def test_nobody_waits_for_the_webhook() -> None:
    may = threading.Event()

    async def slow(request: Received, wire: Wire) -> None:
        import asyncio

        while not may.is_set():  # noqa: ASYNC110 (the test's thread sets it)
            await asyncio.sleep(0.005)
        await wire.json(b"ok")

    with Upstream(slow) as hook, opened(config(hook.url, every=0)) as doors:
        doors.upstream.script = fail
        assert doors.chat("up/m").status_code == 500  # the webhook has not answered yet
        hook.background.until(lambda: hook.open == 1)
        may.set()
        assert len(texts(hook, doors)) == 1


@pytest.mark.parametrize("kind", ["refused", "fails", "silent"])
def test_a_webhook_that_is_down_is_dropped(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    async def script(request: Received, wire: Wire) -> None:
        if kind == "silent":
            await wire.left()
        await wire.json(b"no", 503)

    with Upstream(script) as hook:
        url = "http://127.0.0.1:9/hook" if kind == "refused" else hook.url
        with opened(config(url, every=0, patience="50ms")) as doors:
            doors.upstream.script = fail
            for _ in range(2):
                assert doors.chat("up/m").status_code == 500
            doors.quiet()
    told = "the webhook answered 503" if kind == "fails" else "the webhook cannot be reached"
    assert caplog.text.count(told) == 2
    assert "sk-secret" not in caplog.text
