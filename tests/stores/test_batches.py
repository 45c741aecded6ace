import asyncio

from gateway.seam import Unavailable
from gateway.stores.batches import Batches
from tests.stores.databases import env


async def test_those_who_ask_meanwhile_share_the_next_question() -> None:
    asked: list[list[int]] = []
    began, gate = asyncio.Event(), asyncio.Event()

    async def work(keys: list[int]) -> list[int]:
        asked.append(keys)
        began.set()
        await gate.wait()
        return [key * 2 for key in keys]

    tasks = env().tasks
    batches = Batches(tasks, work, most=4)
    waiting = [tasks.spawn(batches.ask(1))]
    await began.wait()
    waiting += [tasks.spawn(batches.ask(key)) for key in range(2, 8)]
    await asyncio.sleep(0)
    gate.set()
    assert await asyncio.gather(*waiting) == [2, 4, 6, 8, 10, 12, 14]
    assert asked == [[1], [2, 3, 4, 5], [6, 7]]


async def test_an_error_is_everybody_s_of_that_batch_only() -> None:
    async def work(keys: list[int]) -> list[int]:
        if 1 in keys:
            raise ValueError("one")
        return keys

    tasks = env().tasks
    batches = Batches(tasks, work)
    answers = await asyncio.gather(batches.ask(1), batches.ask(2), return_exceptions=True)
    assert all(isinstance(answer, ValueError) for answer in answers)
    assert await batches.ask(2) == 2


async def test_who_waits_when_it_is_cancelled_does_not_wait_for_ever() -> None:
    async def work(keys: list[int]) -> list[int]:
        await asyncio.Event().wait()
        return keys

    tasks = env().tasks
    batches = Batches(tasks, work)
    waiting = asyncio.gather(batches.ask(1), batches.ask(2), return_exceptions=True)
    await asyncio.sleep(0)
    await tasks.drain(0)
    assert all(isinstance(answer, Unavailable) for answer in await waiting)
