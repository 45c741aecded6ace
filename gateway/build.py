"""The one place that knows everyone: a configuration becomes a running gateway."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from prometheus_client import CollectorRegistry

from gateway.accounts.keys import fingerprint
from gateway.api.application import application
from gateway.api.chat import ChatDoor
from gateway.api.conversations import ConversationsDoor
from gateway.api.door import House
from gateway.api.health import Health, MetricsPage, Ready
from gateway.api.models import ModelsDoor
from gateway.api.runs import RunsDoor
from gateway.components import Components, fitting, made, takes
from gateway.config.database import DEFAULT, DatabaseSettings
from gateway.config.load import convert, further, parse, read, unbuilt
from gateway.config.positions import place_of
from gateway.config.problems import ConfigError, Problem
from gateway.config.routing import ProviderRouting
from gateway.config.runs import NOT_KEPT
from gateway.config.schema import Auth, Config, KeyEntry
from gateway.library import Run
from gateway.lifetime import start
from gateway.middleware.auth import Auth as AuthMiddleware
from gateway.models import Models, reached
from gateway.pipeline.rings import build_rings
from gateway.providers.anthropic import Anthropic
from gateway.providers.azure import Azure
from gateway.providers.mock import Mock
from gateway.providers.openai import OpenAI
from gateway.providers.presets import PRESETS, preset
from gateway.routing.backend import named
from gateway.routing.figures import TargetFigures
from gateway.routing.health import report
from gateway.routing.shared import SharedRests
from gateway.seam import (
    Caller,
    Env,
    Handler,
    Middleware,
    Provider,
    owned,
    ring,
)
from gateway.stores.choice import chosen
from gateway.stores.conversations import Conversations
from gateway.stores.database import Database
from gateway.targets import Targets, Vendor
from gateway.telemetry.metrics import Metrics
from gateway.translate.chat_messages import ChatOnMessages
from gateway.translate.completions_chat import COMPLETIONS_ON_CHAT
from gateway.translate.contract import Translation
from gateway.translate.messages_chat import MESSAGES_ON_CHAT, MessagesOnChat
from gateway.translate.speaks import speaks
from gateway.upstream import ClientSettings, PlainHttp, open_client

if TYPE_CHECKING:
    from gateway.orchestration.assembly import Assembly
    from gateway.orchestration.records import Records
    from gateway.orchestration.wiring import Workflows

PROVIDERS: Mapping[str, type] = {
    "mock": Mock,
    **dict.fromkeys(PRESETS, OpenAI),
    "anthropic": Anthropic,
    "azure": Azure,
}
"""The stock providers by `type:`; any other is named `module:Class`."""
_PROVIDER = "that has `surfaces`, such as ('chat',), and `async def __call__(self, call)`"
LOCAL_KEY = "sk-local"
"""The key that `make run` uses. Everybody knows it."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Gateway:
    """A gateway built from a configuration: `app` is its ASGI application, `run` its way to call a model.

    An async context manager: entered, its components are started; left, they are closed, after what still settles.
    """

    def __init__(self, config: Config, environment: Mapping[str, str] | None = None) -> None:
        """`environment` (else the process's) holds the keys of providers that are named by a preset alone."""
        self.config = config
        self._environment = os.environ if environment is None else environment
        self.notes = unbuilt(config)
        """What a person should know: what is switched off, and what does nothing yet."""
        if config.attach is not None and config.server.workers > 1:
            self.notes.append("attach: each worker knows its own calls; a retry that reaches another is a new call")
        self.draining = False
        self.env = Env(
            PlainHttp(open_client(ClientSettings())), CollectorRegistry(), thread_count=config.server.threads
        )
        self.database = _database(config)
        self.conversations = Conversations(self.database)
        self.records = _records(config, self.database)
        """The runs of chains and graphs; None where there are none."""
        problems: list[Problem] = []
        self._strict: dict[str, bool] = {}
        self.env.hot = chosen(config, problems, self.notes)
        self._components = Components()
        self.rings = build_rings(config, self._components, self.env, problems)
        """The middlewares that calls pass, by ring, the outermost first; beside them metrics stand outside all."""
        auth = self._auth()
        _check_address(config.server.host, config.auth if auth is None else auth.settings, problems)
        self._treatment: dict[str, ProviderRouting] = {}
        self._providers, self.off = self._build_providers(problems)
        off = {name: f"providers.{name}: switched off: {cure}" for name, cure in self.off.items()}
        self.notes += off.values()
        self.targets = self._build_targets(off, problems)
        """The state of every target, and the probes."""
        if self.env.hot.state().kind != "memory":
            self._share_rests()
            if self.records is not None:
                self.records.share(self.env.hot)
        models = Models(config, self.targets, self._components, problems)
        self.models = models.plans
        """The models that the file names, as they were built."""
        self.catalog = models.catalog
        self.notes += models.notes
        self.workflows = self._read_workflows(problems)
        """The chains, graphs and tools that the file names; None where it names none."""
        if problems:
            raise ConfigError(config.positions.locate(problems))
        dispatch = ring(self._ring("model"), self.catalog)
        self._virtual = self._assemble()
        if self._virtual is not None:
            dispatch = self._virtual.before(dispatch)
        self.env.run = partial(owned, dispatch)
        outer = self._ring("request")
        counts = config.orchestrator.enable_metrics
        if counts:
            named = frozenset(entry.name for entry in self.catalog.visible(None))
            outer.insert(0, Metrics(self.env.metrics, named))
            self.env.metrics.register(TargetFigures(self.targets.backends))
        self.auth = config.auth if auth is None else auth.settings
        """Who may call; None: whoever reaches the address."""
        self.default_model = self._default_model()
        """What serves requests that name no model."""
        house = House(
            ring(outer, dispatch),
            self.catalog,
            config.server,
            self.env.tasks,
            self.default_model,
            self._moderation_model(),
        )
        self.run = Run(self.env, self.catalog, house.default_model, ChatDoor(house).read)
        """`await gateway.run("mock/echo", messages=[…])`: a model's answer without HTTP."""
        self._closing = AsyncExitStack()
        keyring = None if auth is None else auth.keyring
        self.app = application(
            house,
            ModelsDoor(self.catalog, keyring),
            ConversationsDoor(house, self.conversations, keyring),
            RunsDoor(house, self.records, keyring),
            Ready(lambda: self.draining),
            Health(self._health, keyring),
            MetricsPage(self.env.metrics) if counts else None,
        )

    @classmethod
    def load(cls, source: str | Path | Mapping[str, Any], environment: Mapping[str, str] | None = None) -> Self:
        """Build from a YAML file, or from a mapping such as YAML gives. Raises `ConfigError`."""
        try:
            config = parse(dict(source), environment) if isinstance(source, Mapping) else read(source, environment)
        except ConfigError as error:
            raise further(error, partial(cls, environment=environment)) from None
        return cls(config, environment)

    @property
    def providers(self) -> Mapping[str, Provider]:
        """The providers that are switched on, by name."""
        return self._providers

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await start(stack, self._parts(), self.env, self.config.server.shutdown_grace)
            stack.push_async_callback(self.run.aclose)
            self.run.start()
            stack.callback(self.targets.probes.stop)
            self.targets.probes.start(self.env)
            self._closing = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._closing.aclose()

    def _parts(self) -> Iterator[tuple[str, Any]]:
        """All that may have something to start and to close, in that order, and where it stands."""
        yield "state", self.env.hot
        yield "database", self.database
        yield "conversations", self.conversations
        if self.records is not None:
            yield "runs", self.records
        for name, provider in self._providers.items():
            yield f"providers.{name}", provider
        if self._virtual is not None:
            yield from self._virtual.nodes
        for ring_name, layers in self.rings.items():
            for layer in layers:
                yield f"{layer.name} (in the {ring_name} ring)", layer.component

    def _read_workflows(self, problems: list[Problem]) -> "Workflows | None":
        if not (self.config.chains or self.config.graphs or self.config.tools):
            return None
        # Jinja2 takes memory, which only those pay who have chains, graphs or tools.
        from gateway.workflows import workflows  # noqa: PLC0415

        return workflows(self.config, self._components, self.notes, problems)

    def _assemble(self) -> "Assembly | None":
        """The chains and graphs as models; None where there are none."""
        if self.workflows is None or self.records is None:
            return None
        from gateway.workflows import assembled, remembering  # noqa: PLC0415  # as above

        if self.config.database is None and self.config.runs is not None and self.config.runs.keep:
            self.notes.append(f"database: none is configured: runs are kept in {DEFAULT}")
        if self.config.database is None and (keeping := remembering(self.workflows)):
            self.notes.append(f"database: none is configured: {', '.join(keeping)} keeps conversations in {DEFAULT}")
        try:
            return assembled(self.workflows, self.config, self.env, self._components, self.conversations, self.records)
        except ConfigError as error:
            raise ConfigError(self.config.positions.locate(error.problems)) from error

    def _ring(self, name: str) -> list[Middleware]:
        return [layer.middleware for layer in self.rings[name]]

    def _auth(self) -> AuthMiddleware | None:
        found = [layer.component for layer in self.rings["request"] if isinstance(layer.component, AuthMiddleware)]
        return found[0] if found else None

    def _build_providers(self, problems: list[Problem]) -> tuple[dict[str, Provider], dict[str, str]]:
        """The providers by name, and those that are switched off with the cure."""
        built: dict[str, Provider] = {}
        off: dict[str, str] = {}
        for name, entry in self.config.providers.items():
            place = f"providers.{name}"
            settings = dict(entry)
            kind = settings.pop("type", None)
            kind = name if kind is None else str(kind)
            filled = self.config.positions.hidden.get(place_of(("providers", name, "api_key")))
            cure = "its api_key is empty" if filled is None else f"set {filled.variable}"
            translation = settings.pop("translation", "lenient")
            if translation not in ("lenient", "strict"):
                problems.append(Problem(f"{place}.translation", f"expected lenient or strict, found {translation!r}"))
            self._strict[name] = translation == "strict"
            common = {key: settings.pop(key) for key in ProviderRouting.__struct_fields__ if key in settings}
            try:
                self._treatment[name] = convert(common, ProviderRouting, place)
                if (known := preset(kind, settings)) is not None:
                    if "api_key" not in settings:
                        cure = f"set {known.variable}"
                    settings = known.settings(settings, self._environment)
                if "api_key" in settings and settings["api_key"] is None:
                    off[name] = cure
                    problems += self._misfits(kind, settings, place)  # what is off is checked all the same
                    continue
                built[name] = self._provider(kind, settings, place)
            except ConfigError as error:
                problems += error.problems
        return built, off

    def _provider(self, kind: str, settings: Mapping[str, Any], place: str) -> Provider:
        found = self._components.find(kind, PROVIDERS, f"{place}.type")
        provider = made(found, kind, settings, place)
        if not (hasattr(provider, "surfaces") and takes(provider, 1)):
            raise ConfigError([Problem(f"{place}.type", f"{kind} ({found.origin}) is no provider: {_PROVIDER}")])
        return provider  # type: ignore[no-any-return]  # which has just been looked at

    def _misfits(self, kind: str, settings: Mapping[str, Any], place: str) -> list[Problem]:
        """What is wrong with the settings of a provider that has no key."""
        try:
            found = self._components.find(kind, PROVIDERS, f"{place}.type")
        except ConfigError:  # what it consists of may be there only where it is switched on
            return []
        try:
            fitting(found, kind, {**settings, "api_key": "-"}, place)
        except ConfigError as error:
            # Of a key that is not there, only whether one is taken at all can be said.
            key = f"{place}.api_key"
            return [problem for problem in error.problems if problem.place != key or problem.message == "unknown name"]
        return []

    def _build_targets(self, off: Mapping[str, str], problems: list[Problem]) -> Targets:
        vendors = {
            name: Vendor(self._attempt(name, provider), provider, self._treatment[name])
            for name, provider in self._providers.items()
        }
        return Targets(vendors, off, lambda call: self.env.run(call), problems)

    def _attempt(self, name: str, provider: Provider) -> Handler:
        """The attempt ring around a provider that speaks every dialect that leads to it."""
        spoken = speaks(
            provider,
            provider.surfaces,
            _translations(provider),
            strict=self._strict[name],
            estimates=self.env.estimates,
        )
        return ring(self._ring("attempt"), named(name, spoken))

    def _share_rests(self) -> None:
        rests = SharedRests(self.env.hot, self.env.tasks, self.targets.backends, self.targets.rest)
        self.targets.tell = rests.tell
        rests.start()

    def _health(self, caller: Caller | None) -> dict[str, Any]:
        targets = self.targets
        backends, off = list(targets.backends.values()), list(self.off)
        if caller is not None:
            may = reached(self.models, caller)
            backends = [one for one in backends if one.name in may or caller.may_use(one.name)]
            providers = {target.partition("/")[0] for target in may}
            off = [name for name in off if name in providers or caller.may_use(f"{name}/*")]
        told = report(backends, off, targets.probes.results(), self.env.clock(), time.time())
        state = self.env.hot.state()  # where it is, and why it is lost, is not for everybody: the log says it
        return told | {"state": {"kind": state.kind, "up": state.up}, "database": {"up": self.database.state().up}}

    def _default_model(self) -> str | None:
        """What serves requests that name no model: the first provider in the file that has a `model`."""
        for name, entry in self.config.providers.items():
            if entry.get("model") and name in self._providers:
                return f"{name}/{entry['model']}"
        return None

    def _moderation_model(self) -> str | None:
        """What serves moderations that name no model: the first provider in the file that has a model for them."""
        for name, provider in self._providers.items():
            if model := getattr(provider, "moderation_model", None):
                return f"{name}/{model}"
        return None


def _database(config: Config) -> Database:
    """The database of a configuration; one that names none is opened when something must be kept."""
    given = config.database
    if isinstance(given, DatabaseSettings):
        return Database(given)
    return Database(DatabaseSettings(url=given or DEFAULT), lazy=given is None)


def _records(config: Config, database: Database) -> "Records | None":
    """Where runs are recorded, for those who have chains or graphs, or kept runs."""
    if not (config.chains or config.graphs or config.runs):
        return None
    from gateway.orchestration.records import Records  # noqa: PLC0415 (only those pay who have any)

    return Records(NOT_KEPT if config.runs is None else config.runs, database)


def _translations(provider: Provider) -> Sequence[Translation]:
    """The ways to a provider, by what it says of itself: `max_tokens` for calls that set none, `cache_control`."""
    caches = getattr(provider, "cache_control", False)
    messages = MessagesOnChat(cache_control=True) if caches else MESSAGES_ON_CHAT
    return COMPLETIONS_ON_CHAT, messages, ChatOnMessages(getattr(provider, "max_tokens", None))


def _is_local(entry: KeyEntry) -> bool:
    digest = fingerprint(LOCAL_KEY.encode()).hex()
    return entry.key == LOCAL_KEY or (entry.sha256 is not None and entry.sha256.lower() == digest)


def _check_address(host: str, auth: Auth | None, problems: list[Problem]) -> None:
    """An address that others can reach needs keys, and not the one that everybody knows."""
    if host in LOOPBACK:
        return
    if auth is None:
        problems.append(
            Problem("server.host", f"{host} can be reached by others, and there is no auth block; add auth.keys")
        )
    elif any(_is_local(entry) for entry in auth.keys):
        problems.append(
            Problem("auth.keys", f"{LOCAL_KEY!r} is known to everybody and serves on loopback only, not on {host}")
        )
