"""The command line."""

import logging
import os
import sys

import click

from gateway import __version__
from gateway.build import LOCAL_KEY, Gateway
from gateway.config.load import read
from gateway.config.problems import ConfigError
from gateway.config.schema import Config

_DEFAULT = "config/gateway.yaml"
_config = click.option(
    "--config",
    "path",
    default=lambda: os.environ.get("GATEWAY_CONFIG") or _DEFAULT,
    help=f"The configuration file; else $GATEWAY_CONFIG, else {_DEFAULT}.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """An OpenAI-compatible LLM gateway."""


@main.command()
@_config
@click.option("--host", help="The address to listen on, instead of the file's.")
@click.option("--port", type=click.IntRange(0, 65535), help="The port to listen on, instead of the file's.")
def serve(path: str, host: str | None, port: int | None) -> None:
    """Serve until a signal says stop."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    from gateway.server import serve as run  # noqa: PLC0415 (the other commands need no server)

    try:
        config = read(path)
        if host is not None:
            config.server.host = host
        if port is not None:
            config.server.port = port
        gateway = Gateway(config)
        _greet(config, gateway)
        run(gateway, path)
    except ConfigError as error:
        _tell(error, path)


@main.command()
@_config
def check(path: str) -> None:
    """Tell what is wrong with a configuration, and exit with 1 where anything is."""
    try:
        gateway = Gateway(read(path))
    except ConfigError as error:
        _tell(error, path)
    for note in gateway.notes:
        click.echo(f"{path}: note: {note}")
    click.echo(f"{path}: good: {len(gateway.catalog.visible(None))} models")


def _tell(error: ConfigError, path: str) -> None:
    for problem in error.problems:
        click.echo(f"{path}: {problem}", err=True)
    raise SystemExit(1)


def _greet(config: Config, gateway: Gateway) -> None:
    """What a person needs to begin."""
    server = config.server
    url = f"http://{server.host}:{server.port}"
    models = [entry.name for entry in gateway.catalog.visible(None)]
    for note in gateway.notes:
        _log.info("note: %s", note)
    if config.auth is None:
        _log.info("note: no auth block: whoever reaches this address may call")
    _log.info("models: %s", ", ".join(models[:20]) + (f" and {len(models) - 20} more" if len(models) > 20 else ""))
    if not models:
        return
    key = next((entry.key for entry in config.auth.keys if entry.key == LOCAL_KEY), "$KEY") if config.auth else None
    auth = f" -H 'authorization: Bearer {key}'" if key else ""
    body = f'{{"model":"{models[0]}","messages":[{{"role":"user","content":"Hello"}}]}}'
    _log.info("try: curl %s/v1/chat/completions%s -H 'content-type: application/json' -d '%s'", url, auth, body)


_log = logging.getLogger("gateway")
