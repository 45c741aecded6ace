"""What a gateway is, as data: read off the objects that were built, not off the file.

Secrets are not in it, but for the SHA-256 of each, which tells whether it changed and which no command prints.
"""

from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any, Literal

import msgspec

from gateway.build import Gateway
from gateway.commands.greeting import address, other_notes
from gateway.config.runs import NOT_KEPT, Runs
from gateway.config.schema import KeyEntry, Server
from gateway.seam import Provider, Timeouts

RINGS = {
    "request": "once a client's request",
    "model": "once a model call, before routing",
    "attempt": "once a try at a target",
}
"""The rings, outermost first, and how often each is passed."""
_UNSHOWN = ("secret", "workflows")
"""Fields that are there to be compared only."""


class Layer(msgspec.Struct, frozen=True):
    """A middleware of a ring, with its settings as they may be shown; `origin` is `stock`, or where it was found."""

    name: str
    origin: str
    settings: dict[str, Any]


class Model(msgspec.Struct, frozen=True):
    """A model that the file names. `off` says why it cannot be served; `kind` is what answers under this name."""

    name: str
    kind: Literal["model"]
    aliases: list[str]
    targets: list[str]
    timeouts: dict[str, float | None]
    off: str | None
    strategy: str = ""
    """How one of several targets is chosen; empty where there is one."""
    attempts: int = 1
    fallback: dict[str, list[str]] = {}
    """The models to turn to, by cause."""


class Vendor(msgspec.Struct, frozen=True):
    """A provider. `address` is None where it has none, `models` those that it lists."""

    name: str
    type: str
    address: str | None
    surfaces: list[str]
    models: list[str]
    max_tokens: int | None
    off: str | None
    secret: bytes | None


class Access(msgspec.Struct, frozen=True):
    """A key that callers use."""

    name: str
    models: list[str]
    role: str | None
    limits: dict[str, Any]
    budget: dict[str, Any]
    secret: bytes


class Description(msgspec.Struct, frozen=True):
    """The whole of it. `keys` is None where callers need none; `default` serves requests that name no model."""

    url: str
    server: Server
    keys: list[Access] | None
    rings: dict[str, list[Layer]]
    models: list[Model]
    providers: list[Vendor]
    default: str | None
    notes: list[str]
    runs: Runs | None = None
    """How runs of chains and graphs are recorded; None where there are none."""
    workflows: dict[str, Any] = {}
    """Chains and graphs as they are written, by the name that callers use, and tools as `tool:NAME`.

    Headers of their requests may be secret.
    """


def describe(gateway: Gateway) -> Description:
    """The description of a gateway."""
    config = gateway.config
    return Description(
        url=address(config.server.host, config.server.port),
        server=config.server,
        keys=[_access(entry) for entry in gateway.auth.keys] if gateway.auth is not None else None,
        rings={ring: [Layer(one.name, one.origin, plain(one.shown)) for one in gateway.rings[ring]] for ring in RINGS},
        models=list(_models(gateway)),
        providers=[_vendor(name, gateway) for name in config.providers],
        default=gateway.default_model,
        notes=other_notes(gateway),
        runs=None if gateway.records is None else config.runs or NOT_KEPT,
        workflows=dict(_workflows(gateway)),
    )


def _models(gateway: Gateway) -> Iterator[Model]:
    served = {entry.name for entry in gateway.catalog.visible(None)}
    for name, plan in gateway.models.items():
        providers = [target.partition("/")[0] for target in plan.targets]
        off = "; ".join(dict.fromkeys(f"{name}: {gateway.off[name]}" for name in providers if name in gateway.off))
        yield Model(
            name,
            "model",
            [*plan.aliases],
            [*plan.targets],
            plain(plan.timeouts),
            off if name not in served else None,
            plan.strategy if len(plan.targets) > 1 else "",
            plan.attempts,
            plain(plan.fallback),
        )


def _workflows(gateway: Gateway) -> Iterator[tuple[str, Any]]:
    read = gateway.workflows
    if read is not None:
        for kind, written in (("chain", read.chains), ("graph", read.graphs), ("tool", read.tools)):
            yield from ((f"{kind}:{name}", plain(one)) for name, one in written.items())


def _vendor(name: str, gateway: Gateway) -> Vendor:
    entry = gateway.config.providers[name]
    provider: Provider | None = gateway.providers.get(name)
    secret = entry.get("api_key")
    return Vendor(
        name=name,
        type=str(entry.get("type") or name),
        address=getattr(provider, "address", None),
        surfaces=[*provider.surfaces] if provider is not None else [],
        models=[*getattr(provider, "models", ())],
        max_tokens=entry.get("max_tokens"),
        off=gateway.off.get(name),
        secret=sha256(str(secret).encode()).digest() if secret else None,
    )


def _access(entry: KeyEntry) -> Access:
    secret = sha256(entry.key.encode()).digest() if entry.key is not None else bytes.fromhex(entry.sha256 or "")
    limits, budget = (_given(block) for block in (entry.limits, entry.budget))
    return Access(entry.name, [*entry.models], entry.role, limits, budget, secret)


def _given(block: Any) -> dict[str, Any]:
    """What a block says; nothing where it is absent."""
    return {name: value for name, value in plain(block or {}).items() if value is not None}


def plain(value: Any) -> Any:
    """A description, or a part of one, as JSON has it: durations in seconds, sizes in bytes; no secrets."""
    if isinstance(value, msgspec.Struct):
        names = zip(value.__struct_encode_fields__, value.__struct_fields__, strict=True)
        return {name: plain(getattr(value, field)) for name, field in names if field not in _UNSHOWN}
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float):
        return int(value) if isinstance(value, int) else float(value)
    return str(value)


DEFAULT_TIMEOUTS: dict[str, float | None] = plain(Timeouts())
"""Those of a model that has none of its own, and of `provider/model`."""
