"""What may stand in the configuration file. Components' own settings stand beside the components."""

from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, Self

import msgspec
from msgspec import Meta

from gateway.config.attach import Attach, Grace
from gateway.config.database import DatabaseSettings, DatabaseUrl
from gateway.config.hosts import HttpHost
from gateway.config.positions import Positions
from gateway.config.routing import Count, ModelEntry, ModelName, Name
from gateway.config.runs import Runs
from gateway.config.state import RedisSettings
from gateway.seam.settings import Duration, Settings, Size

Sha256 = Annotated[str, Meta(pattern=r"^[0-9A-Fa-f]{64}$", extra={"expected": "64 hexadecimal digits"})]
_REDIS = r"^(memory|rediss?(\+(sentinel|cluster))?://[^/\s]\S*|unix:///\S+)$"
State = Annotated[
    str, Meta(pattern=_REDIS, extra={"expected": "memory, or a URL such as redis://host:6379/0, rediss://…, unix:///…"})
]


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
    """Such as `https://app.example`; `*` is any."""
    headers: tuple[str, ...] = ("authorization", "content-type", "x-api-key", "anthropic-version", "anthropic-beta")
    """Request headers that pages may send."""
    max_age: Duration = Duration(600)
    """How long a browser may remember this."""


_FRAMING = "accept accept-encoding connection content-length content-type expect host keep-alive proxy-connection te"
_FRAMING += " trailer transfer-encoding upgrade"
_CREDENTIALS = "api-key authorization cookie proxy-authorization x-api-key"
_NOT_FORWARDED = frozenset(f"{_FRAMING} {_CREDENTIALS}".split())


class Server(Settings):
    """Where the gateway listens, and what it takes from clients."""

    host: str = "127.0.0.1"
    """The address to listen on; any other than loopback needs an `auth` block."""
    port: Annotated[int, Meta(ge=0, le=65535)] = 8080
    """0 takes any free port."""
    workers: Count = 1
    """Serving processes."""
    max_body: Size = Size(10 * 2**20)
    """The largest request body; a larger one is answered 413."""
    body_timeout: Duration = Duration(60)
    """How long a client may take to send its body."""
    shutdown_grace: Duration = Duration(30)
    """How long open answers may finish after a signal to stop."""
    threads: Count = 16
    """How many threads at most run what would block: synchronous plugins."""
    forward_headers: list[str] = []
    """Headers of the caller that go on to providers, beside `openai-beta`, `anthropic-*` and `traceparent`."""
    stream: Stream = msgspec.field(default_factory=Stream)
    """How silent streams are kept alive."""
    cors: Cors | None = None
    """Absent: no browser page of another origin may call."""

    def __post_init__(self) -> None:
        for name in self.forward_headers:
            if name.lower() in _NOT_FORWARDED:
                raise ValueError(f"forward_headers: {name!r} frames the message or holds the caller's key")


class Limits(Settings):
    """How much a key may ask for."""

    rpm: Count | None = None
    """Requests a minute."""
    tpm: Count | None = None
    """Tokens a minute, in and out."""


class Budget(Settings):
    """How much a key may spend."""

    usd: Annotated[float, Meta(gt=0)]
    """US dollars."""
    per: Duration = Duration(30 * 86400)
    """The span after which it begins again."""


class KeyEntry(Settings):
    """One key that callers may use: the key itself, or its SHA-256 in hexadecimal."""

    name: Name
    """Whose key it is, as logs and usage tell it."""
    key: Name | None = None
    """The key itself."""
    sha256: Sha256 | None = None
    """Its SHA-256, in the place of `key`."""
    models: tuple[str, ...] = ("*",)
    """Globs over the names that callers ask for."""
    role: Literal["admin"] | None = None
    """`admin` opens `/admin` and `/ui`."""
    limits: Limits | None = None
    """How much it may ask for."""
    budget: Budget | None = None
    """How much it may spend."""
    attach: Grace = Grace(0)
    """How long its calls outlive a client that left, so that the retry may join."""

    def __post_init__(self) -> None:
        if (self.key is None) == (self.sha256 is None):
            raise ValueError("expected either key or sha256")


class Auth(Settings):
    """Who may call."""

    keys: list[KeyEntry]
    """The keys; names and keys stand once each."""


class Cache(Settings):
    """Answers that are kept, and given again for the same request."""

    enabled: bool = True
    """false: the block does nothing."""
    ttl: Duration = Duration(3600)
    """How long an answer is kept."""
    max_size: Count = 1000
    """How many answers are kept."""
    coalesce: bool = True
    """Whether equal calls under way at one time share one answer."""


class Security(Settings):
    """What is looked for in requests and answers."""

    enabled: bool = True
    """false: the block does nothing."""
    input_validation: bool = True
    """Whether requests are checked."""
    output_filtering: bool = True
    """Whether answers are filtered."""
    audit_enabled: bool = True
    """Whether what is done is recorded."""


class Orchestrator(Settings):
    """Bounds of chains and graphs, and what is measured."""

    max_concurrent_chains: Count = 100
    """Chains that run at one time."""
    max_concurrent_graphs: Count = 50
    """Graphs that run at one time."""
    default_timeout: Duration = Duration(30)
    """How long a run may take whose chain or graph says nothing of its own; plain model calls have `timeout`."""
    enable_metrics: bool = True
    """false: nothing is counted, and `/metrics` is not there."""
    enable_tracing: bool = False
    """Whether calls are traced."""
    http_hosts: list[Name | HttpHost] = []
    """Hosts that `http` steps of chains and graphs may call."""


class Use(dict[str, Any]):
    """An entry of a ring: `use` names a middleware, what stands beside it are its settings."""

    expected: ClassVar[str] = "{use: NAME} with the settings beside it"

    @classmethod
    def parse(cls, value: object) -> Self:
        """Read an entry; a name alone is one without settings. Raises ValueError where `value` is none."""
        if isinstance(value, str):
            value = {"use": value}
        if not (isinstance(value, dict) and isinstance(value.get("use"), str) and value["use"]):
            raise ValueError(f"expected {cls.expected}")
        return cls(value)


class Pipeline(Settings):
    """The rings of middlewares, each outermost first. A ring that is absent keeps its default."""

    request: list[Use] | None = None
    """Once a client's request."""
    model: list[Use] | None = None
    """Once a model call, the steps of chains and graphs included."""
    attempt: list[Use] | None = None
    """Once a try at one target."""


class Config(Settings, dict=True):
    """The whole file."""

    include: Name | list[Name] | None = None
    """Further files, relative to this one, whose blocks are added; a name stands in one of them only."""
    server: Server = msgspec.field(default_factory=Server)
    """Where the gateway listens."""
    state: State | RedisSettings = "memory"
    """What processes share and may lose: `memory` of each process, or a Redis, by its URL or with settings."""
    database: DatabaseUrl | DatabaseSettings | None = None
    """Where conversations, runs, keys and usage are kept."""
    auth: Auth | None = None
    """Who may call. Absent: a loopback address serves without a key, any other is refused."""
    providers: dict[str, dict[str, Any]] = {}
    """Where models are served, by name: `type` and the provider's own settings."""
    models: dict[str, ModelName | ModelEntry] = {}
    """Names that callers may ask for: `provider/model`, or more."""
    attach: Attach | None = None
    """Retries that join the call which they repeat. A key's or a model's `attach` is enough for it."""
    cache: Cache | None = None
    """Answers that are kept."""
    security: Security | None = None
    """What is looked for in requests and answers."""
    chains: dict[str, dict[str, Any]] = {}
    """Workflows that callers ask for as models, by name."""
    graphs: dict[str, dict[str, Any]] = {}
    """Workflows with edges that callers ask for as models, by name."""
    tools: dict[str, dict[str, Any]] = {}
    """What the models of chains and graphs may call, by name."""
    orchestrator: Orchestrator = msgspec.field(default_factory=Orchestrator)
    """Bounds of chains and graphs, and what is measured."""
    runs: Runs | None = None
    """What is recorded of the runs of chains and graphs, and whether it is kept."""
    pipeline: Pipeline | None = None
    """The rings of middlewares, in the place of the default ones."""

    def __post_init__(self) -> None:
        # What keys and models say of themselves is enough: the block then has its defaults.
        models = {
            name: entry.attach
            for first, entry in self.models.items()
            if isinstance(entry, ModelEntry) and entry.attach
            for name in (first, *entry.aliases)
        }
        if models or any(key.attach for key in (self.auth.keys if self.auth is not None else ())):
            given = self.attach or Attach()
            self.attach = msgspec.structs.replace(given, models={**models, **given.models})

    @cached_property
    def positions(self) -> Positions:
        """Where its parts stand in its files, for problems that are found later."""
        return Positions()
