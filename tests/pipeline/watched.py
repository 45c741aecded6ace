"""Plugins under watch, and what is further in, for the tests beside this file."""

import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest

from gateway.pipeline.plugin import Plugin
from gateway.pipeline.shapes import as_middleware
from gateway.seam import Call, GatewayError, Handler, Outcome, Reply, Threads
from gateway.testing import answer, ask, chat_call

LOG = logging.getLogger("gateway")
THREADS = Threads(4, LOG)
Function = Callable[..., Any]


def plugin(function: Function, seconds: float = 30) -> Plugin:
    return Plugin("tenant", as_middleware(function, "tenant", THREADS), seconds, LOG)


async def text(*functions: Function, stream: bool = False, inner: Handler | None = None) -> str:
    chunk = await ask([plugin(function) for function in functions], chat_call(stream=stream), inner)
    return "".join(part.text for part in chunk.parts())


async def failure(function: Function, inner: Handler | None = None, *, stream: bool = False) -> GatewayError:
    """The error that a client sees; the call has ended once, and failed."""
    call = chat_call(stream=stream)
    outcomes: list[Outcome] = []
    call.on_end(outcomes.append)
    with pytest.raises(GatewayError) as caught:
        await ask([plugin(function)], call, inner)
    await call.tasks.drain()
    assert [outcome.kind for outcome in outcomes] == ["failed"]
    return caught.value


class Watched:
    """An inner handler whose replies are counted: none may stay open."""

    def __init__(self) -> None:
        self.outcomes: list[str] = []
        self.calls = 0

    async def __call__(self, call: Call) -> Reply:
        self.calls += 1
        return answer(call, "Hel", "lo.").on_end(lambda outcome: self.outcomes.append(outcome.kind))


async def passing(call: Call, call_next: Handler) -> Reply:
    return await call_next(call)


def looking(call: Call) -> None:
    assert threading.current_thread() is not threading.main_thread()
    for one in call.request.texts():
        one.text = one.text.upper()


def raising(*args: Any) -> Any:
    raise RuntimeError("in a verb")
