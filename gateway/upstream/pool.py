"""The connections to one host: kept, lent, waited for in turn."""

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import Callable
from time import monotonic

from gateway.seam.errors import Unavailable
from gateway.upstream.connection import Connection
from gateway.upstream.contract import Dial
from gateway.upstream.dial import connected_socket
from gateway.upstream.failure import ConnectFailed, ConnectTimeout, client_closed, exhausted
from gateway.upstream.origin import Origin
from gateway.upstream.settings import ClientSettings


class Pool:
    """Lends connections to one scheme, host and port.

    The connection used last is lent first, so that those not needed grow old and are closed. At most
    `max_connections` are open or being opened; whoever comes then waits, first come, first served: a connection or a
    place that comes free goes to the first who waits, never to a newcomer. `dial` connects, where not to any address
    that the host's name has.
    """

    def __init__(
        self,
        origin: Origin,
        settings: ClientSettings,
        trust: Callable[[], ssl.SSLContext],
        dial: Dial | None = None,
    ) -> None:
        self.address = origin.address
        self.settings = settings
        self._origin = origin
        self._trust = trust
        self._socket = dial or _connected
        self._idle: dict[Connection, None] = {}  # the one used last is last
        self._open: set[Connection] = set()
        self._dialling: set[asyncio.Timeout] = set()
        self._places = int(settings.max_connections)  # not taken: neither open nor being opened
        self._waiters: deque[asyncio.Future[Connection | None]] = deque()
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False
        self._emptied: asyncio.Future[None] | None = None

    @property
    def unused(self) -> bool:
        """Whether there is no connection, and nobody who is about to have one."""
        return self._places == self.settings.max_connections and not self._waiters

    def take(self) -> Connection | None:
        """Lend an idle connection that is fit to use, or None."""
        idle = self._idle
        if idle:
            now = monotonic()
            while idle:
                connection = idle.popitem()[0]
                if connection.ready(now):
                    return connection
                connection.abort()
        return None

    async def acquire(self, seconds: float) -> Connection:
        """Lend a connection: an idle one, a new one, or the next that comes free, within `seconds`.

        Raises Unavailable where none came free, ConnectTimeout and ConnectFailed where none could be opened.
        """
        deadline = monotonic() + seconds
        first_time = True
        while True:
            if self._closed:
                raise client_closed(self.address)
            connection = self.take()
            if connection is not None:
                return connection
            if self._places > 0:
                self._places -= 1
                return await self._dial(seconds, deadline)
            connection = await self._turn(seconds, deadline, first_time)
            if connection is None:
                return await self._dial(seconds, deadline)
            if connection.ready(monotonic()):
                return connection
            connection.abort()  # it died on its way here: the turn is still ours
            first_time = False

    def free(self, connection: Connection) -> None:
        """A connection's answer has ended: to the first who waits, or to the idle ones."""
        if self._closed:
            connection.abort()
            return
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        self._idle[connection] = None
        if self._sweeper is None:
            self._sweeper = connection.loop.call_later(self.settings.keepalive + 0.01, self._sweep)

    def gone(self, connection: Connection) -> None:
        """A connection's socket is closed: its place is free."""
        self._idle.pop(connection, None)
        if connection in self._open:
            self._open.discard(connection)
            self._give_place()

    def close(self) -> None:
        """Abort all connections and turn away all who wait."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_exception(client_closed(self.address))
        for limit in self._dialling:
            if not limit.expired():
                limit.reschedule(asyncio.get_running_loop().time())
        for connection in list(self._open):
            connection.fail(Unavailable, client_closed(self.address).message)
        self._idle.clear()

    async def closed(self) -> None:
        """Return once the sockets are closed."""
        if self._open or self._dialling:
            self._emptied = self._emptied or asyncio.get_running_loop().create_future()
            await asyncio.shield(self._emptied)

    async def _turn(self, seconds: float, deadline: float, last: bool) -> Connection | None:
        """Wait in the queue for a connection, or for a place (None)."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Connection | None] = loop.create_future()
        if last:
            self._waiters.append(waiter)
        else:
            self._waiters.appendleft(waiter)
        timer = loop.call_later(max(0.0, deadline - monotonic()), self._turn_away, waiter, seconds)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._return(waiter.result())  # given and cancelled in the same turn of the loop
            raise
        finally:
            timer.cancel()
            if waiter.cancelled():
                self._forget(waiter)

    def _turn_away(self, waiter: "asyncio.Future[Connection | None]", seconds: float) -> None:
        if not waiter.done():
            waiter.set_exception(exhausted(self.address, self.settings.max_connections, seconds))
            self._forget(waiter)

    def _forget(self, waiter: "asyncio.Future[Connection | None]") -> None:
        try:
            self._waiters.remove(waiter)
        except ValueError:
            pass

    def _return(self, given: Connection | None) -> None:
        if given is None:
            self._give_place()
        elif given.alive:
            self.free(given)

    def _give_place(self) -> None:
        if not self._closed:
            while self._waiters:
                waiter = self._waiters.popleft()
                if not waiter.done():
                    waiter.set_result(None)
                    return
        self._places += 1
        if self._emptied is not None and not self._open and not self._dialling and not self._emptied.done():
            self._emptied.set_result(None)

    async def _dial(self, seconds: float, deadline: float) -> Connection:
        """Open a connection in a place that is already taken; give it back where that fails."""
        try:
            connection = await self._connect(seconds, deadline)
        except BaseException:
            self._give_place()
            raise
        self._open.add(connection)
        return connection

    async def _connect(self, seconds: float, deadline: float) -> Connection:
        loop = asyncio.get_running_loop()
        limit = asyncio.timeout(max(0.0, deadline - monotonic()))
        try:
            async with limit:
                self._dialling.add(limit)
                try:
                    return await self._shake_hands(loop, await self._socket(self._origin))
                finally:
                    self._dialling.discard(limit)
        except TimeoutError:
            if self._closed:
                raise client_closed(self.address) from None
            if not limit.expired():  # the kernel's own, long before ours
                raise ConnectFailed(f"Connecting to {self.address} timed out.") from None
            raise ConnectTimeout(f"Connecting to {self.address} took longer than {seconds:g} s (connect).") from None
        except socket.gaierror as error:
            raise ConnectFailed(f"The name of {self.address} does not resolve ({error.strerror}).") from error
        except ssl.SSLCertVerificationError as error:
            raise ConnectFailed(
                f"The certificate of {self.address} is not trusted: {error.verify_message} "
                "(upstream.ca_file names one to trust in addition).",
                retryable=False,
            ) from error
        except ssl.SSLError as error:
            raise ConnectFailed(f"TLS with {self.address} failed: {error.reason or error}.") from error
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise ConnectFailed(f"Connecting to {self.address} failed: {why}.") from error

    async def _shake_hands(self, loop: asyncio.AbstractEventLoop, sock: socket.socket) -> Connection:
        fileno = sock.fileno()
        try:
            transport, connection = await loop.create_connection(lambda: Connection(self, loop), sock=sock)
        except BaseException:
            sock.close()
            raise
        try:
            if self._origin.scheme == "https" and connection.alive:
                # Not by create_connection: asyncio's leaves the socket open where it is cancelled before the handshake.
                secure = await loop.start_tls(transport, connection, self._trust(), server_hostname=self._origin.host)
                connection.secure(secure)
            if self._closed:
                raise client_closed(self.address)
            if not connection.alive:
                raise ConnectionResetError("the peer closed the new connection")
        except BaseException:
            connection.alive = False
            transport.abort()
            raise
        connection.watch(fileno)
        return connection

    def _sweep(self) -> None:
        """Close idle connections that have grown too old."""
        self._sweeper = None
        now = monotonic()
        old = [connection for connection in self._idle if connection.expires <= now]
        for connection in old:
            del self._idle[connection]
            connection.abort()
        if self._idle:
            due = min(connection.expires for connection in self._idle)
            loop = next(iter(self._idle)).loop
            self._sweeper = loop.call_later(due - now + 0.01, self._sweep)


async def _connected(origin: Origin) -> socket.socket:
    return await connected_socket(origin.host, origin.port)
