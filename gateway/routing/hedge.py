"""A second target is asked where the first is slow to begin; whose content comes first answers."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from gateway.config.routing import Hedge as HedgeSettings
from gateway.routing.budget import Allowance
from gateway.seam import Call, InvalidRequest, Reply, Request, Tasks

_TOOLS = (b'"tools"', b'"functions"')
_REMEMBERED = 200
"""Times from which the p95 is learned."""
_ENOUGH = 20
"""Times below which nothing is known; and after how many it is worked out again."""

Ask = Callable[[], Awaitable[Reply]]
"""Begins a try."""


class Tail:
    """The time in which 95 of 100 answers had begun, of the last 200."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=_REMEMBERED)
        self._fresh = 0
        self.p95: float | None = None

    def add(self, seconds: float) -> None:
        """An answer began after so long, or was given up."""
        self._times.append(seconds)
        self._fresh += 1
        if self._fresh == _ENOUGH:
            self._fresh = 0
            times = sorted(self._times)
            self.p95 = times[int(len(times) * 0.95)]


class _Lost(NamedTuple):
    """A try that raised: handed over as a value, since the task that raises is logged as one that nobody minds."""

    error: Exception


class Hedge:
    """How one model asks a second target. Every call that it is told of earns a share of a second one."""

    def __init__(self, settings: HedgeSettings) -> None:
        self._after = None if settings.after.learned else float(settings.after)
        self._allowance = Allowance(settings.share)
        self._tails = {False: Tail(), True: Tail()}  # a whole answer takes longer than a stream's first content

    async def ask(self, call: Call, first: Ask, second: Callable[[], Ask | None]) -> Reply:
        """The answer of `first`, or of `second` where it was asked and was sooner. Raises the first one's error.

        `second` is called when the time has come; it gives None where there is no other target. A try that lost is
        cancelled, and what it still brings is closed.
        """
        self._allowance.earn()
        tail = self._tails[call.request.stream]
        delay = tail.p95 if self._after is None else self._after
        if delay is None or _uses_tools(call.request):
            return await _timed(first, tail)
        tasks = call.tasks
        racers = [tasks.spawn(_outcome(first, tail))]
        try:
            done, _ = await asyncio.wait(racers, timeout=delay)
            if not done and (other := second()) is not None and self._allowance.spend():
                racers.append(tasks.spawn(_outcome(other, tail)))
            return await _winner(racers)
        finally:
            for racer in racers:
                _dismiss(racer, tasks)


async def _winner(racers: "list[asyncio.Task[Reply | _Lost]]") -> Reply:
    """The first Reply, taken out of the list; where all have lost, the first one's error is raised."""
    running = set(racers)
    while running:
        done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for racer in racers:
            if racer in done and isinstance(result := racer.result(), Reply):
                racers.remove(racer)
                return result
    lost = racers[0].result()
    assert isinstance(lost, _Lost)
    raise lost.error


def _dismiss(racer: "asyncio.Task[Reply | _Lost]", tasks: Tasks) -> None:
    """Be done with a try that nobody wants: also with a Reply that it has, or is about to have."""
    if racer.done() and not (racer.cancelled() or isinstance(racer.result(), Reply)):
        return
    racer.cancel()
    tasks.settle(_closed(racer))


async def _closed(racer: "asyncio.Task[Reply | _Lost]") -> None:
    await asyncio.wait((racer,))
    if not racer.cancelled() and isinstance(result := racer.result(), Reply):
        await result.aclose()


async def _outcome(ask: Ask, tail: Tail) -> Reply | _Lost:
    try:
        return await _timed(ask, tail)
    except Exception as error:
        return _Lost(error)


async def _timed(ask: Ask, tail: Tail) -> Reply:
    """The answer; the time to it is learned. One that is given up counts with the time that it took so far."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        reply = await ask()
    except asyncio.CancelledError:
        tail.add(loop.time() - began)
        raise
    tail.add(loop.time() - began)
    return reply


def _uses_tools(request: Request) -> bool:
    """Whether the request offers tools: what a tool does must not be decided twice."""
    if not any(mark in request.raw for mark in _TOOLS):
        return False
    try:
        return any(request.body.get(name) for name in ("tools", "functions"))
    except InvalidRequest:  # nobody knows
        return True
