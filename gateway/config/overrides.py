"""Variables of the environment that override the file, whatever the file says.

They are those of the engine that this project follows. A variable that is unset or empty overrides nothing.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from gateway.config.filled import Filled
from gateway.config.positions import Mark, Positions, place_of

_ENVIRONMENT = Mark("environment")


class _Override(NamedTuple):
    block: str
    name: str
    begins: Mapping[str, Any] | None = None
    """What a file without the block gets where the variable says yes; None: the variable alone begins no block."""
    always: bool = False
    """Whether the block is begun whatever the variable says: it switches nothing on."""


_OVERRIDES: Mapping[str, _Override] = {
    "LLM_MAX_CONCURRENT_CHAINS": _Override("orchestrator", "max_concurrent_chains", always=True),
    "LLM_DEFAULT_TIMEOUT": _Override("orchestrator", "default_timeout", always=True),
    "LLM_ENABLE_METRICS": _Override("orchestrator", "enable_metrics", always=True),
    "LLM_ENABLE_TRACING": _Override("orchestrator", "enable_tracing", always=True),
    "LLM_CACHE_ENABLED": _Override("cache", "enabled", {}),
    "LLM_CACHE_TTL": _Override("cache", "ttl"),
    "LLM_CACHE_SIZE": _Override("cache", "max_size"),
    "LLM_SECURITY_ENABLED": _Override("security", "enabled", {}),
    "LLM_AUDIT_ENABLED": _Override(
        "security", "audit_enabled", {"enabled": True, "input_validation": False, "output_filtering": False}
    ),
}
_KEYS = {"OPENAI_API_KEY": "openai", "ANTHROPIC_API_KEY": "anthropic"}
_NO = frozenset({"false", "0", "no", "off"})


def override(document: dict[str, Any], environment: Mapping[str, str], positions: Positions) -> None:
    """Put what the environment says over what the file says."""
    named = [name for name in _OVERRIDES if environment.get(name)]
    given = [(_OVERRIDES[name], Filled(environment[name], name, shown=True)) for name in named]
    for (block, _, begins, always), value in given:
        if block not in document and (always or (begins is not None and value.lower() not in _NO)):
            document[block] = dict(begins or {})
    for (block, name, _, _), value in given:
        if isinstance(settings := document.get(block), dict):
            settings[name] = value
            positions.move(place_of((block, name)), _ENVIRONMENT)
    for variable, provider in _KEYS.items():
        key = environment.get(variable)
        if key and _takes_key(document.get("providers"), provider):
            document["providers"][provider]["api_key"] = Filled(key, variable)
            positions.move(place_of(("providers", provider, "api_key")), _ENVIRONMENT)


def _takes_key(providers: Any, name: str) -> bool:
    """Whether the file has that provider, and not one of another type or one without a key at another address."""
    entry = providers.get(name) if isinstance(providers, dict) else None
    return (
        isinstance(entry, dict)
        and (entry.get("type") or name) == name
        and ("api_key" in entry or "base_url" not in entry)
    )
