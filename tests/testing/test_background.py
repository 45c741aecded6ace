import asyncio
import threading

import pytest

from gateway.testing import Background


def test_work_runs_in_a_loop_of_its_own() -> None:
    with Background() as background:

        async def where() -> tuple[asyncio.AbstractEventLoop, int]:
            return asyncio.get_running_loop(), threading.get_ident()

        loop, thread = background.run(where())
        assert loop is background.loop
        assert thread != threading.get_ident()
        assert background.call(threading.get_ident) == thread


def test_what_fails_there_is_raised_here() -> None:
    def broken() -> None:
        raise ValueError("No.")

    with Background() as background, pytest.raises(ValueError, match="No"):
        background.call(broken)


def test_waiting_for_what_does_not_come() -> None:
    with Background() as background:
        background.until(lambda: True)
        with pytest.raises(TimeoutError):
            background.until(lambda: False, 0.02)


def test_what_still_runs_is_cancelled_at_the_end() -> None:
    ended = []

    async def wait() -> None:
        try:
            await asyncio.sleep(30)
        finally:
            ended.append(True)

    with Background() as background:
        create = background.loop.create_task
        task = background.call(lambda: create(wait()))
        background.until(lambda: task in asyncio.all_tasks(background.loop))
        background.call(lambda: None)
    assert ended
