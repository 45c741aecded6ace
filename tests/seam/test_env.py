"""Tasks: each has an owner, and none vanishes."""

import asyncio
import logging

import pytest

from gateway.seam import Env, Tasks


def make() -> Tasks:
    return Tasks(logging.getLogger("test"))


async def test_drain_waits_for_tasks_and_for_those_that_they_start() -> None:
    tasks, done = make(), []

    async def second() -> None:
        await asyncio.sleep(0)
        done.append("second")

    async def first() -> None:
        await asyncio.sleep(0)
        tasks.settle(second())
        done.append("first")

    tasks.spawn(first())
    assert len(tasks) == 1
    await tasks.drain()
    assert done == ["first", "second"]
    assert len(tasks) == 0
    await tasks.drain()


async def test_drain_waits_so_long_and_cancels_what_is_left(caplog: pytest.LogCaptureFixture) -> None:
    tasks, done = make(), []

    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            done.append("cancelled")

    tasks.spawn(stubborn())
    tasks.spawn(asyncio.sleep(0))
    await tasks.drain(0.02)
    assert done == ["cancelled"]
    assert len(tasks) == 0
    assert "1 background tasks did not end within 0.02 s" in caplog.text


async def test_what_a_task_raises_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def broken() -> None:
        raise ValueError("a task broke")

    tasks = make()
    tasks.spawn(broken())
    await tasks.drain()
    assert "a task broke" in caplog.text


async def test_a_cancelled_task_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    tasks = make()
    task = tasks.spawn(asyncio.Event().wait())
    task.cancel()
    await tasks.drain()
    assert task.cancelled()
    assert caplog.text == ""


async def test_settling_outlives_who_asked_for_it() -> None:
    tasks, may, settled = make(), asyncio.Event(), []

    async def settle() -> None:
        await may.wait()
        settled.append(True)

    async def client() -> None:
        tasks.settle(settle())
        await asyncio.Event().wait()

    leaving = make()
    task = leaving.spawn(client())
    await asyncio.sleep(0)
    task.cancel()
    await leaving.drain()
    may.set()
    await tasks.drain()
    assert settled == [True]


async def test_a_future_can_be_settled() -> None:
    tasks = make()
    future = asyncio.get_running_loop().create_future()
    tasks.settle(future)
    future.set_result(1)
    await tasks.drain()


async def test_env() -> None:
    env = Env(http=None, metrics=None)
    assert isinstance(env.tasks, Tasks)
    assert env.clock() <= asyncio.get_running_loop().time()
    assert env.log.name == "gateway"
