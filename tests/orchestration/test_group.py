"""Work at the same time: bounded, in the order in which it ends, and none left behind."""

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest

from gateway.orchestration.group import Group
from gateway.seam import Tasks, Unavailable
from tests.orchestration.scripted import until


@pytest.fixture
async def tasks() -> AsyncIterator[Tasks]:
    tasks = Tasks(logging.getLogger("gateway"))
    yield tasks
    assert len(tasks) == 0


class Work:
    def __init__(self) -> None:
        self.running = 0
        self.most = 0
        self.cancelled = 0
        self.gates: dict[int, asyncio.Event] = {}

    def begin(self, number: int, error: Exception | None = None) -> object:
        self.gates[number] = asyncio.Event()

        async def work() -> int:
            self.running += 1
            self.most = max(self.most, self.running)
            try:
                await self.gates[number].wait()
                if error is not None:
                    raise error
                return number * 10
            except asyncio.CancelledError:
                self.cancelled += 1
                await asyncio.sleep(0)  # it may take a while to be gone
                raise
            finally:
                self.running -= 1

        return work

    def open(self, *numbers: int) -> None:
        for number in numbers:
            self.gates[number].set()


async def test_what_ends_first_comes_first(tasks: Tasks) -> None:
    work = Work()
    async with Group(tasks) as group:
        for number in range(3):
            group.add(number, work.begin(number))  # type: ignore[arg-type]
        found = []
        for number in (2, 0, 1):
            await until(lambda: work.running > 0)
            work.open(number)
            found.append((await anext(group)).value())
        assert found == [20, 0, 10]
        assert [done async for done in group] == []
        assert work.most == 3


async def test_at_most_so_many_run(tasks: Tasks) -> None:
    work = Work()
    async with Group(tasks, 2) as group:
        for number in range(5):
            group.add(number, work.begin(number))  # type: ignore[arg-type]
        await until(lambda: work.running == 2)
        work.open(*range(5))
        assert sorted([done.key async for done in group]) == [0, 1, 2, 3, 4]
        assert work.most == 2


async def test_errors_are_told_where_they_are_looked_at(tasks: Tasks) -> None:
    work = Work()
    async with Group(tasks) as group:
        group.add("bad", work.begin(0, ValueError("x")))  # type: ignore[arg-type]
        work.open(0)
        done = await anext(group)
        assert isinstance(done.error, ValueError)
        with pytest.raises(ValueError, match="x"):
            done.value()


@pytest.mark.parametrize("how", ["left", "raised", "cancelled"])
async def test_nothing_runs_when_it_is_left(tasks: Tasks, how: str) -> None:
    work = Work()

    async def use() -> None:
        async with Group(tasks, 2) as group:
            for number in range(4):
                group.add(number, work.begin(number))  # type: ignore[arg-type]
            await until(lambda: work.running == 2)
            if how == "raised":
                raise ValueError
            if how == "cancelled":
                await anext(group)

    task = asyncio.get_running_loop().create_task(use())
    await until(lambda: work.running == 2 or task.done())
    if how == "cancelled":
        await asyncio.sleep(0)
        task.cancel()
    await asyncio.wait((task,))
    assert task.cancelled() == (how == "cancelled")
    assert not task.cancelled() or how == "cancelled"
    if how == "raised":
        assert isinstance(task.exception(), ValueError)
    assert (work.running, work.cancelled) == (0, 2)


async def test_who_waits_is_told_that_the_gateway_stops(tasks: Tasks) -> None:
    work = Work()
    async with Group(tasks) as group:
        group.add(0, work.begin(0))  # type: ignore[arg-type]
        await until(lambda: work.running == 1)
        (task,) = tasks._live
        task.cancel()
        assert isinstance((await anext(group)).error, Unavailable)
