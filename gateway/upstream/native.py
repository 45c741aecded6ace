"""Our own client: HTTP/1.1 over pooled connections."""

import ssl
from typing import cast

from gateway.seam.timeouts import Timeouts
from gateway.upstream.contract import Dial
from gateway.upstream.exchange import NativeExchange
from gateway.upstream.failure import Failure, client_closed
from gateway.upstream.origin import Origin
from gateway.upstream.pool import Pool
from gateway.upstream.settings import ClientSettings
from gateway.upstream.trust import tls_context

MOST_HOSTS = 256
"""From so many hosts on, those without a connection are forgotten when another comes."""


class NativeClient:
    """Keeps a pool for each scheme, host and port (see contract.Client).

    `dial` connects, where not to any address that a host's name has: who may not go everywhere decides there, once
    the name is resolved. Raises ValueError where the settings' `ca_file` cannot be read.
    """

    def __init__(self, settings: ClientSettings, dial: Dial | None = None) -> None:
        self._settings = settings
        self._dial = dial
        self._pools: dict[Origin, Pool] = {}  # by origin: those that differ in path only share a pool
        self._hosts: dict[tuple[str, str, int], Pool] = {}
        # Made when first needed; but a ca_file that is wrong must be told at the start.
        self._context: ssl.SSLContext | None = tls_context(settings) if settings.ca_file is not None else None
        self._closed = False

    async def send(self, origin: Origin, head: bytes, body: bytes, timeouts: Timeouts) -> NativeExchange:
        """Send one request and return once the answer's head is there (see contract.Client)."""
        pool = self._pools.get(origin) or self._open(origin)
        connection = pool.take() or await pool.acquire(timeouts.connect)
        exchange = connection.begin(head, body, timeouts)
        waiter = exchange.waiter = connection.loop.create_future()
        try:
            await waiter
        except BaseException:  # cancelled: nothing may stay behind
            exchange.close()
            raise
        if not exchange.status:
            raise cast(Failure, exchange.failure).error()
        return exchange

    async def aclose(self) -> None:
        """Abort what is under way and close every connection (see contract.Client)."""
        self._closed = True
        for pool in self._hosts.values():
            pool.close()
        for pool in self._hosts.values():
            await pool.closed()

    def _open(self, origin: Origin) -> Pool:
        if self._closed:
            raise client_closed(origin.address)
        place = (origin.scheme, origin.host, origin.port)
        pool = self._hosts.get(place)
        if pool is None:
            if len(self._hosts) >= MOST_HOSTS:
                self._forget_unused()
            pool = self._hosts[place] = Pool(origin, self._settings, self._trust, self._dial)
        self._pools[origin] = pool
        return pool

    def _forget_unused(self) -> None:
        """Drop the pools of hosts that nobody is connected to: redirects may lead to ever new names."""
        self._hosts = {place: pool for place, pool in self._hosts.items() if not pool.unused}
        self._pools = {origin: pool for origin, pool in self._pools.items() if not pool.unused}

    def _trust(self) -> ssl.SSLContext:
        if self._context is None:
            self._context = tls_context(self._settings)
        return self._context
