"""What may stand in the configuration file. Components' own settings stand beside the components."""

from typing import Any

import msgspec

from gateway.seam.settings import Duration, Settings, Size
from gateway.seam.timeouts import Timeouts


class Stream(Settings):
    """How a streamed answer is kept alive while the model is silent."""

    hold: Duration = Duration(5)
    """How long the door waits for the first content before it commits to status 200 and pings."""
    hold_messages: Duration = Duration(1)
    """The same on `/v1/messages`, whose clients expect a stream to begin while the model still thinks."""
    ping: Duration = Duration(15)
    """How often it pings from then on."""


class Cors(Settings):
    """Which browser pages may call the gateway."""

    origins: list[str]
    headers: tuple[str, ...] = ("authorization", "content-type", "x-api-key", "anthropic-version", "anthropic-beta")
    max_age: Duration = Duration(600)


_FRAMING = "accept accept-encoding connection content-length content-type expect host keep-alive proxy-connection te"
_FRAMING += " trailer transfer-encoding upgrade"
_CREDENTIALS = "api-key authorization cookie proxy-authorization x-api-key"
_NOT_FORWARDED = frozenset(f"{_FRAMING} {_CREDENTIALS}".split())


class Server(Settings):
    """Where the gateway listens, and what it takes from clients."""

    host: str = "127.0.0.1"
    port: int = 8080
    workers: int = 1
    max_body: Size = Size(10 * 2**20)
    body_timeout: Duration = Duration(60)
    """How long a client may take to send its body."""
    shutdown_grace: Duration = Duration(30)
    threads: int = 16
    """How many threads at most run what would block: synchronous plugins."""
    forward_headers: list[str] = []
    """Headers of the caller that go on to providers, beside `openai-beta`, `anthropic-*` and `traceparent`."""
    stream: Stream = msgspec.field(default_factory=Stream)
    cors: Cors | None = None

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise ValueError(f"expected threads of at least 1, found {self.threads}")
        for name in self.forward_headers:
            if name.lower() in _NOT_FORWARDED:
                raise ValueError(f"forward_headers: {name!r} frames the message or holds the caller's key")


class KeyEntry(Settings):
    """One key that callers may use: the key itself, or its SHA-256 in hexadecimal."""

    name: str
    key: str | None = None
    sha256: str | None = None
    models: tuple[str, ...] = ("*",)
    """Globs over the names that callers ask for."""
    role: str | None = None
    limits: dict[str, Any] | None = None
    budget: dict[str, Any] | None = None


class Auth(Settings):
    """Who may call."""

    keys: list[KeyEntry]


class TargetEntry(Settings):
    """Where a model's calls go."""

    to: str
    weight: int = 1


class ModelEntry(Settings):
    """One model name that callers may ask for."""

    targets: list[TargetEntry]
    aliases: list[str] = []
    timeout: Timeouts = msgspec.field(default_factory=Timeouts)
    strategy: str | None = None
    retry: dict[str, Any] | None = None
    fallback: list[str] | None = None


class Config(Settings):
    """The whole file."""

    server: Server = msgspec.field(default_factory=Server)
    auth: Auth | None = None
    providers: dict[str, dict[str, Any]] = {}
    models: dict[str, str | ModelEntry] = {}
    # Known, and not built yet: they load, and start and `check` say that they do nothing.
    state: str | None = None
    database: str | None = None
    cache: dict[str, Any] | None = None
    security: dict[str, Any] | None = None
    chains: dict[str, Any] | None = None
    graphs: dict[str, Any] | None = None
    orchestrator: dict[str, Any] | None = None
    pipeline: dict[str, Any] | None = None


UNBUILT = ("state", "database", "cache", "security", "chains", "graphs", "orchestrator")
"""Blocks that load and do nothing yet."""
