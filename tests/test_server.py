"""The serving process itself: memory, signals, workers."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from gateway.testing import Received, Upstream, Wire, events
from tests.doors import USER, Raw, block, parsed, text_of

ROLE, WORD = events("Hello", usage=False, done=False, finish=None)
DONE = b"data: [DONE]\n\n"
STREAM = json.dumps({"model": "up/m", "messages": USER, "stream": True}).encode()


class Process:
    """`gateway serve` as an operator runs it."""

    def __init__(self, process: "subprocess.Popen[bytes]", url: str) -> None:
        self.process = process
        self.url = url

    def memory(self, line: str = "VmRSS") -> int:
        """Resident bytes."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(rf"{line}:\s+(\d+) kB", text)
        assert found
        return int(found[1]) * 1024

    def ended(self) -> int:
        return self.process.wait(30)


def until(true: Callable[[], object], seconds: float = 30) -> None:
    """Poll another process; fail after a generous time."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/ready", timeout=5, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def running(folder: Path, config: Mapping[str, Any], *options: str) -> Iterator[Process]:
    port = free_port()
    path = folder / "gateway.yaml"
    path.write_text(yaml.safe_dump({"server": {"port": port}} | dict(config)))
    command = [sys.executable, "-m", "gateway", "serve", "--config", str(path), "--port", str(port), *options]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            url = f"http://127.0.0.1:{port}"
            until(lambda: answers(url) or process.poll() is not None)
            assert process.poll() is None, (folder / "log").read_text()
            yield Process(process, url)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


MIB = 2**20


def test_a_slow_reader_slows_the_upstream_and_fills_no_memory(tmp_path: Path) -> None:
    size = 50 * MIB
    line = b'data: {"choices":[{"index":0,"delta":{"content":"%s"}}]}\n\n' % (b"x" * 4000)
    block_of = line * 16
    sent = 0

    async def script(request: Received, wire: Wire) -> None:
        nonlocal sent
        await wire.open()
        while sent < size:
            await wire.chunk(block_of)
            sent += len(block_of)
        await wire.chunk(DONE)
        await wire.end()

    with Upstream(script) as upstream, running(tmp_path, {"providers": {"up": block(upstream)}}) as gateway:
        with Raw(gateway.url) as warm:  # what is opened once is not the reader's fault
            sent = size - 2 * MIB
            warm.post(STREAM, headers="connection: close\r\n")
            assert DONE in warm.rest()
        sent = 0
        before = gateway.memory()
        with Raw(gateway.url, 60) as reader:
            reader.post(STREAM, headers="connection: close\r\n")
            last = -1
            while last != sent:  # reads nothing until the upstream can send no more
                last = sent
                time.sleep(0.2)
            assert sent < size / 2
            assert gateway.memory() - before < 2 * MIB
            data = bytearray()
            for _ in range(200):  # then slowly
                data += reader.socket.recv(20_000)
                time.sleep(0.001)
            assert gateway.memory() - before < 2 * MIB
            data += reader.rest()  # then all of it
        answer = parsed(bytes(data))
        assert answer.complete
        assert answer.body == line * (len(answer.body) // len(line)) + DONE
        assert len(answer.body) == sent + len(DONE)
        assert gateway.memory("VmHWM") - before < 4 * MIB


def test_a_signal_lets_open_streams_finish(tmp_path: Path) -> None:
    go = asyncio.Event()

    async def script(request: Received, wire: Wire) -> None:
        await wire.open()
        await wire.chunk(ROLE + WORD)
        await go.wait()
        await wire.chunk(WORD + DONE)
        await wire.end()

    with Upstream(script) as upstream, running(tmp_path, {"providers": {"up": block(upstream)}}) as gateway:
        with Raw(gateway.url) as client:
            client.post(STREAM)
            begun = client.until(WORD)
            gateway.process.send_signal(signal.SIGTERM)
            until(lambda: not answers(gateway.url))
            assert gateway.process.poll() is None
            upstream.background.call(go.set)
            answer = parsed(begun + client.rest())
        assert answer.complete
        assert text_of(answer.body) == "HelloHello"
        assert gateway.ended() in (0, -signal.SIGTERM)
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_a_signal_cuts_what_outlasts_the_grace(tmp_path: Path) -> None:
    async def script(request: Received, wire: Wire) -> None:
        await wire.open()
        await wire.chunk(ROLE + WORD)
        await wire.left()

    config: dict[str, Any] = {"server": {"shutdown_grace": "1s"}}
    with Upstream(script) as upstream:
        config["providers"] = {"up": block(upstream)}
        with running(tmp_path, config) as gateway, Raw(gateway.url) as client:
            client.post(STREAM)
            begun = client.until(WORD)
            gateway.process.send_signal(signal.SIGTERM)
            answer = parsed(begun + client.rest())
            assert gateway.ended() in (0, -signal.SIGTERM)
        upstream.background.until(lambda: upstream.left == 1)
    assert answer.complete
    assert b'"code":"shutting_down"' in answer.body
    assert DONE not in answer.body
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_a_process_that_serves_nobody_ends_at_once(tmp_path: Path) -> None:
    with running(tmp_path, {"providers": {"mock": {"type": "mock"}}}) as gateway:
        began = time.monotonic()
        gateway.process.send_signal(signal.SIGINT)
        gateway.ended()
        assert time.monotonic() - began < 5


def children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return found


def test_two_workers_answer_and_their_metrics_are_summed(tmp_path: Path) -> None:
    config = {"server": {"workers": 2}, "providers": {"mock": {"type": "mock"}}, "models": {"echo": "mock/echo"}}
    with running(tmp_path, config) as gateway:
        prefixes = set()
        asked = 0
        deadline = time.monotonic() + 30
        while len(prefixes) < 2:
            assert time.monotonic() < deadline, "only one worker answers"
            body = {"model": "echo", "messages": USER}
            answer = httpx.post(f"{gateway.url}/v1/chat/completions", json=body, trust_env=False)
            assert answer.status_code == 200
            asked += 1
            prefixes.add(answer.headers["x-request-id"][:20])
        wanted = f'gateway_requests_total{{model="echo",outcome="ok",provider="mock"}} {asked}.0'
        for _ in range(5):
            told = httpx.get(f"{gateway.url}/metrics", trust_env=False).text
            assert wanted in told
            assert not [name for name in ("gateway_breaker", "gateway_target") if name in told]  # one worker's own
        workers = children(gateway.process.pid)
        assert len(workers) >= 2
        gateway.process.send_signal(signal.SIGTERM)
        gateway.ended()
        until(lambda: not [pid for pid in workers if Path(f"/proc/{pid}").exists()])
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_the_process_starts_small(tmp_path: Path) -> None:
    with running(tmp_path, {"providers": {"mock": {"type": "mock"}}}) as gateway:
        assert gateway.memory() < 50 * MIB


@pytest.mark.parametrize("options", [(), ("--host", "127.0.0.1")])
def test_what_a_person_needs_is_said_at_start(tmp_path: Path, options: tuple[str, ...]) -> None:
    config = {"providers": {"mock": {"type": "mock"}}, "cache": {"enabled": True}}
    with running(tmp_path, config, *options) as gateway:
        log = (tmp_path / "log").read_text()
    assert "note: no auth block: whoever reaches this address may call" in log
    assert "note: cache: known, but not built yet: it does nothing" in log
    assert f"serving on {gateway.url}" in log
    assert f"try: curl {gateway.url}/v1/chat/completions" in log


@pytest.mark.parametrize("workers", [1, 2])
def test_a_port_that_is_taken_is_told_with_the_cure(tmp_path: Path, workers: int) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        path = tmp_path / "gateway.yaml"
        path.write_text(f"server: {{workers: {workers}, port: {port}}}\nproviders: {{mock: {{type: mock}}}}\n")
        command = [sys.executable, "-m", "gateway", "serve", "--config", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode != 0
    assert "address already in use" in done.stderr.lower()
    assert f"cannot listen on http://127.0.0.1:{port}; --host and --port take another address" in done.stderr
    assert "serving on" not in done.stderr
