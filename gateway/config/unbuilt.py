"""What may stand in a configuration and does nothing yet."""

from collections.abc import Iterator

from gateway.config.schema import Config, KeyEntry, Orchestrator

_BLOCKS = ("cache", "security")
_DOES_NOTHING = "known, but not built yet: it does nothing"


def unbuilt(config: Config) -> list[str]:
    """What stands in the file and does nothing yet, in sentences."""
    nothing = Config()
    notes = [name for name in _BLOCKS if getattr(config, name) != getattr(nothing, name)]
    notes += _orchestrator(config.orchestrator)
    for number, key in enumerate(config.auth.keys if config.auth is not None else ()):
        notes += (f"auth.keys[{number}].{field}" for field in _key(key))
    return [f"{place}: {_DOES_NOTHING}" for place in notes]


def _orchestrator(given: Orchestrator) -> Iterator[str]:
    default = Orchestrator()
    for field in given.__struct_fields__:
        if field == "enable_tracing" and getattr(given, field) != getattr(default, field):
            yield f"orchestrator.{field}"


def _key(key: KeyEntry) -> Iterator[str]:
    yield from (field for field in ("limits", "budget", "role") if getattr(key, field) is not None)
