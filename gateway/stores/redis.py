"""Hot state in a Redis that processes share."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from prometheus_client import Counter, Gauge
from redis.exceptions import RedisError

from gateway.config.state import RedisSettings
from gateway.seam.env import Env, Tasks
from gateway.stores.address import Address
from gateway.stores.client import open_client
from gateway.stores.hot import HotState, milliseconds
from gateway.stores.link import LOST, Link
from gateway.stores.memory import Memory
from gateway.stores.post import Post

FORMAT = 1
"""The version of all that is written. It stands in each name, so that releases that differ in it do not meet."""
_GOODBYE = 1.0
"""Seconds that connections may take to close: a server that is frozen does not say goodbye."""
_ADD = "redis.call('SET',KEYS[1],0,'PX',ARGV[2],'NX') return redis.call('INCRBY',KEYS[1],ARGV[1])"


class Redis:
    """What `state: redis://…` is: shared while the server answers within the deadline, else this process's memory.

    What memory kept while the server was lost is forgotten when it is back. Raises ValueError where the URL or a
    certificate cannot be read; the message does not show the URL.
    """

    def __init__(self, settings: RedisSettings) -> None:
        self._address = Address.parse(settings.url)
        self._prefix = f"{settings.prefix}:{FORMAT}:"
        self._client = open_client(self._address, settings)
        self._link = Link(self._client, str(self._address), self._name("probe"), settings.timeout, settings.connections)
        self._local = Memory()
        self._post = Post(self._client, self._link, self._name("post"), self._local.publish, self._tell_joined)
        self._joined: list[Callable[[], None]] = []

    async def start(self, env: Env) -> None:
        """Connect. A server that is down is told, and looked for from then on."""
        self._tasks = Tasks(env.log)  # its own, which are cancelled at the end and not waited for
        self._fallbacks = Counter(
            "gateway_state_fallbacks",
            "Calls to shared state that this process's own memory served.",
            registry=env.metrics,
        )
        self._up = Gauge(
            "gateway_state_up",
            "Whether the server of shared state answers.",
            registry=env.metrics,
            multiprocess_mode="livemin",
        )
        self._up.set(1)
        self._link.on_change(self._changed)
        await self._link.open(self._tasks, env.log)
        self._post.open(self._tasks)

    async def aclose(self) -> None:
        """Send what waits to be sent, and close all connections."""
        await self._post.aclose()
        self._link.close()
        await self._tasks.drain()
        with suppress(TimeoutError, RedisError):
            async with asyncio.timeout(_GOODBYE):
                await self._client.aclose()

    async def get(self, key: str) -> bytes | None:
        """See `Hot`."""
        value = await self._ask("GET", self._name(key))
        return await self._local.get(key) if value is LOST else value

    async def left(self, key: str) -> float | None:
        """See `Hot`."""
        left = await self._ask("PTTL", self._name(key))
        if left is LOST:
            return await self._local.left(key)
        return left / 1000 if left >= 0 else None

    async def set(self, key: str, value: bytes, ttl: float) -> None:
        """See `Hot`."""
        if await self._ask("SET", self._name(key), value, "PX", milliseconds(ttl)) is LOST:
            await self._local.set(key, value, ttl)

    async def delete(self, key: str) -> None:
        """See `Hot`."""
        if await self._ask("DEL", self._name(key)) is LOST:
            await self._local.delete(key)

    async def add(self, key: str, amount: int, ttl: float) -> int:
        """See `Hot`."""
        total = await self._ask("EVAL", _ADD, 1, self._name(key), amount, milliseconds(ttl))
        return await self._local.add(key, amount, ttl) if total is LOST else total

    def publish(self, channel: str, message: bytes) -> None:
        """See `Hot`. This process hears its own messages without the server."""
        self._local.publish(channel, message)
        self._post.send(channel, message)

    def subscribe(self, channel: str, hear: Callable[[bytes], None], joined: Callable[[], None] | None = None) -> None:
        """See `Hot`."""
        self._local.subscribe(channel, hear)
        if joined is not None:
            self._joined.append(joined)
            if self._post.hearing and not self._link.error:
                joined()

    def state(self) -> HotState:
        """See `Hot`."""
        return HotState("redis", not self._link.error, str(self._address), self._link.error)

    async def _ask(self, *command: Any) -> Any:
        answer = await self._link.ask(*command)
        if answer is LOST:
            self._fallbacks.inc()
        return answer

    def _name(self, key: str) -> str:
        return self._prefix + key

    def _changed(self) -> None:
        self._up.set(not self._link.error)
        if not self._link.error:
            self._local.clear()

    def _tell_joined(self) -> None:
        for joined in self._joined:
            joined()
