"""`make demo`: a worked example, served with a database of its own and asked a few questions, while its runs are shown.

By hand: `gateway serve` in one terminal, a client in another, `gateway runs watch` in a third. It needs no key.
"""

import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import Any, NamedTuple

import click
import httpx
import yaml
from rich.console import Console
from rich.text import Text

from gateway.commands.options import tell
from gateway.commands.runs.client import Client, Lost, Refused
from gateway.commands.runs.following import newest, next_run
from gateway.commands.runs.place import Place
from gateway.commands.runs.shown import listed, say
from gateway.commands.runs.watch import watch
from gateway.config.load import read
from gateway.config.problems import ConfigError
from gateway.config.schema import Config

FOLDER = Path("config/examples")
_PACE = {"first_token": "300ms", "pace": "25ms"}
"""How slowly the mock speaks, so that one can see it."""
_START = 30.0
"""Seconds that the gateway may take to start."""


class Ask(NamedTuple):
    """A question to a model; `inputs` are a chain's, `conversation` is that which remembers it."""

    model: str
    text: str
    inputs: Mapping[str, Any] = {}
    conversation: str | None = None


ASKS: Mapping[str, Sequence[Ask]] = {
    "support": [
        Ask("support", "I am Ada. Where is my order 4711?", conversation="ada"),
        Ask("support", "How long will it take?", conversation="ada"),
        Ask("support", "My lamp is broken.", conversation="ada"),
        Ask("support", "It is late again!", conversation="ada"),
    ],
    "agent": [Ask("helper", "I want my money back."), Ask("helper", "Are you open on Saturday?")],
    "langgraph": [Ask("weather", "How is the weather in Oslo?")],
    "research": [Ask("graph:research", "How did it begin?")],
    "triage": [Ask("desk", "I want to return this."), Ask("desk", "This is terrible!")],
    "panel": [Ask("chain:panel", "Will it work?"), Ask("chain:vote", "Will it?")],
    "summarise": [Ask("chain:summarise", "", {"docs": ["One text.", "Another.", "A third."]})],
}
"""What each example is asked; any other one is said hello to."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("example", default="support")
def main(example: str) -> None:
    """Serve EXAMPLE of config/examples for a while, ask it a few questions, and show its runs."""
    path = FOLDER / f"{example}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(one.stem for one in FOLDER.glob("*.yaml")))
        raise click.ClickException(f"there is no {path}; there are: {known or 'none here'}")
    console = Console(highlight=False, markup=False, emoji=False)
    try:
        with TemporaryDirectory(prefix="gateway-demo-") as folder:
            config = _written(path, Path(folder))
            with _serving(Path(folder)) as url, Client(Place(url, None)) as client:
                _show(client, url, config, ASKS.get(example) or [_hello(config)], console)
    except ConfigError as error:
        tell(error, str(path))
    except (Refused, Lost) as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _written(example: Path, folder: Path) -> Config:
    """The example as it is served here: on any free port, with what is kept in `folder`, and at a pace to look at."""
    document = yaml.safe_load(example.read_text())
    document["server"] = {"host": "127.0.0.1", "port": 0}
    document["database"] = f"sqlite:///{folder / 'demo.db'}"
    document["runs"] = {"keep": True}
    for name, provider in document.get("providers", {}).items():
        if provider.get("type", name) == "mock":
            provider.update(_PACE)
    path = folder / "gateway.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True))
    return read(path)


@contextmanager
def _serving(folder: Path) -> Iterator[str]:
    """The root of the URL of a gateway that serves the file in `folder`, until the block is left."""
    log = folder / "log"
    command = [sys.executable, "-m", "gateway", "serve", "--config", str(folder / "gateway.yaml")]
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:  # noqa: S603 (our own)
        try:
            yield _listening(process, log)
        finally:
            process.terminate()


def _listening(process: "subprocess.Popen[bytes]", log: Path) -> str:
    """Where it listens, as its log says once it does."""
    until = monotonic() + _START
    while monotonic() < until and process.poll() is None:
        for line in log.read_text().splitlines():
            if line.startswith(_SERVING):
                return line.removeprefix(_SERVING)
        sleep(0.05)
    raise Refused(f"the gateway did not start:\n{log.read_text()}")


_SERVING = "serving on "


def _show(client: Client, url: str, config: Config, asks: Sequence[Ask], console: Console) -> None:
    for ask in asks:
        say(console, Text(f"\n> {ask.model}: {ask.text}", style="bold"))
        last = newest(client, None)
        asking = _Asking(url, ask)
        asking.start()
        run = next_run(client, None, last.id if last is not None else None, asking.wait)
        watch(client, run.id, console, config)
        asking.join()
    say(console, Text("\n> gateway runs list", style="bold"))
    for line in listed([run for run, _ in client.runs(20)], console.width if console.is_terminal else None):
        say(console, line)


class _Asking(threading.Thread):
    """Asks as any client does; what is answered is seen in the run."""

    def __init__(self, url: str, ask: Ask) -> None:
        super().__init__(daemon=True)
        self._url = url
        self._asked = ask
        self._refused = ""

    def run(self) -> None:
        """Ask, and note where that begins no run."""
        ask = self._asked
        body: dict[str, Any] = {"model": ask.model, "messages": [{"role": "user", "content": ask.text}], "stream": True}
        body |= {"inputs": ask.inputs} if ask.inputs else {}
        headers = {"x-gateway-conversation-id": ask.conversation} if ask.conversation else {}
        url = f"{self._url}/v1/chat/completions"
        try:
            answer = httpx.post(url, json=body, headers=headers, timeout=60, trust_env=False)
        except httpx.HTTPError as error:
            self._refused = str(error) or type(error).__name__
        else:
            if "x-gateway-run-id" not in answer.headers:
                self._refused = answer.text

    def wait(self, _: float) -> None:
        """Wait a little. Raises `Refused` where no run will come."""
        if self._refused:
            raise Refused(f"{self._asked.model} does not answer: {self._refused}")
        sleep(0.02)


def _hello(config: Config) -> Ask:
    """For an example of which nothing is known."""
    names = [*(f"graph:{name}" for name in config.graphs), *(f"chain:{name}" for name in config.chains)]
    if not names:
        raise Refused("there is neither a chain nor a graph in it")
    return Ask(names[0], "Hello?")


if __name__ == "__main__":
    main()
