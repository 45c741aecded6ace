"""A plugin as the gateway would run it, for its own tests."""

from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from gateway.components import FOLDER, Components
from gateway.config.problems import ConfigError
from gateway.config.schema import Config, Pipeline, Use
from gateway.pipeline.rings import build_rings
from gateway.seam import Env, Middleware
from gateway.upstream import ClientSettings, PlainHttp, open_client


def use(name: str, *, folder: Path | str = FOLDER, **settings: Any) -> Middleware:
    """What an entry `{use: NAME, …settings}` makes: found as `use:` finds it, its settings read, its calls watched.

    Its `start` is not called: what needs it is tested with `serve`. Raises `ConfigError` where it cannot be made.
    """
    problems: list[Any] = []
    config = Config(pipeline=Pipeline(model=[Use(use=name, **settings)]))
    env = Env(PlainHttp(open_client(ClientSettings())), CollectorRegistry())
    rings = build_rings(config, Components(Path(folder)), env, problems)
    if problems:
        raise ConfigError(problems)
    return rings["model"][0].middleware
