"""A client's connection that knows precisely when each byte came: HTTP/1.1, one request at a time, kept alive."""

import asyncio
import time
from collections.abc import Callable
from typing import cast

import httptools

Listener = Callable[[bytes, float], None]


class Lost(Exception):
    """The connection ended before its answer did."""


class Link(asyncio.Protocol):
    """Send with `ask`, await what it returns; `hear` is told each piece of the body with the moment of its read."""

    def __init__(self) -> None:
        self.status = 0
        self.body = bytearray()
        self.hear: Listener | None = None
        self.open = False
        self._keep = True
        self._now = 0.0
        self._ended: asyncio.Future[float] | None = None
        self._parser: httptools.HttpResponseParser
        self._transport: asyncio.Transport

    @classmethod
    async def to(cls, host: str, port: int) -> "Link":
        """Connect."""
        loop = asyncio.get_running_loop()
        _, link = await loop.create_connection(cls, host, port)
        return link

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready to ask."""
        self._transport = cast(asyncio.Transport, transport)
        self.open = True

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what still waits."""
        self.open = False
        if self._ended is not None and not self._ended.done():
            self._ended.set_exception(Lost(str(exc or "closed")))

    def ask(self, request: bytes, hear: Listener | None = None) -> asyncio.Future[float]:
        """Write the request; the future gives the moment (`time.perf_counter`) at which the answer was complete.

        With `hear` the body goes there piece by piece; without, it gathers in `body`.
        """
        self.body.clear()
        self.hear = hear
        self.status = 0
        self._parser = httptools.HttpResponseParser(self)
        self._ended = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._ended

    def leave(self) -> None:
        """Close, as a client that loses interest does."""
        if self._ended is not None:
            self._ended.cancel()
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Note the time, then parse."""
        self._now = time.perf_counter()
        if self._ended is None or self._ended.done():
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            if not self._ended.done():
                self._ended.set_exception(Lost(f"not HTTP: {error}"))

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        if self.hear is not None:
            self.hear(body, self._now)
        else:
            self.body += body

    def on_message_complete(self) -> None:
        """Called by the parser."""
        self.status = self._parser.get_status_code()
        # The parser knows this only inside of this callback.
        self._keep = self._parser.should_keep_alive()
        assert self._ended is not None
        if not self._ended.done():
            self._ended.set_result(self._now)
        if not self._keep:
            self.open = False
            self._transport.close()
