"""Threads: few, fair, and never in the way of the loop's end."""

import asyncio
import contextvars
import logging
import threading
from collections.abc import Iterator

import pytest

from gateway.seam import Threads


@pytest.fixture
def threads() -> Iterator[Threads]:
    threads = Threads(2, logging.getLogger("test"))
    yield threads
    threads.close()


class Gate:
    """A function that says when it runs, and runs until it may end."""

    def __init__(self) -> None:
        self.may = threading.Event()
        self.ran: list[int] = []
        self.most = self.now = 0

    def __call__(self, number: int) -> int:
        self.now += 1
        self.most = max(self.most, self.now)
        self.ran.append(number)
        assert self.may.wait(20)
        self.now -= 1
        return number


async def turns(gate: Gate, count: int) -> None:
    """Wait until so many have begun."""
    while len(gate.ran) < count:  # noqa: ASYNC110 (a thread adds them)
        await asyncio.sleep(0.001)


async def test_what_a_function_returns_or_raises(threads: Threads) -> None:
    assert await threads.run(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await threads.run(divmod, 1, 0)

    def stops() -> None:
        raise StopIteration

    def exits() -> None:
        raise SystemExit

    with pytest.raises(RuntimeError, match="raised StopIteration"):
        await threads.run(stops)
    with pytest.raises(SystemExit):
        await threads.run(exits)
    assert len(threads) == 0
    assert await threads.run(threading.current_thread) is not threading.main_thread()


async def test_context_variables_are_seen(threads: Threads) -> None:
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable")
    variable.set(3)
    assert await threads.run(variable.get) == 3


async def test_no_more_than_that_many_at_once_and_in_turn(threads: Threads) -> None:
    gate = Gate()
    tasks = [asyncio.get_running_loop().create_task(threads.run(gate, n)) for n in range(10)]
    await turns(gate, 2)
    assert len(threads) == 10
    gate.may.set()
    assert await asyncio.gather(*tasks) == list(range(10))
    assert gate.most == 2
    assert sorted(gate.ran[:2]) == [0, 1]
    # Two threads take turns: whoever came earlier began no more than one place later.
    assert all(abs(place - number) <= 1 for place, number in enumerate(gate.ran))


async def test_cancelled_before_its_turn_it_never_runs(threads: Threads) -> None:
    gate = Gate()
    tasks = [asyncio.get_running_loop().create_task(threads.run(gate, n)) for n in range(4)]
    await turns(gate, 2)
    tasks[2].cancel()
    tasks[0].cancel()  # this one runs to its end, and nobody hears of it
    await asyncio.wait([tasks[0], tasks[2]])
    gate.may.set()
    assert await asyncio.gather(tasks[1], tasks[3]) == [1, 3]
    await threads.drain(20)
    assert sorted(gate.ran) == [0, 1, 3]
    assert len(threads) == 0


async def test_drain_waits_and_says_what_it_left(threads: Threads, caplog: pytest.LogCaptureFixture) -> None:
    await threads.drain(0)
    gate = Gate()
    task = asyncio.get_running_loop().create_task(threads.run(gate, 1))
    await turns(gate, 1)
    await threads.drain(0.01)
    assert "functions that still run in threads are left alone" in caplog.text
    draining = asyncio.get_running_loop().create_task(threads.drain(20))
    await asyncio.sleep(0)
    assert not draining.done()
    gate.may.set()
    await draining
    assert await task == 1


def test_a_loop_that_has_closed_is_not_told() -> None:
    threads, gate = Threads(1, logging.getLogger("test")), Gate()

    async def leaves() -> None:
        task = asyncio.get_running_loop().create_task(threads.run(gate, 1))
        await turns(gate, 1)
        task.cancel()

    asyncio.run(leaves())
    gate.may.set()
    threads.close()


async def test_closed_threads_end_and_are_made_anew(threads: Threads) -> None:
    thread = await threads.run(threading.current_thread)
    threads.close()
    thread.join(20)
    assert not thread.is_alive()
    assert await threads.run(int, "3") == 3
