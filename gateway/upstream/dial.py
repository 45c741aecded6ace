"""From a host name to a connected socket: whichever of the host's addresses answers first (RFC 8305)."""

import asyncio
import os
import socket
from collections.abc import Sequence
from itertools import chain, zip_longest
from typing import Any

DELAY = 0.25  # seconds that one address has for itself (RFC 8305 section 8)

AddressInfo = tuple[int, int, int, str, tuple[Any, ...]]


async def connected_socket(host: str, port: int) -> socket.socket:
    """Resolve `host` and connect; the socket is non-blocking and sends without delay.

    uvloop knows no `happy_eyeballs_delay`, and asyncio's starts tasks: here callbacks race. The wait has no bound of
    its own. Raises OSError where no address can be reached (the first address's error), socket.gaierror where the name
    does not resolve.
    """
    return await raced(await resolved(host, port))


async def resolved(host: str, port: int) -> Sequence[AddressInfo]:
    """The addresses of a host. Raises socket.gaierror where the name does not resolve."""
    return await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)


async def raced(found: Sequence[AddressInfo]) -> socket.socket:
    """Connect to whichever of these addresses answers first. Raises OSError where none does."""
    return await _Race(asyncio.get_running_loop(), alternating(found)).winner()


def alternating(found: Sequence[AddressInfo]) -> list[AddressInfo]:
    """Order addresses so that the families take turns, the first family first (RFC 8305 section 4)."""
    families: dict[int, list[AddressInfo]] = {}
    for info in found:
        families.setdefault(info[0], []).append(info)
    turns = zip_longest(*families.values())
    return [info for info in chain.from_iterable(turns) if info is not None]


class _Race:
    """Connects to addresses, one DELAY after the other, the next at once where one fails."""

    def __init__(self, loop: asyncio.AbstractEventLoop, addresses: list[AddressInfo]) -> None:
        self._loop = loop
        self._waiting = addresses[::-1]
        self._running: set[socket.socket] = set()
        self._result: asyncio.Future[socket.socket] = loop.create_future()
        self._timer: asyncio.TimerHandle | None = None
        self._error: OSError | None = None

    async def winner(self) -> socket.socket:
        self._start_next()
        try:
            return await self._result
        except BaseException:
            if self._result.done() and not self._result.cancelled() and self._result.exception() is None:
                self._result.result().close()  # won, and cancelled in the same turn of the loop
            raise
        finally:
            self._cancel_timer()
            for sock in self._running:
                self._loop.remove_writer(sock.fileno())
                sock.close()

    def _start_next(self) -> None:
        self._cancel_timer()
        while self._waiting and not self._result.done():
            family, kind, protocol, _, address = self._waiting.pop()
            try:
                sock = socket.socket(family, kind, protocol)
            except OSError as error:  # a family that this machine has not, or no descriptors left
                self._note(error)
                continue
            try:
                sock.setblocking(False)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.connect(address)
            except BlockingIOError:
                self._running.add(sock)
                self._loop.add_writer(sock.fileno(), self._settled, sock)
                if self._waiting:
                    self._timer = self._loop.call_later(DELAY, self._start_next)
                return
            except OSError as error:
                sock.close()
                self._note(error)
                continue
            self._result.set_result(sock)
        if not self._running and not self._result.done():
            self._result.set_exception(self._error or OSError("the name has no address"))

    def _settled(self, sock: socket.socket) -> None:
        self._loop.remove_writer(sock.fileno())
        self._running.discard(sock)
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code == 0 and not self._result.done():
            self._result.set_result(sock)
            return
        sock.close()
        if code:
            self._note(OSError(code, os.strerror(code)))
            self._start_next()

    def _note(self, error: OSError) -> None:
        if self._error is None:
            self._error = error

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
