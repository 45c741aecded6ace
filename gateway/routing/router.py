"""One model's way to an answer: its targets, tries one after another, and the models that it falls back on."""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Sequence
from functools import partial

from gateway.config.routing import Retry
from gateway.routing.balance import Strategy, Weighted
from gateway.routing.blame import Cause, cause_of, may_repeat, moves_on
from gateway.routing.budget import RetryBudget
from gateway.routing.hedge import Ask, Hedge
from gateway.routing.passage import Passage, counted
from gateway.routing.patience import Patience, Waits
from gateway.routing.route import Route
from gateway.routing.sticky import favourite, luck
from gateway.seam import Call, GatewayError, Reply, Timeouts, Unavailable

_LONGEST_BACKOFF = 2.0
_log = logging.getLogger("gateway")


class Unasked(Unavailable):
    """No target of the model was asked."""


class AtRest(Unasked):
    """All of them rest."""


class Router:
    """A Handler that answers a call by one of its targets, or by a model that it falls back on.

    `retry` says how often; `sticky` whether sessions keep their target (unless said, as the strategy has it); `hedge`
    asks a second target where the first is slow. `fallback` is filled in once all models are there.
    """

    def __init__(
        self,
        routes: Sequence[Route],
        strategy: Strategy | None = None,
        timeouts: Timeouts | None = None,
        retry: Retry | None = None,
        *,
        sticky: bool | None = None,
        hedge: Hedge | None = None,
    ) -> None:
        self.routes = tuple(routes)
        self.fallback: dict[str, Sequence[Router]] = {}
        """The models to turn to, by cause and for `any`."""
        self._strategy: Strategy = Weighted() if strategy is None else strategy
        self._timeouts = Timeouts() if timeouts is None else timeouts
        self._waits = Waits(self._timeouts)
        self._retry = Retry() if retry is None else retry
        self._budget = RetryBudget(self._retry.budget)
        self._sticky = len(self.routes) > 1 and (self._strategy.sticky if sticky is None else sticky)
        self._hedge = hedge if len(self.routes) > 1 else None
        self._lone = self.routes[0] if len(self.routes) == 1 else None

    async def __call__(self, call: Call) -> Reply:
        """Answer the call. Raises the last try's error, which says in a header how many tries there were."""
        lone, began = self._lone, asyncio.get_running_loop().time()
        if lone is not None and lone.backend.breaker.steady:
            # There is nothing to choose: what further tries would need is made when there are any.
            self._budget.earn(began)
            try:
                return lone.sign(await lone.ask(call, self._waits.of(call, call.deadline, began)), 1)
            except GatewayError as error:
                passage = Passage(call, self._timeouts.total, began)
                passage.attempts = 1
                passage.failed(lone.backend.name, error)
                tries = self._further(passage, [lone], error)
        else:
            passage = Passage(call, self._timeouts.total, began)
            tries = self.tries(passage)
        try:
            return await tries
        except GatewayError as error:
            return await self._rescue(passage, error)

    async def tries(self, passage: Passage, *, last_resort: bool = False) -> Reply:
        """Ask this model's own targets, one after another. Raises the last one's error.

        `AtRest` where none was asked; unless as a last resort, when one is asked that rests.
        """
        tried: list[Route] = []
        now = passage.loop.time()
        self._budget.earn(now)
        route = self._choose(passage, tried, now)
        if route is None:
            if not last_resort:
                raise AtRest("All targets of this model are at rest: they failed, or asked to be left alone.")
            route = min(self.routes, key=lambda route: route.backend.breaker.until)
        try:
            return await self._ask(passage, route, tried, now)
        except GatewayError as error:
            return await self._further(passage, tried, error)

    async def _further(self, passage: Passage, tried: list[Route], error: GatewayError) -> Reply:
        """Try again after an error, as often as that may help. Raises the last one."""
        try:
            while (route := await self._next(passage, tried, error)) is not None:
                try:
                    return await self._ask(passage, route, tried, passage.loop.time())
                except GatewayError as failure:
                    error = failure
            raise error
        finally:
            del error  # its traceback holds this frame

    async def _next(self, passage: Passage, tried: list[Route], error: GatewayError) -> Route | None:
        """Which target to try after that error, as soon as it may be tried; None where that is over."""
        if len(tried) >= self._retry.attempts or not moves_on(error) or passage.left() <= 0:
            return None
        now = passage.loop.time()
        route = self._choose(passage, tried, now) or (_awake(tried, now) if may_repeat(error) else None)
        if route is None or not self._budget.spend(now):
            return None
        return route if route not in tried or await self._back_off(passage, route, len(tried)) else None

    # ---- one try

    def _ask(self, passage: Passage, route: Route, tried: list[Route], now: float) -> Awaitable[Reply]:
        call = passage.call
        plain = passage.attempts == 0 and call.deadline is None and not passage.turned
        patience = self._waits.of(call, None if plain else passage.deadline, now)
        if self._hedge is None:
            return self._once(passage, route, tried, patience)

        def second() -> Ask | None:
            other = self._choose(passage, tried, passage.loop.time())
            return None if other is None else partial(self._once, passage, other, tried, patience)

        return self._hedge.ask(call, partial(self._once, passage, route, tried, patience), second)

    async def _once(self, passage: Passage, route: Route, tried: list[Route], patience: Patience) -> Reply:
        tried.append(route)
        passage.attempts += 1
        try:
            reply = await route.ask(passage.call, patience)
        except GatewayError as error:
            passage.failed(route.backend.name, error)
            raise
        return route.sign(reply, passage.attempts)

    # ---- which one

    def _choose(self, passage: Passage, tried: Sequence[Route], now: float) -> Route | None:
        """A target that was not tried and does not rest; None where there is none."""
        routes: Sequence[Route] = self.routes
        session = passage.session if self._sticky else None
        if tried or not self._steady():
            routes = self._ready(tried, now, random.random() if session is None else luck(session))  # noqa: S311
            if not routes:
                return None
        if len(routes) == 1:
            return routes[0]
        return self._strategy.choose(passage.call, routes) if session is None else favourite(session, routes)

    def _steady(self) -> bool:
        for route in self.routes:  # noqa: SIM110 (a generator costs a microsecond)
            if not route.backend.breaker.steady:
                return False
        return True

    def _ready(self, tried: Sequence[Route], now: float, fortune: float) -> Sequence[Route]:
        """Those that may be asked. One that just came back is among them so often as its share has grown."""
        ready = [route for route in self.routes if route not in tried and route.backend.breaker.available(now)]
        warm = [route for route in ready if route.backend.breaker.share(now) > fortune]
        return warm or ready

    async def _back_off(self, passage: Passage, route: Route, tries: int) -> bool:
        """Wait before a target is asked once more; False where the time does not suffice, or it rests meanwhile.

        Full jitter (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
        """
        longest = min(self._retry.backoff * 2.0 ** (tries - 1), _LONGEST_BACKOFF)
        seconds = random.uniform(0, longest)  # noqa: S311
        if seconds >= passage.left():
            return False
        await asyncio.sleep(seconds)
        return route.backend.breaker.available(passage.loop.time())

    # ---- other models

    async def _rescue(self, passage: Passage, error: GatewayError) -> Reply:
        """Turn to other models, each with its own tries, and to what they fall back on; no model twice."""
        passage.turned = True
        seen = {self}
        resting = self if isinstance(error, AtRest) else None
        waiting = deque(self._others(error))
        while waiting and passage.left() > 0:
            router = waiting.popleft()
            if router in seen:
                continue
            seen.add(router)
            try:
                return await router.tries(passage)
            except GatewayError as failure:
                waiting += router._others(failure)
                if isinstance(failure, AtRest) and resting is None:
                    resting = router
                if not isinstance(failure, Unasked):
                    error = failure
        if resting is not None and isinstance(error, Unasked):
            try:
                return await resting.tries(passage, last_resort=True)
            except GatewayError as failure:
                error = failure
        if len(passage.failures) > 1:
            _log.info("request %s failed at all that were tried: %s", passage.call.id, ", ".join(passage.failures))
        try:
            raise counted(error, passage.attempts)
        finally:
            del error  # its traceback holds this frame

    def _others(self, error: GatewayError) -> "list[Router]":
        if not self.fallback:
            return []
        cause = self._why_at_rest() if isinstance(error, AtRest) else cause_of(error)
        return [] if cause is None else self.rescuers(cause)

    def rescuers(self, cause: Cause) -> "list[Router]":
        """The models to turn to for that cause, in their order."""
        return [*self.fallback.get(cause, ()), *self.fallback.get("any", ())]

    def _why_at_rest(self) -> Cause:
        failures = [route.backend.failure for route in self.routes]
        limited = all(failure is not None and failure.status == 429 for failure in failures)
        return Cause.RATE_LIMIT if limited else Cause.UNAVAILABLE


def _awake(tried: Sequence[Route], now: float) -> Route | None:
    """The first of those tried that does not rest."""
    return next((route for route in tried if route.backend.breaker.available(now)), None)
