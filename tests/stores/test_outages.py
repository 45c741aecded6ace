"""A gateway under load whose Redis freezes, goes on, is killed and comes back: no request of a client fails."""

import asyncio
import time

import httpx
import pytest

from gateway.testing import Served, serve
from tests.servers import RedisServer, until

LOAD = 12


class Load:
    """Clients that ask without a pause; what they saw."""

    def __init__(self, served: Served) -> None:
        self._url = f"{served.base_url}/chat/completions"
        self._body = {"model": "mock/echo", "messages": [{"role": "user", "content": "Hello"}]}
        self.statuses: dict[int, int] = {}
        self.slowest = 0.0
        self.over = False

    async def run(self) -> None:
        async with httpx.AsyncClient(timeout=30) as client:
            await asyncio.gather(*(self._ask(client) for _ in range(LOAD)))

    async def _ask(self, client: httpx.AsyncClient) -> None:
        while not self.over:
            began = time.perf_counter()
            status = (await client.post(self._url, json=self._body)).status_code
            self.statuses[status] = self.statuses.get(status, 0) + 1
            self.slowest = max(self.slowest, time.perf_counter() - began)
            await asyncio.sleep(0.005)

    def worst(self) -> float:
        """The slowest since this was asked last."""
        slowest, self.slowest = self.slowest, 0.0
        return slowest


async def test_no_request_fails(caplog: pytest.LogCaptureFixture) -> None:
    with RedisServer() as server:
        config = {
            "state": server.url,
            "providers": {"mock": {"type": "mock"}},
            "pipeline": {"request": [{"use": "tests.stores.counting:Counting"}]},
        }
        with serve(config) as served:
            hot, load = served.gateway.env.hot, Load(served)
            loading = asyncio.get_running_loop().create_task(load.run())

            async def answered(count: int) -> None:
                goal = sum(load.statuses.values()) + count
                await until(lambda: sum(load.statuses.values()) >= goal or loading.done())

            def lost() -> bool:
                return not hot.state().up

            await answered(100)
            quiet = load.worst()
            server.freeze()
            await until(lost)
            await answered(300)
            frozen = load.worst()
            server.thaw()
            await until(lambda: hot.state().up)
            await answered(100)
            load.worst()
            server.kill()
            await until(lost)
            await answered(100)
            killed = load.worst()
            server.start()
            await until(lambda: hot.state().up)
            await answered(100)
            assert int(server.ask("GET", "gateway:1:requests")) > 0, "healed: counted there again"
            load.over = True
            await loading
            assert set(load.statuses) == {200}, load.statuses
            figures = f"slowest: {quiet:.3f} s at first, {frozen:.3f} frozen, {killed:.3f} killed"
            # Nobody waits for what is lost: a few deadlines of 50 ms, and what a busy machine adds.
            assert max(frozen, killed) < quiet + 2, figures
    told = [record.getMessage() for record in caplog.records if "state:" in record.getMessage()]
    assert len(told) >= 4, told
    assert [" is lost" in line for line in told] == [number % 2 == 0 for number in range(len(told))], (
        "in turn, once each"
    )
    assert len(told) < 20, told
