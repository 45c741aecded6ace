"""What the blocks of a configuration ask of each other."""

from collections.abc import Iterator

from gateway.config.problems import Problem
from gateway.config.schema import Config, Fallback, ModelEntry
from gateway.config.words import near, shown


def broken_rules(config: Config) -> Iterator[Problem]:
    """Where blocks that are good by themselves do not go together."""
    if not config.server.stream.ping:
        yield Problem("server.stream.ping", "pings would never pause", "a duration above 0", "0")
    yield from _unreachable_providers(config)
    yield from _unknown_providers(config)
    yield from _ambiguous_names(config)
    yield from _uncounted_limits(config)


def _unreachable_providers(config: Config) -> Iterator[Problem]:
    """Providers whose models nobody can name: `provider/model` ends the provider at the first slash."""
    for name in config.providers:
        if "/" in name:
            yield Problem(f"providers.{name}", "no model of it could be named", "a name without /", repr(name))


def _unknown_providers(config: Config) -> Iterator[Problem]:
    """Models at providers that the file does not have."""
    for place, name in _references(config):
        provider = name.partition("/")[0]
        if provider not in config.providers:
            known = f"one of {', '.join(config.providers)}" if config.providers else "a provider of the file"
            cure = near(provider, config.providers) or "add it to providers"
            yield Problem(place, "no such provider", known, shown(name), cure)


def _references(config: Config) -> Iterator[tuple[str, str]]:
    """Every `provider/model` in the file, and its place."""
    for name, model in config.models.items():
        place = f"models.{name}"
        if isinstance(model, str):
            yield place, model
            continue
        yield from ((f"{place}.targets[{number}].to", target.to) for number, target in enumerate(model.targets))
        given = model.fallback
        if isinstance(given, Fallback):
            lists = {f".{cause}": getattr(given, cause) for cause in given.__struct_fields__}
        else:
            lists = {"": given or []}
        for cause, names in lists.items():
            yield from ((f"{place}.fallback{cause}[{number}]", other) for number, other in enumerate(names))


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
