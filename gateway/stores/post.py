"""Messages between processes, over a server's publish and subscribe."""

import asyncio
import os
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from gateway.seam.env import Tasks
from gateway.stores.client import Client
from gateway.stores.link import LOST, PAUSE, Link

_MOST_WAITING = 1000
"""Letters that may wait to be sent; beyond, the oldest are dropped."""
_LARGEST = 64 * 1024
"""Bytes of a letter; larger ones are not read."""
_SILENCE = 1.0
"""Seconds without a word after which the connection is asked whether it lives; as many again, and it is dead."""


class _Letter(NamedTuple):
    sender: bytes
    channel: str
    message: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Letter).decode


class Post:
    """All channels of the gateways that share a prefix, over one channel of the server's.

    `deliver` gets what other processes sent. `joined` is called when messages begin to come and go, at first and after
    each time when some may have been lost.
    """

    def __init__(
        self,
        client: Client,
        link: Link,
        channel: str,
        deliver: Callable[[str, bytes], None],
        joined: Callable[[], None],
    ) -> None:
        self._client = client
        self._link = link
        self._channel = channel
        self._deliver = deliver
        self._joined = joined
        self._me = os.urandom(8)
        self._outbox: deque[bytes] = deque(maxlen=_MOST_WAITING)
        self._sending: asyncio.Task[None] | None = None
        self.hearing = False

    def open(self, tasks: Tasks) -> None:
        """Begin to listen."""
        self._tasks = tasks
        self._link.on_change(self._changed)
        self._listening = tasks.spawn(self._listen())

    def send(self, channel: str, message: bytes) -> None:
        """Send to all other processes. While the server is lost this does nothing."""
        if self._link.error:
            return
        self._outbox.append(_encode(_Letter(self._me, channel, message)))
        if self._sending is None:
            self._sending = self._tasks.spawn(self._send())

    async def aclose(self) -> None:
        """Listen no more, and wait until what was sent is gone, or lost."""
        self._listening.cancel()
        if self._sending is not None:
            await asyncio.wait([self._sending])

    async def _send(self) -> None:
        try:
            while self._outbox:
                if await self._link.ask("PUBLISH", self._channel, self._outbox.popleft()) is LOST:
                    self._outbox.clear()
        finally:
            self._sending = None

    def _changed(self) -> None:
        if self.hearing and not self._link.error:
            self._joined()

    async def _listen(self) -> None:
        while True:
            try:
                await self._hear()
            except Exception as error:  # whatever the library raises: we come again
                heard, self.hearing = self.hearing, False
                if not heard:  # this was a try to connect, and not the end of a connection that was well
                    self._link.lose(error)
                await asyncio.sleep(PAUSE / 10 if heard else PAUSE)

    async def _hear(self) -> None:
        """Connect, and deliver what comes for as long as the connection lives."""
        async with asyncio.timeout(_SILENCE):
            line = await self._client.line()
        try:
            async with asyncio.timeout(_SILENCE):
                await line.connect()  # type: ignore[no-untyped-call]
                await line.send_command("SUBSCRIBE", self._channel)
                await line.read_response()
            self.hearing = True
            self._changed()
            asked = False
            while True:
                said = await line.read_response(timeout=_SILENCE)
                if said is None:
                    if asked:
                        raise ConnectionError("the connection for messages is dead")
                    await line.send_command("PING", check_health=False)
                asked = said is None
                if said is not None and said[0] == b"message":
                    self._read(said[2])
        finally:
            await line.disconnect(nowait=True)

    def _read(self, source: bytes) -> None:
        if len(source) > _LARGEST:
            return
        try:
            letter = _decode(source)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return  # not one of ours: the channel's name says which format is spoken here
        if letter.sender != self._me:
            self._deliver(letter.channel, letter.message)
