from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from gateway.config.state import RedisSettings
from gateway.seam import Env
from gateway.stores.redis import Redis
from tests.servers import RedisServer

Opened = Callable[..., Awaitable[Redis]]


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A server of the test's own, to be broken."""
    with RedisServer() as server:
        yield server


@pytest.fixture
async def opened() -> AsyncIterator[Opened]:
    """Makes stores, each as a process of its own has it; closes them after the test.

    Unless a test is about the deadline, that is long: a busy machine is no failure of the server's.
    """
    async with AsyncExitStack() as stack:

        async def make(url: str, env: Env | None = None, **settings: Any) -> Redis:
            store = Redis(RedisSettings(url=url, **({"timeout": 1.0} | settings)))
            await store.start(Env(http=None, metrics=CollectorRegistry()) if env is None else env)
            stack.push_async_callback(store.aclose)
            return store

        yield make


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks for a lost server come five times as often, so that tests need not wait."""
    monkeypatch.setattr("gateway.stores.link.PAUSE", 0.2)
    monkeypatch.setattr("gateway.stores.post.PAUSE", 0.2)
    monkeypatch.setattr("gateway.stores.post._SILENCE", 0.3)
