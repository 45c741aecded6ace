"""Which store of hot state a configuration means."""

from gateway.config.state import RedisSettings
from gateway.stores.hot import Hot
from gateway.stores.memory import Memory


def chosen(state: str | RedisSettings | None) -> Hot:
    """The store that `state:` means: `memory`, a URL, or a URL with settings. Raises ValueError, without the URL."""
    if state is None or state == "memory":
        return Memory()
    from gateway.stores.redis import Redis  # noqa: PLC0415 (22 MB, only where it is wanted)

    return Redis(RedisSettings(url=state) if isinstance(state, str) else state)
