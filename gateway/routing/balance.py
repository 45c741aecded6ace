"""Which of a model's targets is asked next: one small class a strategy."""

import asyncio
import math
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from gateway.routing.route import Route
from gateway.seam import Call

_TOKENS = 100
"""Tokens of the answer whose time `least_latency` compares."""


_MEMORY = 30.0
"""Seconds in which a figure fades to a third: one that was slow is asked again in the end, and measured anew."""


class Strategy(Protocol):
    """Chooses a target for each try. One is made for each model."""

    sticky: bool
    """Whether a call that names its session goes to that session's target instead."""

    def choose(self, call: Call, among: Sequence[Route], /) -> Route:
        """One of `among`, which holds at least one: those that are not at rest and were not tried for this call."""
        ...


class RoundRobin:
    """Each in turn."""

    sticky = True

    def __init__(self) -> None:
        self._turn = random.randrange(1 << 16)  # noqa: S311 (processes should not begin at the same one)

    def choose(self, call: Call, among: Sequence[Route]) -> Route:  # noqa: ARG002 (all calls are alike)
        """The next one."""
        self._turn += 1
        return among[self._turn % len(among)]


class Weighted:
    """In turn, each as often as its weight says, evenly spread (nginx's smooth weighted round robin)."""

    sticky = True

    def __init__(self) -> None:
        self._credit: dict[Route, float] = {}

    def choose(self, call: Call, among: Sequence[Route]) -> Route:  # noqa: ARG002 (all calls are alike)
        """Everybody earns their weight; who has most is chosen, and pays for all."""
        credit, total = self._credit, 0.0
        best, most = among[0], float("-inf")
        for route in among:
            total += route.weight
            has = credit[route] = credit.get(route, 0.0) + route.weight
            if has > most:
                best, most = route, has
        credit[best] -= total
        return best


class LeastBusy:
    """The one with the fewest calls under way for its weight; of equals, each in turn."""

    sticky = True

    def __init__(self) -> None:
        self._turn = 0

    def choose(self, call: Call, among: Sequence[Route]) -> Route:  # noqa: ARG002 (all calls are alike)
        """The least busy."""
        self._turn += 1
        start = self._turn % len(among)
        return min((*among[start:], *among[:start]), key=_busy)


class LeastLatency:
    """The quicker one of two that are drawn: their time to first content and per token, with what is under way.

    Two, and not the quickest of all: figures are old by the time that they are read, and all would run to one target
    (M. Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001).
    """

    sticky = True

    def choose(self, call: Call, among: Sequence[Route]) -> Route:  # noqa: ARG002 (all calls are alike)
        """The quicker of two; one that has no figures yet comes first."""
        count = len(among)
        if count == 1:
            return among[0]
        first = int(random.random() * count)  # noqa: S311
        second = int(random.random() * (count - 1))  # noqa: S311
        one, other = among[first], among[second + (second >= first)]
        now = asyncio.get_running_loop().time()
        return one if _slowness(one, now) <= _slowness(other, now) else other


class Priority:
    """The first in the file that can be asked."""

    sticky = False

    def choose(self, call: Call, among: Sequence[Route]) -> Route:  # noqa: ARG002 (all calls are alike)
        """The first."""
        return among[0]


class Cheapest:
    """The one with the lowest `price`; the first of equals. One without a price comes last."""

    sticky = False

    def choose(self, call: Call, among: Sequence[Route]) -> Route:  # noqa: ARG002 (all calls are alike)
        """The cheapest."""
        return min(among, key=_price)


STRATEGIES: Mapping[str, Callable[[], Strategy]] = {
    "round_robin": RoundRobin,
    "weighted": Weighted,
    "least_busy": LeastBusy,
    "least_latency": LeastLatency,
    "priority": Priority,
    "cheapest": Cheapest,
}
"""The stock strategies by name; any other is named `module:Class`."""


def _busy(route: Route) -> float:
    return route.backend.in_flight / route.weight


def _slowness(route: Route, now: float) -> float:
    backend = route.backend
    seconds = (backend.first_content or 0) + _TOKENS * (backend.per_token or 0)
    return seconds * (backend.in_flight + 1) * math.exp((backend.measured - now) / _MEMORY)


def _price(route: Route) -> float:
    return float("inf") if route.price is None else route.price
