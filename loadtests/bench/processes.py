"""A subject's processes: started as a session of their own, accounted for as one, ended as one."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from loadtests.bench.cores import on


@dataclass(frozen=True)
class Memory:
    """Bytes, summed over a process tree. `shared` counts what processes share by halves, quarters, … (PSS)."""

    resident: int
    shared: int


class Processes:
    """A command and all that it starts. `began` is when, on the monotonic clock."""

    def __init__(
        self, argv: list[str], folder: Path, cores: frozenset[int], environment: Mapping[str, str] | None = None
    ) -> None:
        self._log = folder / "log"
        self.began = time.monotonic()
        with on(cores), self._log.open("ab") as log:
            self._process = subprocess.Popen(
                argv,
                cwd=folder,
                env=dict(environment) if environment is not None else None,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def ids(self) -> list[int]:
        """All living processes of the session that the command leads."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError, IndexError):
                    # The name in brackets may hold spaces; after it come state, parent, group, session.
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                    if int(fields[3]) == self._process.pid and fields[0] != "Z":
                        found.append(int(entry.name))
        return found

    def cpu(self) -> float:
        """CPU seconds, user and system, of all processes, to the nanosecond.

        The clock of a process (clock_getcpuclockid(3)) counts every thread, those that ended too, without the 10 ms
        ticks of /proc/PID/stat.
        """
        total = 0.0
        for process in self.ids():
            with contextlib.suppress(OSError):
                total += time.clock_gettime((~process << 3) | 2)
        return total

    def memory(self) -> Memory:
        """Resident and proportional memory, from smaps_rollup."""
        resident = shared = 0
        for process in self.ids():
            with contextlib.suppress(OSError):
                for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
                    name, _, rest = line.partition(":")
                    if name == "Rss":
                        resident += int(rest.split()[0]) * 1024
                    elif name == "Pss":
                        shared += int(rest.split()[0]) * 1024
        return Memory(resident, shared)

    @contextlib.contextmanager
    def awake(self) -> Iterator[None]:
        """Let them run, and halt them (SIGSTOP) behind the block: who waits for a turn must not take others' time."""
        self._signal(signal.SIGCONT)
        try:
            yield
        finally:
            self._signal(signal.SIGSTOP)

    def _signal(self, kind: signal.Signals) -> None:
        for process in self.ids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, kind)

    def ended(self) -> bool:
        """Whether the command itself has ended."""
        return self._process.poll() is not None

    def log(self, lines: int = 8) -> str:
        """The end of what it printed."""
        text = self._log.read_text(errors="replace") if self._log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def stop(self, grace: float = 5.0) -> None:
        """End the session: politely, then not. Returns when the command is gone."""
        self._signal(signal.SIGCONT)
        for kind in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, kind)
            try:
                self._process.wait(grace)
            except subprocess.TimeoutExpired:
                continue
            if not self.ids():
                return


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers_on(port: int) -> bool:
    """Whether something accepts connections there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
