"""What authors may write as a middleware, and what is told of anything else."""

import inspect
from collections.abc import Callable
from typing import Any

from gateway.components import takes
from gateway.pipeline.turn import Misuse
from gateway.seam import Call, Handler, Middleware, Reply, Threads

WANTED = "a middleware is `async def NAME(call, call_next)`, or `def NAME(call)`, which runs in a thread"


class Check:
    """A synchronous function of the call alone, as a middleware: it runs in a thread, in front of what is further in.

    It may raise a `GatewayError`, which refuses the call, and change the request's texts; it returns nothing.
    """

    def __init__(self, function: Callable[[Call], object], threads: Threads) -> None:
        self._function = function
        self._threads = threads

    async def __call__(self, call: Call, call_next: Handler) -> Reply:
        """Let the function look at the call, then go on."""
        said = await self._threads.run(self._function, call)
        if said is not None:
            raise Misuse(f"it returned {type(said).__name__}, and a `def` of the call alone returns nothing")
        return await call_next(call)


def as_middleware(thing: Any, name: str, threads: Threads) -> Middleware:
    """A class's instance, or a function, as a middleware. Raises ValueError, saying what its signature lacks."""
    called = thing if inspect.isroutine(thing) else getattr(thing, "__call__", None)  # noqa: B004 (it is looked at)
    if called is None:
        raise ValueError(f"{name} cannot be called; {WANTED}")
    if inspect.isasyncgenfunction(called) or inspect.isgeneratorfunction(called):
        raise ValueError(f"{name} has a `yield`, so that it is a generator and no middleware; {WANTED}")
    pair, alone = takes(thing, 2), takes(thing, 1)
    if inspect.iscoroutinefunction(called) or inspect.iscoroutinefunction(thing):
        if not pair:
            raise ValueError(f"{name} takes {inspect.signature(thing)}, not (call, call_next); {WANTED}")
        middleware: Middleware = thing
        return middleware
    if pair or not alone:
        lacks = "is not `async`" if pair else f"takes {inspect.signature(thing)}"
        raise ValueError(f"{name} {lacks}; {WANTED}")
    return Check(thing, threads)
