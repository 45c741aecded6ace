"""What the blocks of a configuration ask of each other."""

from collections.abc import Iterable, Iterator

from gateway.config.hosts import Allowed
from gateway.config.problems import Problem
from gateway.config.routing import VIRTUAL, Fallback, ModelEntry
from gateway.config.schema import Config
from gateway.config.words import near, shown


def broken_rules(config: Config) -> Iterator[Problem]:
    """Where blocks that are good by themselves do not go together."""
    if not config.server.stream.ping:
        yield Problem("server.stream.ping", "pings would never pause", "a duration above 0", "0")
    yield from _unreachable_providers(config)
    yield from _unknown_targets(config)
    yield from _unknown_fallbacks(config)
    yield from _unknown_prices(config)
    yield from _ambiguous_names(config)
    yield from _uncounted_limits(config)
    yield from _misspelt_hosts(config)


def _unreachable_providers(config: Config) -> Iterator[Problem]:
    """Providers whose models nobody can name: `provider/model` ends the provider at the first slash."""
    for name in config.providers:
        if "/" in name:
            yield Problem(f"providers.{name}", "no model of it could be named", "a name without /", repr(name))


def _unknown_targets(config: Config) -> Iterator[Problem]:
    """Targets at providers, or chains and graphs, that the file does not have; and such as stand in a model twice."""
    for name, model in config.models.items():
        targets = [model] if isinstance(model, str) else [target.to for target in model.targets]
        for number, target in enumerate(targets):
            place = f"models.{name}" if isinstance(model, str) else f"models.{name}.targets[{number}].to"
            yield from _unknown(config, place, target)
            if target in targets[:number]:
                yield Problem(
                    place, f"the target {target!r} stands here twice", cure="take one out, or give it a weight"
                )


def _unknown(config: Config, place: str, target: str) -> Iterator[Problem]:
    kind, _, name = target.partition(":")
    if kind in VIRTUAL:
        known = getattr(config, f"{kind}s")
        if name not in known:
            cure = near(name, known) or f"add it to {kind}s"
            yield Problem(place, f"no such {kind}", f"{_one_of(known)} after {kind}:", shown(target), cure)
        return
    provider = target.partition("/")[0]
    if provider not in config.providers:
        known = f"one of {', '.join(config.providers)}" if config.providers else "a provider of the file"
        cure = near(provider, config.providers) or "add it to providers"
        yield Problem(place, "no such provider", known, shown(target), cure)


def _unknown_fallbacks(config: Config) -> Iterator[Problem]:
    """Names in `fallback` that nothing in the file has."""
    names = {name: name for name in config.models}
    for name, model in config.models.items():
        names |= dict.fromkeys(model.aliases if isinstance(model, ModelEntry) else (), name)
    for place, owner, wanted in _fallbacks(config):
        if names.get(wanted) == owner:
            yield Problem(place, "it would fall back on itself", "another model", shown(wanted), "take it out")
        elif wanted in names:
            continue
        elif "/" in wanted or wanted.partition(":")[0] in VIRTUAL:
            yield from _unknown(config, place, wanted)
        else:
            cure = near(wanted, names) or "add it to models"
            yield Problem(place, "no such model", f"{_one_of(names)}, or provider/model", shown(wanted), cure)


def _fallbacks(config: Config) -> Iterator[tuple[str, str, str]]:
    """Every name in a `fallback`: its place, whose it is, and the name."""
    for owner, model in config.models.items():
        if isinstance(model, str):
            continue
        place = f"models.{owner}.fallback"
        if isinstance(model.fallback, Fallback):
            lists = {f".{cause}": getattr(model.fallback, cause) for cause in model.fallback.__struct_fields__}
        else:
            lists = {"": model.fallback}
        for cause, names in lists.items():
            yield from ((f"{place}{cause}[{number}]", owner, name) for number, name in enumerate(names))


def _one_of(names: Iterable[str]) -> str:
    return f"one of {', '.join(names)}" if names else "a name of the file"


def _unknown_prices(config: Config) -> Iterator[Problem]:
    """Models that are to go to the cheapest of targets whose price nobody knows."""
    for name, model in config.models.items():
        if isinstance(model, ModelEntry) and model.strategy == "cheapest":
            for number, target in enumerate(model.targets):
                if target.price is None:
                    place = f"models.{name}.targets[{number}].price"
                    yield Problem(place, "strategy: cheapest compares prices", "input and output", "no price", "add it")


def _ambiguous_names(config: Config) -> Iterator[Problem]:
    """Names that stand for two models."""
    owners = {name: f"models.{name}" for name in config.models}
    for name, model in config.models.items():
        for number, alias in enumerate(model.aliases if isinstance(model, ModelEntry) else ()):
            place = f"models.{name}.aliases[{number}]"
            if alias in owners:
                yield Problem(place, f"the name {alias!r} stands for {owners[alias]} too", cure="take one out")
            owners.setdefault(alias, place)


def _uncounted_limits(config: Config) -> Iterator[Problem]:
    """Limits and budgets of several workers need one place where they are counted."""
    workers = config.server.workers
    if workers == 1 or config.state != "memory":
        return
    for number, key in enumerate(config.auth.keys if config.auth is not None else ()):
        for field in ("limits", "budget"):
            if getattr(key, field) is not None:
                yield Problem(
                    f"auth.keys[{number}].{field}",
                    f"{workers} workers would each count for themselves",
                    "a Redis that they share (state: redis://…), or workers: 1",
                    "state: memory",
                    "set state, or take one worker",
                )


def _misspelt_hosts(config: Config) -> Iterator[Problem]:
    """Entries that name no host."""
    for number, entry in enumerate(config.orchestrator.http_hosts):
        place = f"orchestrator.http_hosts[{number}]"
        text, at = (entry, place) if isinstance(entry, str) else (entry.host, f"{place}.host")
        try:
            Allowed.parse(entry)
        except ValueError as error:
            yield Problem(at, "names no host", str(error).removeprefix("expected "), shown(text))
