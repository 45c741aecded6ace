"""Components are started in their order and closed in reverse, whatever fails."""

import asyncio
import logging
from contextlib import AsyncExitStack
from typing import Any

import pytest

from gateway.lifetime import start
from gateway.seam import Env


class Http:
    async def request(self, *_: Any, **__: Any) -> Any: ...

    async def aclose(self) -> None:
        EVENTS.append("close http")


EVENTS: list[str] = []


class Part:
    def __init__(self, name: str, fails: str = "") -> None:
        self.name = name
        self.fails = fails

    async def start(self, env: Env) -> None:
        EVENTS.append(f"start {self.name}")
        if self.fails == "start":
            raise RuntimeError("no licence")

    async def aclose(self) -> None:
        EVENTS.append(f"close {self.name}")
        if self.fails == "close":
            raise RuntimeError("stuck")
        if self.fails == "hangs":
            await asyncio.Event().wait()


async def run(*parts: Any, env: Env | None = None) -> None:
    EVENTS.clear()
    async with AsyncExitStack() as stack:
        named = [(f"part {getattr(part, 'name', '?')}", part) for part in parts]
        await start(stack, named, env or Env(Http(), None), 0.02)
        EVENTS.append("open")


async def test_in_order_and_in_reverse() -> None:
    await run(Part("1"), object(), Part("2"))
    assert EVENTS == ["start 1", "start 2", "open", "close 2", "close 1", "close http"]


async def test_what_was_started_is_closed_where_a_start_fails() -> None:
    with pytest.raises(RuntimeError, match=r"^part 2 could not start: no licence$"):
        await run(Part("1"), Part("2", "start"), Part("3"))
    assert EVENTS == ["start 1", "start 2", "close 2", "close 1", "close http"]


@pytest.mark.parametrize("fails", ["close", "hangs"])
async def test_what_cannot_be_closed_keeps_nobody_from_closing(fails: str, caplog: pytest.LogCaptureFixture) -> None:
    await run(Part("1"), Part("2", fails))
    assert EVENTS[-3:] == ["close 2", "close 1", "close http"]
    assert "part 2 could not be closed" in caplog.text


async def test_what_is_under_way_comes_to_its_end_first() -> None:
    env = Env(Http(), None, logging.getLogger("test"))
    may = asyncio.Event()

    async def settles() -> None:
        await may.wait()
        EVENTS.append("settled")

    class Settles(Part):
        async def start(self, env: Env) -> None:
            await super().start(env)
            env.tasks.settle(settles())
            asyncio.get_running_loop().call_soon(may.set)

    await run(Settles("1"), env=env)
    assert EVENTS == ["start 1", "open", "settled", "close 1", "close http"]
