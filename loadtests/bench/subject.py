"""What a subject of the benchmark is, and how one is started, proved and stopped."""

import asyncio
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import uvloop

from loadtests.bench import answers
from loadtests.bench.asks import Ask
from loadtests.bench.cores import Cores, on
from loadtests.bench.link import Link, Lost
from loadtests.bench.processes import Memory, Processes, answers_on, free_port

MODELS = ("bench", "events", "paced", "steady", "drip", "slow60", "idle", "mute")
MESSAGES_MODEL = "claude"
"""The model whose upstream is asked in Anthropic's dialect."""
KEY = "sk-local"
UPSTREAM_KEY = "sk-upstream"
ENDS = {"chat": b"[DONE]", "messages": b'"message_stop"'}
"""What ends a stream, by dialect."""


class Unfit(Exception):
    """Raised where a subject cannot do what is measured; the message says why."""


@dataclass(frozen=True)
class Site:
    """Where one start of a subject takes place."""

    folder: Path
    port: int
    upstream: int

    @property
    def upstream_url(self) -> str:
        """The upstream's base URL, as SDKs take it."""
        return f"http://127.0.0.1:{self.upstream}/v1"

    @property
    def told_port(self) -> Path:
        """The file in which a subject that chooses its port tells it."""
        return self.folder / "port"


@dataclass(frozen=True)
class Start:
    """A command, and what it adds to the environment."""

    argv: list[str]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Subject:
    """A proxy to measure.

    `version` gives None where it is not installed (`missing` then says how to get it); `start` writes its
    configuration and says how to start it (None: nothing to start, the load goes to the upstream itself);
    `headers` are sent besides the key. `path` is where it takes chat completions, `model` how it names the upstream's;
    one that `chooses_port` writes it to `Site.told_port`.
    """

    name: str
    about: str
    settings: str
    version: Callable[[], str | None]
    start: Callable[[Site], Start] | None
    missing: str = ""
    headers: Callable[[Site], Mapping[str, str]] = field(default=lambda _: {})
    patience: float = 30.0
    path: str = "/v1/chat/completions"
    model: str = "{}"
    chooses_port: bool = False


class Running:
    """A subject that serves."""

    def __init__(self, subject: Subject, site: Site, processes: Processes | None) -> None:
        self.subject = subject
        self.site = site
        self.processes = processes

    def ask(self, model: str, stream: bool = False, dialect: str = "chat") -> Ask:
        """Requests to this subject."""
        port = self.site.port if self.processes else self.site.upstream
        headers = {"authorization": f"Bearer {KEY}", **self.subject.headers(self.site)}
        named = self.subject.model.format(model)
        path = self.subject.path if dialect == "chat" else "/v1/messages"
        return Ask(model=named, port=port, stream=stream, headers=headers, path=path, dialect=dialect)

    def awake(self) -> contextlib.AbstractContextManager[None]:
        """Its turn: outside of the block its processes are halted."""
        return self.processes.awake() if self.processes else contextlib.nullcontext()

    def cpu(self) -> float:
        """CPU seconds of all its processes; NaN of the upstream alone."""
        return self.processes.cpu() if self.processes else float("nan")

    def memory(self) -> Memory:
        """Memory of all its processes; not of the upstream alone, which has none of its own."""
        assert self.processes is not None
        return self.processes.memory()

    def prove(self, stream: bool = False, model: str = "bench", dialect: str = "chat") -> None:
        """See to it that the subject does the whole work. Raises Unfit with what is wrong."""
        uvloop.run(_prove(self.ask(model, stream, dialect)))


async def _prove(ask: Ask) -> None:
    request = ask.requests()
    try:
        async with asyncio.timeout(30):
            link = await Link.to(ask.host, ask.port)
            await link.ask(request()[1])
            link.leave()
    except (Lost, OSError, TimeoutError) as error:
        raise Unfit(f"no answer: {error or type(error).__name__}") from error
    body = bytes(link.body)
    if link.status != 200:
        raise Unfit(f"status {link.status}: {body[:200].decode(errors='replace')}")
    if ask.stream:
        tokens = body.count(answers.MARK)
        end = ENDS[ask.dialect]
        if tokens != answers.TOKENS or end not in body:
            with_end = f"{'with' if end in body else 'no'} {end.decode()}"
            raise Unfit(f"{tokens} of {answers.TOKENS} tokens came, {with_end}")
    elif b"The sky looks blue because air scatters" not in body:
        raise Unfit(f"not the upstream's answer: {body[:200].decode(errors='replace')}")


@contextlib.contextmanager
def running(subject: Subject, upstream: int, cores: Cores) -> Iterator[Running]:
    """Start a subject in a folder of its own, wait until it listens, stop it at the end.

    Raises Unfit where it does not come up.
    """
    with tempfile.TemporaryDirectory(prefix=f"bench-{subject.name}-") as folder:
        site = Site(Path(folder), free_port(), upstream)
        if subject.start is None:
            yield Running(subject, site, None)
            return
        start = subject.start(site)
        processes = Processes(start.argv, site.folder, cores.subject, {**_environment(), **start.environment})
        try:
            port = _await(processes, partial(_port, subject, site), subject.patience)
            yield Running(subject, replace(site, port=port), processes)
        finally:
            processes.stop()


def _port(subject: Subject, site: Site) -> int | None:
    if not subject.chooses_port:
        return site.port
    return int(site.told_port.read_text()) if site.told_port.exists() else None


def _await(processes: Processes, port: Callable[[], int | None], patience: float) -> int:
    """The port on which it listens, as soon as it does."""
    until = time.monotonic() + patience
    while (found := port()) is None or not answers_on(found):
        if processes.ended() or time.monotonic() > until:
            raise Unfit(f"did not come up within {patience:.0f} s; it said:\n{processes.log()}")
        time.sleep(0.005)  # short: the time to the first answer is measured
    return found


def _environment() -> dict[str, str]:
    """Ours, less what would change a subject: keys of providers, settings of gateways."""
    odd = ("GATEWAY_", "LLM_", "LITELLM_", "OTEL_", "PYTHON")
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(odd) and not name.endswith(("_API_KEY", "_proxy", "_PROXY"))
    }


@contextlib.contextmanager
def upstream(cores: frozenset[int]) -> Iterator[tuple[int, Processes]]:
    """The mock upstream as a process of its own: its port and what it costs."""
    root = Path(__file__).parents[2]
    with tempfile.TemporaryDirectory(prefix="bench-upstream-") as folder, on(cores):
        port = free_port()
        argv = [sys.executable, "-m", "loadtests.bench.upstream", "--port", str(port)]
        processes = Processes(argv, Path(folder), cores, {**_environment(), "PYTHONPATH": str(root)})
        try:
            _await(processes, lambda: port, 10)
            yield port, processes
        finally:
            processes.stop()
