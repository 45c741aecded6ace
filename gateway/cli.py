"""The command line."""

import logging
import os
import sys
from pathlib import Path

import click

from gateway import __version__
from gateway.build import PROVIDERS, Gateway
from gateway.commands.options import DEFAULT, config, tell
from gateway.commands.runs.command import runs
from gateway.config.load import further, read
from gateway.config.problems import ConfigError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """An OpenAI-compatible LLM gateway."""


@main.command()
@config
@click.option("--host", help="The address to listen on, instead of the file's.")
@click.option("--port", type=click.IntRange(0, 65535), help="The port to listen on, instead of the file's.")
def serve(path: str, host: str | None, port: int | None) -> None:
    """Serve until a signal says stop."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    from gateway.commands.greeting import greeting  # noqa: PLC0415 (the other commands need neither)
    from gateway.server import serve as run  # noqa: PLC0415

    try:
        settings = read(path)
        if host is not None:
            settings.server.host = host
        if port is not None:
            settings.server.port = port
        gateway = Gateway(settings)
        for line in greeting(gateway):
            _log.info("%s", line)
        run(gateway, path)
    except ConfigError as error:
        tell(further(error, Gateway), path)


@main.command()
@config
def check(path: str) -> None:
    """Tell what is wrong with a configuration, and exit with 1 where anything is."""
    try:
        gateway = Gateway.load(path)
    except ConfigError as error:
        tell(error, path)
    for note in gateway.notes:
        mark = gateway.config.positions.find(note.partition(": ")[0])
        click.echo(f"{mark.file}:{mark.line}: note: {note}" if mark.line else f"{path}: note: {note}")
    click.echo(f"{path}: good: {len(gateway.catalog.visible(None))} models")


@main.command()
def schema() -> None:
    """Print the JSON Schema of configuration files, with which editors check and complete them."""
    from gateway.config.json_schema import json_schema  # noqa: PLC0415 (the other commands need none)
    from gateway.orchestration.settings import CHAINS, Graph, Tool  # noqa: PLC0415

    providers = {name: getattr(kind, "Settings", None) for name, kind in PROVIDERS.items()}
    click.echo(json_schema(providers, CHAINS, Graph, Tool), nl=False)


@main.command()
@config
@click.option("--json", "as_json", is_flag=True, help="For machines: durations in seconds, sizes in bytes.")
@click.option("--mermaid", "as_mermaid", is_flag=True, help="A chain or graph as a Mermaid flowchart.")
@click.argument("name", required=False)
def explain(path: str, as_json: bool, as_mermaid: bool, name: str | None) -> None:
    """Show the gateway that a configuration makes, or only the model, chain:NAME or graph:NAME that is named."""
    from gateway.commands.explain import explain as run  # noqa: PLC0415 (serving needs none of the other commands)

    try:
        click.echo(run(Gateway.load(path), name, as_json, as_mermaid))
    except ConfigError as error:
        tell(error, path)
    except LookupError as error:
        raise click.ClickException(str(error)) from error


@main.command()
@click.option("--json", "as_json", is_flag=True, help='For machines: {"breaking": […], "other": […]}.')
@click.argument("old")
@click.argument("new")
def diff(old: str, new: str, as_json: bool) -> None:
    """Say what changes for callers from the configuration OLD to NEW.

    Exits as diff(1) does: with 0 where nothing changes for callers, 1 where something does, 2 where one of the two
    cannot be used.
    """
    from gateway.commands.description import describe  # noqa: PLC0415 (serving needs none of the other commands)
    from gateway.commands.diff import diff as run  # noqa: PLC0415

    found = []
    for path in (old, new):
        try:
            found.append(describe(Gateway.load(path)))
        except ConfigError as error:
            tell(error, path, status=2)
    changed, text = run(found[0], found[1], as_json)
    click.echo(text)
    raise SystemExit(int(changed))


@main.command()
@click.option("--output", default=DEFAULT, show_default=True, help="Where the file goes.")
@click.option("--force", is_flag=True, help="Overwrite a file that is there.")
def init(output: str, force: bool) -> None:
    """Write a configuration for the keys in the environment and the model servers on this machine.

    The file names the variables that hold keys, never a key itself.
    """
    from gateway.commands.init import init as run  # noqa: PLC0415 (serving needs none of the other commands)

    try:
        click.echo(run(Path(output), force, os.environ))
    except OSError as error:
        hint = "; --force overwrites it, --output names another" if Path(output).is_file() else ""
        raise click.ClickException(f"{output} cannot be written: {error.strerror}{hint}") from error


main.add_command(runs)
_log = logging.getLogger("gateway")
