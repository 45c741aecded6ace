"""Which gateway a command speaks to, and with which key."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from gateway.build import LOCAL_KEY, LOOPBACK
from gateway.commands.greeting import address
from gateway.commands.options import DEFAULT
from gateway.config.load import read
from gateway.config.problems import ConfigError
from gateway.config.schema import Config, Server

_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 (compared with, not bound)


class Place(NamedTuple):
    """The root of a gateway's URL, the key for it (None: none), and its configuration file where that is here."""

    url: str
    key: str | None
    config: Config | None = None

    @property
    def near(self) -> bool:
        """Whether it is on this machine."""
        return loopback(self.url)


def place(path: str, url: str | None, key: str | None, environment: Mapping[str, str]) -> Place:
    """The gateway at `url`, else at `$GATEWAY_URL`, else where the file at `path` says.

    The key is `key`, else `$GATEWAY_KEY`, else the file's first. A key of the file goes to no other machine than the
    file's own: where the URL was given, only to this one. Raises `ConfigError` where the file is needed, and bad;
    ValueError where the URL is none.
    """
    given = url or environment.get("GATEWAY_URL")
    config = _config(path, environment, needed=given is None)
    server = config.server if config is not None else Server()
    root = _root(given) if given else address(_ANYWHERE.get(server.host, server.host), server.port)
    key = key or environment.get("GATEWAY_KEY")
    if key is None and (given is None or loopback(root)):
        key = _first(config)
    if key is None and loopback(root):
        key = LOCAL_KEY
    return Place(root, key, config)


def loopback(url: str) -> bool:
    """Whether a URL leads to this machine."""
    return urlsplit(url).hostname in LOOPBACK


def _root(url: str) -> str:
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} is no URL of a gateway; one is http://127.0.0.1:8080")
    host = parts.netloc.rpartition("@")[2]  # a key goes into no URL: URLs are shown
    return f"{parts.scheme}://{host}{parts.path.rstrip('/').removesuffix('/v1')}"


def _config(path: str, environment: Mapping[str, str], *, needed: bool) -> Config | None:
    if not Path(path).is_file() and (path == DEFAULT or not needed):
        return None
    try:
        return read(path, environment)
    except ConfigError:
        if needed:
            raise
        return None


def _first(config: Config | None) -> str | None:
    keys = config.auth.keys if config is not None and config.auth is not None else []
    return next((entry.key for entry in keys if entry.key is not None), None)
