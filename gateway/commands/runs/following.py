"""A run's events to its end, however often the connection is lost."""

import time
from collections.abc import Callable, Iterator

from gateway.commands.runs.client import Client, Lost
from gateway.commands.runs.records import Event, Run

_FIRST, _LONGEST = 0.2, 2.0
"""Seconds before the first try to reconnect, and the most between two tries."""
PATIENCE = 60.0
"""How many seconds a gateway may be away."""
_POLL = 0.3

Sleep = Callable[[float], None]


def followed(
    client: Client, identifier: str, lost: Callable[[bool], None], sleep: Sleep = time.sleep, patience: float = PATIENCE
) -> Iterator[Event]:
    """The events of a run from the first to the last, each once.

    `lost` is told when the connection is lost, and when it is back. Raises `Refused` where the run cannot be followed,
    `Lost` where the gateway stayed away for longer than `patience` seconds.
    """
    seen = 0
    away = 0.0
    wait = _FIRST
    first = True
    while True:
        try:
            for event in client.events(identifier, seen):
                first = False
                if event.seq <= seen:
                    continue
                if away:
                    lost(False)
                    away, wait = 0.0, _FIRST
                seen = event.seq
                yield event
            return
        except Lost:
            if first or away >= patience:
                raise
            if not away:
                lost(True)
        sleep(wait)
        away += wait
        wait = min(wait * 2, _LONGEST)


def next_run(client: Client, model: str | None, before: str | None, sleep: Sleep = time.sleep) -> Run:
    """The newest run that is under way, else the next one that begins, of `model` where it is given.

    `before` is the run that was the newest one (`newest`): it is not the next one, unless it is still under way.
    Raises `Refused`, `Lost`.
    """
    while True:
        for run, _ in client.runs(1, status="running", model=model):
            return run
        last = newest(client, model)
        if last is not None and last.id != before:
            return last  # so short that it is over
        sleep(_POLL)


def newest(client: Client, model: str | None) -> Run | None:
    """The newest run, of `model` where it is given. Raises `Refused`, `Lost`."""
    return next((run for run, _ in client.runs(1, model=model)), None)
