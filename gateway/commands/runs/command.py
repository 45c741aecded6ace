"""The command line of `gateway runs`."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any

import click

from gateway.commands.options import config, tell
from gateway.config.problems import ConfigError

if TYPE_CHECKING:  # the other commands need none of it: each is imported where it is used
    from rich.console import Console

    from gateway.commands.runs.client import Client
    from gateway.commands.runs.place import Place

_STATUSES = click.Choice(["running", "completed", "failed", "cancelled"])

Command = Callable[..., None]


def _reaching(command: Command) -> Command:
    """The options that say which gateway is asked."""
    options = (
        config,
        click.option("--url", help="The gateway; else $GATEWAY_URL, else where its file says."),
        click.option("--key", help="The key to call with; else $GATEWAY_KEY, else the first of the file."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.group()
def runs() -> None:
    """List, show, watch and cancel runs of chains and graphs on a gateway that serves."""


@runs.command("list")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many at most.")
@click.option("--status", type=_STATUSES, help="Only those that stand so.")
@click.option("--model", help="Only those of this chain:NAME or graph:NAME.")
@click.option("--json", "as_json", is_flag=True, help="For machines: an array of runs, as the API has them.")
@_reaching
def list_(limit: int, status: str | None, model: str | None, as_json: bool, **where: Any) -> None:
    """List the newest runs."""
    from gateway.commands.runs.shown import listed, say  # noqa: PLC0415

    with _client(**where) as (client, _, console):
        found = client.runs(limit, status, model)
        if as_json:
            _json(b"[" + b",".join(source for _, source in found) + b"]")
            return
        if not found:
            click.echo("no runs", err=True)
            return
        for line in listed([run for run, _ in found], console.width if console.is_terminal else None):
            say(console, line)


@runs.command()
@click.argument("run_id")
@click.option("--full", is_flag=True, help="All inputs and outputs, and all of each.")
@click.option("--json", "as_json", is_flag=True, help="For machines: the run as the API has it, events and all.")
@_reaching
def show(run_id: str, full: bool, as_json: bool, **where: Any) -> None:
    """Show a run: its steps, times, tokens, the edges that it took, its answer."""
    from gateway.commands.runs.shown import say, shown  # noqa: PLC0415

    with _client(**where) as (client, _, console):
        run, source = client.run(run_id)
        if as_json:
            _json(source)
            return
        for line in shown(run, console.width if console.is_terminal else None, full=full):
            say(console, line)


@runs.command()
@click.argument("run_id", required=False)
@click.option("--last", is_flag=True, help="The newest run, also if it is over.")
@click.option("--model", help="A run of this chain:NAME or graph:NAME.")
@_reaching
def watch(run_id: str | None, last: bool, model: str | None, **where: Any) -> None:
    """Show a run as it goes: the one that is named, else one under way, else the next that begins.

    In a terminal it is drawn; elsewhere each event is a line. Ctrl-C ends the watching, not the run. Exits with 1 where
    the run failed or was cancelled.
    """
    from gateway.commands.runs.watch import watch as run  # noqa: PLC0415

    if run_id is not None and (last or model):
        raise click.UsageError("RUN_ID names the run already: leave out --last and --model")
    with _client(**where) as (client, place, console):
        identifier = run_id or _chosen(client, model, last)
        try:
            story = run(client, identifier, console, place.config)
        except KeyboardInterrupt:
            click.echo(f"left; it goes on: gateway runs watch {identifier}", err=True)
            raise SystemExit(130) from None
    if story.status != "completed":
        raise SystemExit(1)


@runs.command()
@click.argument("run_id")
@_reaching
def cancel(run_id: str, **where: Any) -> None:
    """Cancel a run that is under way."""
    with _client(**where) as (client, _, _):
        click.echo(f"{run_id}: {client.cancel(run_id).status}")


def _chosen(client: "Client", model: str | None, last: bool) -> str:
    from gateway.commands.runs.client import Refused  # noqa: PLC0415
    from gateway.commands.runs.following import newest, next_run  # noqa: PLC0415

    found = newest(client, model)
    if last:
        if found is None:
            raise Refused(f"there are no runs{f' of {model}' if model else ''} yet")
        return found.id
    click.echo(f"waiting for a run{f' of {model}' if model else ''} …", err=True)
    try:
        return next_run(client, model, found.id if found is not None else None).id
    except KeyboardInterrupt:
        raise SystemExit(130) from None


@contextmanager
def _client(path: str, url: str | None, key: str | None) -> Iterator[tuple["Client", "Place", "Console"]]:
    """The gateway that is asked; what goes wrong is told, and ends the command."""
    from rich.console import Console  # noqa: PLC0415

    from gateway.commands.runs.client import Client, Lost, Refused  # noqa: PLC0415
    from gateway.commands.runs.place import place  # noqa: PLC0415

    if isinstance(sys.stdout, TextIOWrapper):  # a terminal may not be able to write all that models say
        sys.stdout.reconfigure(errors="replace")
    try:
        found = place(path, url, key, os.environ)
        with Client(found) as client:
            yield client, found, Console(highlight=False, markup=False, emoji=False)
    except ConfigError as error:
        tell(error, path)
    except (Refused, ValueError) as error:
        raise click.ClickException(str(error)) from error
    except Lost as error:
        raise click.ClickException(f"the connection to the gateway is lost: {error}") from error


def _json(source: bytes) -> None:
    import msgspec  # noqa: PLC0415

    click.echo(msgspec.json.format(source, indent=2))
