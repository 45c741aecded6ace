"""One client at the door: its body, its leaving, and what has been sent to it."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from typing import Any

from gateway.api.answers import JSON, Receive, Scope, Send
from gateway.routing.patience import Patience
from gateway.seam import Call, Early, GatewayError, InvalidRequest, Tasks, TooLarge

OK = 200
GRACE = 0.02
"""On servers that do not tell of a lost connection, how long a call runs before a task begins to watch for it: most are
over by then, and a task costs."""
_SILENCE = 1.0
"""Seconds without a byte after which a client that was refused has stopped sending."""
_DIGITS = 20
"""Digits of a body's length that are looked at: no limit has more."""
STREAM = (b"content-type", b"text/event-stream; charset=utf-8")
_NO_CACHE = (b"cache-control", b"no-cache")  # proxies on the way must not keep or buffer a stream
_NO_BUFFER = (b"x-accel-buffering", b"no")


class BodyPatience(Patience):
    """How long clients may take to send a body, from the end of its head on."""

    def reason(self) -> GatewayError:
        """Status 408."""
        return InvalidRequest(
            f"The body did not arrive within {self.seconds:g} s.",
            status=408,
            code="request_timeout",
            headers=[(b"connection", b"close")],
        )


Push = Callable[[bytes], bool]
Work = Callable[..., Coroutine[Any, Any, None]]
ID_HEADERS = (b"x-request-id",)


class Job:
    """A coroutine that starts as a task after a while, unless it is cancelled; then or later."""

    __slots__ = ("_task", "_timer")

    def __init__(self, tasks: Tasks, seconds: float, work: Work, *args: Any) -> None:
        self._task: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(seconds, self._start, tasks, work, args)

    def cancel(self) -> None:
        """It is not wanted any more."""
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def _start(self, tasks: Tasks, work: Work, args: tuple[Any, ...]) -> None:
        self._task = tasks.spawn(work(*args))


class Visit:
    """What one HTTP request may do: give its body, be told of the client's leaving, be pinged, be answered.

    A client that leaves cancels the task that serves it. `gone` says so.
    """

    __slots__ = (
        "_connection",
        "_headers",
        "_held",
        "_ids",
        "_pinging",
        "_receive",
        "_send",
        "_short",
        "_task",
        "_tasks",
        "_unread",
        "_watching",
        "call",
        "gone",
        "id",
        "opened",
        "push",
        "started",
    )

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        tasks: Tasks,
        request_id: str,
        id_headers: Sequence[bytes] = ID_HEADERS,
    ) -> None:
        self._receive: Receive | None = receive
        self._send: Send | None = send
        self._tasks = tasks
        self._task = asyncio.current_task()
        self._connection: Any = scope.get("gateway.connection")
        self._short: bool = self._connection is not None and self._connection.short(send)
        self._watching: Job | None = None
        self.call: Call | None = None
        """What the client asks for, once that is known."""
        self._pinging: Job | None = None
        self._headers: Iterable[tuple[bytes, bytes]] = scope["headers"]
        self._unread: BodyPatience | None = None  # how long a client may go on sending a body that is refused
        self._held = b""
        self.push: Push = self._keep
        """Send a piece of the answer's body without awaiting; False where `drained` must be awaited before the next.

        It is another from the answer's start on.
        """
        self.id = request_id.encode()
        self._ids = [(name, self.id) for name in id_headers]
        self.gone = False
        self.started = False
        self.opened = False
        """Whether what opens a stream that is pinged has been sent."""

    async def body(self, limit: int, patience: BodyPatience) -> bytes | None:
        """The request's body; None where the client left before its end. Raises `TooLarge`, `InvalidRequest`.

        A body that says itself that it is too large is not waited for, and no client is told to `100 Continue` with it.
        """
        assert self._receive is not None
        here: bytes | None = self._connection.body() if self._connection is not None else None
        if here is not None:
            if len(here) > limit:
                raise _too_large(limit)
            return here
        if _length(self._headers) > limit:
            self._unread = patience
            raise _too_large(limit)
        with patience.limit():
            message = await self._receive()
            if message["type"] == "http.disconnect":
                return None
            body: bytes = message.get("body", b"")
            if message.get("more_body"):
                return await self._long_body(bytearray(body), limit)
        if len(body) > limit:
            raise _too_large(limit)
        return body

    async def _long_body(self, body: bytearray, limit: int) -> bytes | None:
        assert self._receive is not None
        more = True
        while more:
            if len(body) > limit:
                raise _too_large(limit)
            message = await self._receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            more = message.get("more_body", False)
        if len(body) > limit:
            raise _too_large(limit)
        return bytes(body)

    def watch(self) -> None:
        """From now on, cancel this task when the client leaves."""
        if self._connection is not None:
            self._connection.watch(self.leave)
        else:
            self._watching = Job(self._tasks, GRACE, self._listen)

    def hold(self, seconds: float, every: float, ping: bytes, opening: Callable[[], bytes] = bytes) -> None:
        """Unless the answer begins within `seconds`, begin it, and send `ping` `every` so often until it comes.

        What `opening` makes goes in front of the first.
        """
        self._pinging = Job(self._tasks, seconds, self._pings, every, ping, opening)

    def leave(self) -> None:
        """The client has left."""
        self.gone = True
        if self._task is not None:
            self._task.cancel()

    async def start(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> bool:
        """Begin the answer; False where pings have begun it already, with status 200. Pings end here.

        The watch for a client that leaves goes on.
        """
        begun = self.started
        self.started = True
        if begun:
            if self._pinging is not None:
                self._pinging.cancel()
            return False
        assert self._send is not None
        head = [*headers, *self._ids]
        if self._short and status == OK:
            await self.drained()
            self._connection.begin(head)
        else:
            await self._send({"type": "http.response.start", "status": status, "headers": head})
        if self._connection is not None:
            self.push = self._connection.outlet()
        return True

    def _keep(self, data: bytes) -> bool:
        self._held += data  # other servers take it by `send` only
        return False

    async def drained(self) -> None:
        """Wait until the client has read enough of what was pushed."""
        if self._connection is not None:
            if self._connection.flow.write_paused:
                await self._connection.flow.drain()
        elif self._held:
            await self.write(b"")

    async def end(self) -> None:
        """End a streamed answer."""
        if self._short:
            self._connection.end()
        else:
            await self.write(b"", more=False)

    async def write(self, data: bytes, *, more: bool = True) -> None:
        """Send a piece of the answer; waits where the client reads slowly."""
        assert self._send is not None
        if self._held:
            data, self._held = self._held + data, b""
        await self._send({"type": "http.response.body", "body": data, "more_body": more})

    async def answer(self, status: int, body: bytes, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """Send a whole JSON answer."""
        if self._short and status == OK:
            self.started = True
            await self.drained()
            self._connection.answer([JSON, *headers, *self._ids], body)
            return
        await self.start(status, [JSON, (b"content-length", b"%d" % len(body)), *headers])
        if self._unread is not None:
            await self.write(body)
            await self._discard(self._unread)
            body = b""
        await self.write(body, more=False)

    def over(self) -> None:
        """The answer is sent, or nobody wants it. References that would make a cycle with the server's are let go."""
        for job in (self._watching, self._pinging):
            if job is not None:
                job.cancel()
        self._watching = self._pinging = None
        if self._connection is not None:
            self._connection.watcher = None
            self._connection = None
        self._short = False
        self._receive = self._send = self._task = self.call = None
        del self.push

    async def _discard(self, patience: BodyPatience) -> None:
        """Throw away what the client still sends: to close before it has read the answer could take that from it."""
        assert self._receive is not None
        more = True
        # A server that stops waits for no such client: its cancelling ends this as well.
        with suppress(TimeoutError, GatewayError, asyncio.CancelledError), patience.limit():
            while more:
                async with asyncio.timeout(_SILENCE):
                    more = (await self._receive()).get("more_body", False)

    async def _listen(self) -> None:
        while self._receive is not None:
            if (await self._receive())["type"] == "http.disconnect":
                self.leave()
                return

    async def _pings(self, every: float, ping: bytes, opening: Callable[[], bytes]) -> None:
        if self.started:
            return
        early = None if self.call is None else self.call.get(Early)
        await self.start(200, STREAM_HEADERS if early is None else (*STREAM_HEADERS, *early.headers))
        await self.write(opening() + ping)
        self.opened = True
        while True:
            await asyncio.sleep(every)
            await self.write(ping)


STREAM_HEADERS = (STREAM, _NO_CACHE, _NO_BUFFER)


def _length(headers: Iterable[tuple[bytes, bytes]]) -> int:
    """How long a request says that its body is; 0 where it does not say."""
    for name, value in headers:
        if name == b"content-length":
            return int(value[:_DIGITS]) if value.isdigit() else 0
    return 0


def _too_large(limit: int) -> GatewayError:
    return TooLarge(
        f"The body is larger than the {limit} bytes that this gateway takes (server.max_body).",
        headers=[(b"connection", b"close")],
    )
