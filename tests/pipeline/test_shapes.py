"""Wrong signatures are told when the gateway is built, not when the first call comes."""

import functools
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from gateway.pipeline.shapes import WANTED, Check, as_middleware
from gateway.seam import Call, Handler, Reply, Threads

THREADS = Threads(1, logging.getLogger("test"))


async def good(call: Call, call_next: Handler) -> Reply:
    return await call_next(call)


class Good:
    async def __call__(self, call: Call, call_next: Handler) -> Reply:
        return await call_next(call)

    def looks(self, call: Call) -> None: ...


class Looking:
    def __call__(self, call: Call) -> None: ...


class Uncallable:
    pass


def two(call: Call, call_next: Handler) -> Any: ...


def none() -> None: ...


async def alone(call: Call) -> None: ...


async def three(call: Call, call_next: Handler, more: int) -> None: ...


async def generates(call: Call, call_next: Handler) -> AsyncIterator[int]:
    yield 1


def yields(call: Call) -> Iterator[int]:
    yield 1


def any_number(*args: Any) -> None: ...


@pytest.mark.parametrize("thing", [good, Good(), functools.partial(good)])
def test_what_is_asynchronous_stays_itself(thing: Any) -> None:
    assert as_middleware(thing, "x", THREADS) is thing


@pytest.mark.parametrize("thing", [Looking(), Good().looks, lambda call: None])
def test_what_looks_at_the_call_alone_runs_in_a_thread(thing: Any) -> None:
    assert isinstance(as_middleware(thing, "x", THREADS), Check)


@pytest.mark.parametrize(
    ("thing", "told"),
    [
        (Uncallable(), "x cannot be called"),
        (two, "x is not `async`"),
        (any_number, "x is not `async`"),
        (none, "x takes ()"),
        (alone, "x takes (call: gateway.seam.call.Call) -> None, not (call, call_next)"),
        (three, "x takes (call: gateway.seam.call.Call, call_next: "),
        (generates, "x has a `yield`, so that it is a generator and no middleware"),
        (yields, "x has a `yield`, so that it is a generator and no middleware"),
    ],
)
def test_what_is_no_middleware(thing: Callable[..., Any], told: str) -> None:
    with pytest.raises(ValueError) as caught:
        as_middleware(thing, "x", THREADS)
    assert str(caught.value).startswith(told)
    assert str(caught.value).endswith(WANTED)
