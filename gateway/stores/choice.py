"""Which store of hot state a configuration means."""

from gateway.config.problems import Problem
from gateway.config.schema import Config
from gateway.config.state import RedisSettings
from gateway.stores.hot import Hot
from gateway.stores.memory import Memory


def chosen(config: Config, problems: list[Problem], notes: list[str]) -> Hot:
    """The store that `state:` means; what is wrong with it goes to `problems`, what a person should know to `notes`."""
    state, workers = config.state, config.server.workers
    if state == "memory":
        if workers > 1:
            notes.append(
                f"state: each of the {workers} workers learns for itself what fails and rests; "
                "with a Redis (state: redis://host:6379/0) they share it"
            )
        return Memory()
    from gateway.stores.redis import Redis  # noqa: PLC0415 (7 MB, only where it is wanted)

    settings = RedisSettings(url=state) if isinstance(state, str) else state
    if not settings.verify:
        notes.append("state.verify: false: whoever answers at its address is trusted; for a laboratory only")
    try:
        return Redis(settings)
    except ValueError as error:
        problems.append(Problem("state", str(error)))
        return Memory()
