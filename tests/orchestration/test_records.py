"""Several processes on one database: each tells of the others' runs, cancels them, and says which of them died."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.testing import Received, Upstream, Wire, events
from tests.doors import events_of
from tests.servers import RedisServer, free_port, wait_for


async def endless(_: Received, wire: Wire) -> None:
    """A stream that begins and goes on for ever."""
    await wire.open()
    for event in events("One", "two")[:2]:
        await wire.chunk(event)
    await wire.left()


class Process:
    """`gateway serve`, and a client of it."""

    def __init__(self, config: Path, log: Path) -> None:
        port = free_port()
        command = [sys.executable, "-m", "gateway", "serve", "--config", str(config), "--port", str(port)]
        with log.open("ab") as file:
            self.process = subprocess.Popen(command, stderr=file, stdout=file)
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=40, trust_env=False)

    def ready(self) -> bool:
        try:
            return self.client.get("/health/ready").status_code == 200
        except httpx.TransportError:
            return False

    def end(self, number: int = signal.SIGTERM) -> None:
        self.client.close()
        self.process.send_signal(number)
        self.process.wait(40)

    def told(self, run: str) -> Any:
        answer = self.client.get(f"/v1/runs/{run}")
        return answer.json() if answer.status_code == 200 else None


@contextmanager
def processes(folder: Path, upstream: Upstream, count: int, **blocks: Any) -> Iterator[list[Process]]:
    document = {
        "providers": {"up": {"type": "openai", "base_url": upstream.url, "api_key": "sk-test"}},
        "chains": {"c": {"type": "simple", "model": "up/m"}},
        "runs": {},
        "database": f"sqlite:///{folder}/gateway.db",
        "server": {"shutdown_grace": "1s"},
        **blocks,
    }
    config = folder / "gateway.json"
    config.write_text(json.dumps(document))  # which is YAML too
    started = [Process(config, folder / f"{number}.log") for number in range(count)]
    try:
        for process in started:
            wait_for(process.ready, "a gateway", 60)
        yield started
    finally:
        for process in started:
            process.end()


@contextmanager
def streaming(process: Process) -> Iterator[tuple[str, httpx.Response]]:
    body = {"model": "chain:c", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
    with process.client.stream("POST", "/v1/chat/completions", json=body) as answer:
        yield answer.headers["x-gateway-run-id"], answer


def test_a_run_is_followed_and_cancelled_from_another_process(tmp_path: Path) -> None:
    with (
        RedisServer() as redis,
        Upstream(endless) as upstream,
        processes(tmp_path, upstream, 2, state={"url": redis.url, "timeout": "1s"}) as (serves, other),
        ThreadPoolExecutor(1) as pool,
        streaming(serves) as (run, answer),
    ):
        wait_for(lambda: other.told(run) is not None, "the run to be written")
        assert other.told(run)["status"] == "running"
        assert other.client.get("/v1/runs?status=running").json()["data"][0]["id"] == run
        follows = pool.submit(other.client.get, f"/v1/runs/{run}/events")
        cancelled = other.client.post(f"/v1/runs/{run}/cancel")
        assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
        assert events_of(answer.read())[-1]["error"]["code"] == "run_cancelled"
        told = events_of(follows.result().content)
        assert [event["type"] for event in told[:-1]] == [
            "run.started",
            "step.started",
            "step.cancelled",
            "run.cancelled",
        ]
        assert told[:-1] == other.told(run)["events"] == serves.told(run)["events"]
        wait_for(lambda: upstream.left == 1, "the upstream's call to be closed")


@pytest.mark.slow  # the time after which a process counts as gone
def test_a_process_that_is_killed_leaves_runs_that_are_told_as_interrupted(tmp_path: Path) -> None:
    with Upstream(endless) as upstream, processes(tmp_path, upstream, 2) as (dies, other):
        with pytest.raises(httpx.TransportError), streaming(dies) as (run, answer):  # noqa: PT012
            wait_for(lambda: other.told(run) is not None, "the run to be written")
            os.kill(dies.process.pid, signal.SIGKILL)
            follows = other.client.get(f"/v1/runs/{run}/events")
            told = events_of(follows.content)
            answer.read()
        assert [event["type"] for event in told[:-1]] == ["run.started", "step.started", "run.failed"]
        assert other.told(run)["error"]["code"] == "interrupted"
        assert other.told(run)["status"] == "failed"


def test_a_stop_tells_its_runs_as_cancelled(tmp_path: Path) -> None:
    with Upstream(endless) as upstream, processes(tmp_path, upstream, 2) as (stops, other):
        with streaming(stops) as (run, answer):
            stops.process.send_signal(signal.SIGTERM)
            last = events_of(answer.read())[-1]
        assert last["error"]["code"] == "shutting_down"
        stops.process.wait(40)
        assert other.told(run)["status"] == "cancelled"
        assert [event["type"] for event in other.told(run)["events"]][-2:] == ["step.cancelled", "run.cancelled"]
