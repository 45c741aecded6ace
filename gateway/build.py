"""The one place that knows everyone: a configuration becomes a running gateway."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any, Self

from prometheus_client import CollectorRegistry

from gateway.accounts.keys import Key, Keyring, fingerprint
from gateway.api.application import application
from gateway.api.door import House
from gateway.api.health import MetricsPage, Ready
from gateway.api.models import ModelsDoor
from gateway.config.load import convert, parse, read, unbuilt
from gateway.config.problems import ConfigError, Problem
from gateway.config.schema import Auth, Config, KeyEntry, ModelEntry, TargetEntry
from gateway.middleware.auth import Auth as AuthMiddleware
from gateway.providers.anthropic import Anthropic
from gateway.providers.mock import Mock
from gateway.providers.openai import OpenAI
from gateway.routing.catalog import Catalog, Listing
from gateway.routing.patience import Waits
from gateway.routing.router import Router
from gateway.seam import (
    Call,
    Env,
    GatewayError,
    Handler,
    Middleware,
    Provider,
    Reply,
    Settings,
    Target,
    Timeouts,
    owned,
    ring,
)
from gateway.telemetry.metrics import Metrics
from gateway.translate.chat_messages import ChatOnMessages
from gateway.translate.completions_chat import COMPLETIONS_ON_CHAT
from gateway.translate.contract import Translation
from gateway.translate.messages_chat import MESSAGES_ON_CHAT
from gateway.translate.speaks import speaks
from gateway.upstream import ClientSettings, open_client

PROVIDERS: Mapping[str, type] = {"openai": OpenAI, "anthropic": Anthropic, "mock": Mock}
"""The stock providers by `type:`; any other is named `module:Class`."""
LOCAL_KEY = "sk-local"
"""The key that `make run` uses. Everybody knows it."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Gateway:
    """A gateway built from a configuration: `app` is its ASGI application, `run` its way to call a model.

    An async context manager: entered, its components are started; left, they are closed, after what still settles.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.notes = unbuilt(config)
        """What a person should know: what is switched off, and what does nothing yet."""
        self.draining = False
        self.env = Env(http=open_client(ClientSettings()), metrics=CollectorRegistry())
        problems: list[Problem] = []
        self._strict: dict[str, bool] = {}
        keyring = _keyring(config.auth, problems)
        _check_address(config, problems)
        self._providers, off = self._build_providers(problems)
        self.catalog = self._build_catalog(off, problems)
        if problems:
            raise ConfigError(problems)
        models = ring((), self.catalog)  # the model ring
        self.env.run = partial(owned, models)
        named = frozenset(entry.name for entry in self.catalog.visible(None))
        outer: list[Middleware] = [Metrics(self.env.metrics, named)]
        if keyring is not None:
            outer.append(AuthMiddleware(keyring))
        self._closing = AsyncExitStack()
        self.app = application(
            House(
                ring(outer, models),
                self.catalog,
                config.server,
                self.env.tasks,
                self._default_model(),
                self._moderation_model(),
            ),
            ModelsDoor(self.catalog, keyring),
            Ready(lambda: self.draining),
            MetricsPage(self.env.metrics),
        )

    @classmethod
    def load(cls, source: str | Path | Mapping[str, Any], environment: Mapping[str, str] | None = None) -> Self:
        """Build from a YAML file, or from a mapping such as YAML gives. Raises `ConfigError`."""
        return cls(parse(dict(source), environment) if isinstance(source, Mapping) else read(source, environment))

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.env.http.aclose)
            for provider in self._providers.values():
                if (aclose := getattr(provider, "aclose", None)) is not None:
                    stack.push_async_callback(aclose)
                if (start := getattr(provider, "start", None)) is not None:
                    await start(self.env)
            stack.push_async_callback(self.env.tasks.drain)
            self._closing = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._closing.aclose()

    def _build_providers(self, problems: list[Problem]) -> tuple[dict[str, Provider], dict[str, str]]:
        """The providers by name, and those that are switched off with the reason."""
        built: dict[str, Provider] = {}
        off: dict[str, str] = {}
        for name, entry in self.config.providers.items():
            place = f"providers.{name}"
            settings = dict(entry)
            kind = settings.pop("type", None) or name
            if "api_key" in settings and settings["api_key"] is None:
                off[name] = f"{place}: switched off: the variable in its api_key is not set"
                self.notes.append(off[name])
                continue
            translation = settings.pop("translation", "lenient")
            if translation not in ("lenient", "strict"):
                problems.append(Problem(f"{place}.translation", f"expected lenient or strict, found {translation!r}"))
            self._strict[name] = translation == "strict"
            try:
                built[name] = _component(str(kind), PROVIDERS, settings, place)
            except ConfigError as error:
                problems += error.problems
        return built, off

    def _build_catalog(self, off: Mapping[str, str], problems: list[Problem]) -> Catalog:
        handlers: dict[str, Handler] = {}
        listed: list[Listing] = []
        attempts: dict[str, Handler] = {}
        for name, provider in self._providers.items():
            spoken = speaks(
                provider,
                provider.surfaces,
                _translations(provider),
                strict=self._strict[name],
                estimates=self.env.estimates,
            )
            attempts[name] = ring((), spoken)

        def route(target: TargetEntry, timeouts: Timeouts, place: str) -> Handler:
            name, slash, model = target.to.partition("/")
            if name in attempts and model:
                return Router(Target(name, model, timeouts), attempts[name])
            if name not in off:
                known = ", ".join(self.config.providers) or "none"
                unknown = slash and name not in self.config.providers
                what = f"no provider is called {name!r} (there are: {known})" if unknown else "expected provider/model"
                problems.append(Problem(place, f"{what}, found {target.to!r}"))
            return partial(_switched_off, off.get(name, ""))

        for name, entry in self.config.models.items():
            place = f"models.{name}"
            if isinstance(entry, str):
                entry = ModelEntry(targets=[TargetEntry(to=entry)])
            if not entry.targets:
                problems.append(Problem(f"{place}.targets", "a model needs at least one target"))
                continue
            handler = route(entry.targets[0], entry.timeout, place)
            for alias in (name, *entry.aliases):
                if alias in handlers:
                    problems.append(Problem(place, f"the name {alias!r} stands for two models"))
                handlers[alias] = handler
                if not isinstance(handler, partial):
                    listed.append(Listing(alias, entry.targets[0].to.partition("/")[0]))
        makers: dict[str, Callable[[str], Handler]] = {}
        for name, provider in self._providers.items():
            makers[name] = partial(_route_any, name, attempts[name], Waits(Timeouts()))
            listed += [Listing(f"{name}/{model}", name) for model in getattr(provider, "models", ())]
        for name, reason in off.items():
            makers[name] = partial(_off_any, reason)
        return Catalog(handlers, makers, listed)

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


def _translations(provider: Provider) -> Sequence[Translation]:
    """The ways to a provider; what it makes of calls that set no `max_tokens`, its translations do too."""
    return COMPLETIONS_ON_CHAT, MESSAGES_ON_CHAT, ChatOnMessages(getattr(provider, "max_tokens", None))


def _route_any(provider: str, attempt: Handler, waits: Waits, model: str) -> Handler:
    return Router(Target(provider, model, Timeouts()), attempt, waits)


def _off_any(reason: str, model: str) -> Handler:  # noqa: ARG001 (all its models are off)
    return partial(_switched_off, reason)


async def _switched_off(reason: str, call: Call) -> Reply:
    raise GatewayError(
        f"The model {call.request.model!r} cannot be served: {reason}.",
        status=503,
        code="provider_not_configured",
        param="model",
    )


def _component(kind: str, stock: Mapping[str, type], settings: dict[str, Any], place: str) -> Any:
    """Make a component of a stock type or of `module:Class`, with its settings. Raises `ConfigError`."""
    maker = stock.get(kind)
    if maker is None:
        maker = _imported(kind, f"{place}.type", stock)
    wanted: type | None = getattr(maker, "Settings", None)
    if wanted is None:
        if settings:
            raise ConfigError([Problem(place, f"{kind} takes no settings, found {', '.join(settings)}")])
        return maker()
    assert issubclass(wanted, Settings)
    try:
        return maker(convert(settings, wanted, place))
    except ValueError as error:
        raise ConfigError([Problem(place, str(error))]) from error


def _imported(kind: str, place: str, stock: Mapping[str, type]) -> type:
    module, colon, name = kind.partition(":")
    if not colon:
        raise ConfigError([Problem(place, f"expected one of {', '.join(stock)}, or module:Class, found {kind!r}")])
    try:
        found = getattr(importlib.import_module(module), name)
    except Exception as error:  # a module runs when it is imported: anything may go wrong
        raise ConfigError([Problem(place, f"{kind!r} cannot be loaded: {error}")]) from error
    if not isinstance(found, type):
        raise ConfigError([Problem(place, f"{kind!r} is not a class")])
    return found


def _keyring(auth: Auth | None, problems: list[Problem]) -> Keyring | None:
    if auth is None:
        return None
    keys: dict[bytes, Key] = {}
    names = set()
    for number, entry in enumerate(auth.keys):
        place = f"auth.keys[{number}]"
        if (entry.key is None) == (entry.sha256 is None):
            problems.append(Problem(place, "expected either key or sha256"))
            continue
        try:
            digest = fingerprint(entry.key.encode()) if entry.key is not None else bytes.fromhex(entry.sha256 or "")
        except ValueError:
            digest = b""
        if len(digest) != 32:
            problems.append(Problem(f"{place}.sha256", "expected 64 hexadecimal digits"))
        if digest in keys or entry.name in names:
            problems.append(Problem(place, f"the key {entry.name!r} stands here twice"))
        names.add(entry.name)
        keys[digest] = Key(entry.name, entry.models)
    return Keyring(keys.items())


def _is_local(entry: KeyEntry) -> bool:
    digest = fingerprint(LOCAL_KEY.encode()).hex()
    return entry.key == LOCAL_KEY or (entry.sha256 is not None and entry.sha256.lower() == digest)


def _check_address(config: Config, problems: list[Problem]) -> None:
    """An address that others can reach needs keys, and not the one that everybody knows."""
    host = config.server.host
    if host in LOOPBACK:
        return
    if config.auth is None:
        problems.append(
            Problem("server.host", f"{host} can be reached by others, and there is no auth block; add auth.keys")
        )
    elif any(_is_local(entry) for entry in config.auth.keys):
        problems.append(
            Problem("auth.keys", f"{LOCAL_KEY!r} is known to everybody and serves on loopback only, not on {host}")
        )
