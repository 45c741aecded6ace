"""Gateways that share a Redis, each a process of its own: a target that fails in one rests in all."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.request import urlopen

import httpx
import pytest

from gateway.testing import Received, Upstream, Wire
from tests.servers import RedisServer, free_port, wait_for


@contextmanager
def gateways(folder: Path, config: dict[str, object], count: int) -> Iterator[list[str]]:
    """`gateway serve`, so many times; the URLs."""
    path = folder / "gateway.json"
    path.write_text(json.dumps(config))  # which is YAML too
    with ExitStack() as stack:
        urls = []
        for number in range(count):
            port = free_port()
            log = stack.enter_context((folder / f"{number}.log").open("wb"))
            command = [sys.executable, "-m", "gateway", "serve", "--config", str(path), "--port", str(port)]
            process = subprocess.Popen(command, stderr=log, stdout=log)
            stack.callback(process.wait, 20)
            stack.callback(process.terminate)
            urls.append(f"http://127.0.0.1:{port}")
        for url in urls:
            wait_for(lambda url=url: _ready(url), url, 60)
        yield urls


def _ready(url: str) -> bool:
    try:
        with urlopen(f"{url}/health/ready") as answer:
            return answer.status == 200
    except OSError:
        return False


def _health(url: str) -> dict[str, object]:
    with urlopen(f"{url}/health") as answer:
        return json.load(answer)


def _resting(url: str) -> bool:
    return _health(url)["providers"]["up"]["targets"]["m"]["state"] == "open"


async def _tired(request: Received, wire: Wire) -> None:
    error = {"error": {"message": "Slow down.", "type": "rate_limit_error", "param": None, "code": "slow_down"}}
    await wire.json(error, 429, {"retry-after": "60"})


@pytest.mark.parametrize("count", [3, pytest.param(10, marks=pytest.mark.slow)])
def test_a_target_that_fails_in_one_rests_in_all(tmp_path: Path, count: int) -> None:
    with RedisServer() as server, Upstream(_tired) as upstream:
        config = {
            "state": {"url": server.url, "timeout": "1s"},  # a busy machine is no failure of the server
            "providers": {
                "up": {"type": "openai", "base_url": upstream.url, "api_key": "sk-test"},
                "mock": {"type": "mock"},
            },
            "models": {"m": {"strategy": "priority", "targets": [{"to": "up/m"}, {"to": "mock/echo"}]}},
        }
        ask = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
        with gateways(tmp_path, config, count) as urls:
            assert not any(map(_resting, urls))
            wait_for(lambda: all(_health(url)["state"] == {"kind": "redis", "up": True} for url in urls), "Redis")
            assert httpx.post(f"{urls[0]}/v1/chat/completions", json=ask).status_code == 200
            began = time.monotonic()
            wait_for(lambda: all(map(_resting, urls)), "all to rest", 5)
            took = time.monotonic() - began
            for url in urls:
                answer = httpx.post(f"{url}/v1/chat/completions", json=ask)
                assert (answer.status_code, answer.headers["x-gateway-provider"]) == (200, "mock")
            assert len(upstream.received) == 1, "no other process had to learn it"
            assert took < 1, took
            with gateways(tmp_path, config, 1) as (fresh,):
                wait_for(lambda: _resting(fresh), "a new process to have read what rests")
            server.kill()  # nobody notices
            assert [httpx.post(f"{url}/v1/chat/completions", json=ask).status_code for url in urls] == [200] * count
