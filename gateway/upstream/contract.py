"""What callers hold: a client that sends, and the exchange that it brings."""

import socket
from collections.abc import Awaitable, Callable
from typing import Protocol

from gateway.seam.timeouts import Timeouts
from gateway.upstream.origin import Origin

Dial = Callable[[Origin], Awaitable[socket.socket]]
"""Connects to an origin: the socket is non-blocking. Raises OSError, socket.gaierror, or a GatewayError to refuse."""


class Exchange(Protocol):
    """One answer: its head is here, its body comes as it is read.

    Whoever holds an exchange calls `aclose()` in the end, whatever happened before; one reader at a time. A
    CancelledError thrown into a read ends the exchange and its connection.
    """

    @property
    def status(self) -> int:
        """The status code, 200 to 599."""

    @property
    def until_close(self) -> bool:
        """Whether the body is one that only the connection's close ends, so that a loss at its end would not show."""

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """All headers in their order; names in lower case."""

    def header(self, name: bytes) -> bytes | None:
        """The first value of the header `name` (lower case), or None."""

    async def read(self) -> bytes:
        """All that has come since the last read, decoded; b"" at the clean end.

        Raises UpstreamError where the body broke off or does not decode, UpstreamTimeout after `idle` seconds of
        silence; what came before is read first.
        """

    async def flow(self, push: Callable[[bytes], bool]) -> bool:
        """Hand bytes to `push` as they come, which must not block; True at the clean end.

        False as soon as `push` returned False: call again to go on. Raises what `read` raises, and what `push` does.
        """

    async def whole(self) -> bytes:
        """The entire body.

        Raises what `read` raises, and UpstreamError where the body is larger than the settings' `max_body`.
        """

    def finish(self) -> None:
        """The caller has seen what it calls the end: nothing more will be read.

        Where the message's own end is still to come, the connection waits for it a moment by itself, so that it can
        serve again; `aclose()` does not cut that short.
        """

    async def aclose(self) -> None:
        """End the exchange: before the body's end the connection is aborted at once, after it nothing happens."""


class Client(Protocol):
    """Sends requests to providers over pooled connections. One client belongs to one event loop."""

    async def send(self, origin: Origin, head: bytes, body: bytes, timeouts: Timeouts) -> Exchange:
        """Send one request and return once the answer's head is there.

        `head` is the request line and the headers, each line with its CRLF, without content-length and without the
        empty line; the caller answers for its being well formed (see `check_header`).

        Raises Unavailable where no connection came free in `timeouts.connect` seconds, UpstreamTimeout where
        connecting or the first byte took too long, UpstreamError where the provider could not be reached or what it
        sent is no HTTP answer. Messages name host and port, never a header: headers hold keys.
        """

    async def aclose(self) -> None:
        """Abort what is under way and close every connection. Safe to call twice."""
