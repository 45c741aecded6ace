"""What the commands have in common: the option that names the file, and how its problems are told."""

import os
from typing import NoReturn

import click

from gateway.config.problems import ConfigError

DEFAULT = "config/gateway.yaml"
"""The file where none is named."""
config = click.option(
    "--config",
    "path",
    default=lambda: os.environ.get("GATEWAY_CONFIG") or DEFAULT,
    help=f"The configuration file; else $GATEWAY_CONFIG, else {DEFAULT}.",
)


def tell(error: ConfigError, path: str, status: int = 1) -> NoReturn:
    """Tell every problem of the file at `path`, and exit with `status`."""
    for problem in error.problems:
        click.echo(problem if problem.file else problem._replace(file=path), err=True)
    raise SystemExit(status)
