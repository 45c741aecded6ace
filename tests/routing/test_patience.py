import asyncio

import pytest

from gateway.routing.patience import Patience
from gateway.seam import UpstreamError, UpstreamTimeout


async def test_what_is_quick_is_left_alone() -> None:
    patience = Patience(30, "a test")
    with patience.limit():
        await asyncio.sleep(0)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    assert not patience._waits


async def test_what_is_slow_is_cancelled_and_told_by_name() -> None:
    unwound = []

    async def slow() -> None:
        try:
            await asyncio.sleep(30)
        finally:
            unwound.append(True)

    told = r"^The provider took longer than 0\.01 s: a test\.$"
    with pytest.raises(UpstreamTimeout, match=told), Patience(0.01, "a test").limit():
        await slow()
    assert unwound
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await asyncio.sleep(0)


async def test_one_timer_serves_many_waits_each_in_its_time() -> None:
    patience = Patience(0.05, "a test")
    ended: list[int] = []

    async def wait(n: int) -> None:
        await asyncio.sleep(n * 0.01)
        with pytest.raises(UpstreamTimeout), patience.limit():
            await asyncio.sleep(30)
        ended.append(n)

    await asyncio.gather(*[wait(n) for n in range(5)])
    assert ended == [0, 1, 2, 3, 4]


async def test_another_cancellation_is_not_taken_for_ours() -> None:
    async def wait() -> None:
        with Patience(30, "a test").limit():
            await asyncio.sleep(30)

    task = asyncio.get_running_loop().create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_client_that_leaves_as_the_limit_is_reached_still_counts() -> None:
    patience = Patience(30, "a test")

    async def wait() -> None:
        with patience.limit():
            await asyncio.sleep(30)

    task = asyncio.get_running_loop().create_task(wait())
    await asyncio.sleep(0)
    next(iter(patience._waits)).expire(patience.reason())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_error_of_ones_own_at_the_limit_stays() -> None:
    async def broken() -> None:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            raise UpstreamError("its own") from None

    with pytest.raises(UpstreamError, match="its own"), Patience(0.01, "a test").limit():
        await broken()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_no_time_at_all() -> None:
    with pytest.raises(UpstreamTimeout), Patience(0.0, "a test").limit():
        await asyncio.sleep(30)
