"""redis-py as we use it: no retries and no time limits of its own, trust made once, one shape for all kinds of Redis.

Its `socket_timeout` stays off, for it rests on `asyncio.wait_for`, which before Python 3.12 can swallow a cancellation:
whoever calls sets the one deadline, over connecting too.
"""

import random
import ssl
from collections.abc import Iterable
from typing import Any, Protocol

from redis.asyncio import ConnectionPool, Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import AbstractConnection, Connection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import (
    Sentinel,
    SentinelConnectionPool,
    SentinelManagedConnection,
    SentinelManagedSSLConnection,
)
from redis.backoff import NoBackoff

from gateway.config.state import RedisSettings
from gateway.stores.address import Address

_UNBOUNDED = 2**31
"""Of a pool's connections: whoever asks takes turns already, and redis-py raises where one should wait."""


class Client(Protocol):
    """A way to one Redis, however many servers it has."""

    async def command(self, *command: Any) -> Any:
        """Send one command, and return its answer. Has no deadline of its own."""
        ...

    async def check(self) -> None:
        """Raise where any server that keys may be on does not answer."""
        ...

    async def line(self) -> AbstractConnection:
        """Make a connection apart, not yet connected, to hear messages on."""
        ...

    async def forget(self) -> None:
        """Close idle connections, and forget who was the master and which node has what; ask others first next time."""
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...


def open_client(address: Address, settings: RedisSettings) -> Client:
    """Make the client for an address; nothing is connected yet.

    Raises ValueError where settings do not fit the address, or certificates cannot be read.
    """
    _check(address, settings)
    context = _trust(settings) if address.tls else None
    common: dict[str, Any] = {
        "retry": Retry(NoBackoff(), 0),
        "socket_timeout": None,
        "socket_connect_timeout": None,
        "protocol": 2,
        "driver_info": None,
    }
    user = {
        "username": settings.username or address.username,
        "password": settings.password or address.password,
    }
    # Of several, one that cannot be reached is passed over for the next.
    passing = {"socket_connect_timeout": settings.timeout}
    if address.kind == "cluster":
        options = common | user | passing | {"max_connections": settings.connections}
        return _Cluster(address.hosts, options, context)
    if address.kind == "sentinel":
        asking = passing | {"username": settings.sentinel_username, "password": settings.sentinel_password}
        return _Pooled(_behind_sentinels(address, common | user, common | asking, context))
    where = {"path": address.socket} if address.socket else _at(address.hosts[0])
    return _Pooled(_pool(common | user | where | {"db": address.database}, context))


class _Pooled:
    """One server, or the master behind Sentinels."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool: Any = pool  # what redis-py does not annotate
        self._redis: Any = Redis.from_pool(pool)
        self._sentinels: Any = pool.sentinel_manager if isinstance(pool, SentinelConnectionPool) else None

    async def command(self, *command: Any) -> Any:
        return await self._redis.execute_command(*command)

    async def check(self) -> None:
        await self._redis.execute_command("PING")

    async def line(self) -> AbstractConnection:
        line: AbstractConnection = self._pool.make_connection()
        return line

    async def forget(self) -> None:
        await self._pool.disconnect(inuse_connections=False)
        if self._sentinels is not None:
            random.shuffle(self._sentinels.sentinels)

    async def aclose(self) -> None:
        await self._redis.aclose()
        if self._sentinels is not None:
            await self._sentinels.aclose()


class _Cluster:
    """A cluster. After a failure its nodes are learnt anew from any of those that were known."""

    def __init__(
        self, hosts: Iterable[tuple[str, int]], options: dict[str, Any], context: ssl.SSLContext | None
    ) -> None:
        self._seeds = set(hosts)
        self._known: set[tuple[str, int]] = set()
        self._options = options
        self._context = context
        self._cluster = self._made()

    def _made(self) -> RedisCluster:
        hosts = list(self._seeds | self._known)
        random.shuffle(hosts)
        context = self._context
        nodes = [ClusterNode(host, port) for host, port in hosts]
        cluster = RedisCluster(startup_nodes=nodes, ssl=context is not None, **self._options)
        if context is not None:
            cluster.connection_kwargs.update({"connection_class": _Secure, "context": context})
            for node in cluster.startup_nodes:
                node.connection_class = _Secure
                node.connection_kwargs["context"] = context
        return cluster

    async def command(self, *command: Any) -> Any:
        return await self._cluster.execute_command(*command)

    async def check(self) -> None:
        await self._cluster.execute_command("PING", target_nodes=RedisCluster.PRIMARIES)

    async def line(self) -> AbstractConnection:
        await self._cluster.initialize()
        node = self._cluster.get_random_node()
        return node.connection_class(**node.connection_kwargs)

    async def forget(self) -> None:
        self._known = {(node.host, int(node.port)) for node in self._cluster.get_nodes()} or self._known
        old, self._cluster = self._cluster, self._made()
        await old.aclose()

    async def aclose(self) -> None:
        await self._cluster.aclose()


class _Trusting:
    """Hands each connection the one context: redis-py makes one a connection, which reads the system's trust anew."""

    def __init__(self, *, context: ssl.SSLContext, **options: Any) -> None:
        super().__init__(**options)
        self.ssl_context: Any
        self.ssl_context.context = context


class _Secure(_Trusting, SSLConnection):
    pass


class _SecureMaster(_Trusting, SentinelManagedSSLConnection):
    pass


def _pool(options: dict[str, Any], context: ssl.SSLContext | None) -> ConnectionPool:
    kind: type[AbstractConnection] = UnixDomainSocketConnection if "path" in options else Connection
    if context is not None:
        kind, options = _Secure, options | {"context": context}
    return ConnectionPool(connection_class=kind, max_connections=_UNBOUNDED, **options)


def _behind_sentinels(
    address: Address, options: dict[str, Any], asking: dict[str, Any], context: ssl.SSLContext | None
) -> SentinelConnectionPool:
    sentinels = Sentinel([])  # type: ignore[no-untyped-call]
    sentinels.sentinels = [Redis.from_pool(_pool(asking | _at(host), context)) for host in address.hosts]
    options |= {"connection_class": SentinelManagedConnection}
    if context is not None:
        options |= {"connection_class": _SecureMaster, "context": context}
    options |= {"db": address.database, "max_connections": _UNBOUNDED}
    return SentinelConnectionPool(address.master, sentinels, **options)  # type: ignore[no-untyped-call]


def _at(host: tuple[str, int]) -> dict[str, Any]:
    return {"host": host[0], "port": host[1]}


def _check(address: Address, settings: RedisSettings) -> None:
    """What would be ignored is an error: nobody is to believe that a connection is encrypted which is not."""
    if not address.tls and (settings.ca_file or settings.cert_file or not settings.verify):
        raise ValueError(f"ca_file, cert_file and verify are for TLS, and {address} has none; begin it with rediss")
    if address.kind != "sentinel" and (settings.sentinel_username or settings.sentinel_password):
        raise ValueError(f"sentinel_username and sentinel_password are for redis+sentinel://, found {address}")


def _trust(settings: RedisSettings) -> ssl.SSLContext:
    context = ssl.create_default_context()
    named = ""
    try:
        if settings.ca_file is not None:
            named = f"ca_file {settings.ca_file!r}"
            context.load_verify_locations(cafile=settings.ca_file)
        if settings.cert_file is not None:
            named = f"cert_file {settings.cert_file!r}"
            context.load_cert_chain(settings.cert_file, settings.key_file)
    except (OSError, ssl.SSLError) as error:
        raise ValueError(f"{named}: {error.strerror or error}") from error
    if not settings.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
