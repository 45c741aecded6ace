"""The mock upstream: an HTTP/1.1 server so small that it does not matter in what is measured.

`python -m loadtests.bench.upstream --port N`. The model in the request's body picks the behaviour, for that is what
passes through every proxy unchanged:

| model | whole | streamed |
|---|---|---|
| `bench`, any other | at once | 100 tokens, all at once in one write |
| `slow60` | after 50 to 70 ms, its text tells how long it was held | after 50 to 70 ms, at once |
| `paced`, `paced-N` | at once | 100 (N) tokens, one each 20 ms |
| `events` | at once | 100 tokens as fast as it goes, each event a write of its own |
| `drip` | at once | a token at once, then one each half second, without end |
| `steady` | at once | a token at once, then one each 20 ms, without end |
| `idle` | at once | the first token, then silence until the caller leaves |
| `mute` | never | never |
| `fail` | status 500 at once | status 500 at once |

On `/v1/messages` every model answers as `bench` does, in Anthropic's shape.

`GET /stats` tells the calls open, finished and aborted, and when each abort was noticed (CLOCK_MONOTONIC, which all
processes of a machine share), by the number that `call-N` in the request's text gives. `POST /reset` forgets them.
"""

import argparse
import asyncio
import gc
import json
import random
import re
import time
from collections.abc import Callable
from typing import cast

import uvloop

from loadtests.bench import answers, messages_answers

SLOW_SECONDS = 0.06
SLOW_SPREAD = 0.01
PACE_SECONDS = 0.02
DRIP_SECONDS = 0.5

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"transfer-encoding: *chunked", re.IGNORECASE)
_MODEL = re.compile(rb'"model"\s*:\s*"([^"-]+)-?(\d*)"')
_STREAM = re.compile(rb'"stream"\s*:\s*true')
_USAGE = re.compile(rb'"include_usage"\s*:\s*true')
_NUMBER = re.compile(rb"call-(\d+)")


class Counts:
    """What the upstream saw since it started or was reset."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything but that calls may be open now; those no longer count."""
        self.calls = 0
        self.finished = 0
        self.aborts: dict[str, float] = {}
        self.arrivals: dict[str, float] = {}

    def document(self) -> bytes:
        """The body of `GET /stats`."""
        aborted = len(self.aborts)
        return json.dumps(
            {
                "calls": self.calls,
                "open": self.calls - self.finished - aborted,
                "finished": self.finished,
                "aborted": aborted,
                "aborts": self.aborts,
                "arrivals": self.arrivals,
            }
        ).encode()


class Connection(asyncio.Protocol):
    """One connection: reads requests, answers as their model says."""

    def __init__(self, counts: Counts, loop: asyncio.AbstractEventLoop) -> None:
        self._counts = counts
        self._loop = loop
        self._pending = b""
        self._number = ""
        self._timer: asyncio.Handle | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Note the abort of a call that had not ended."""
        if self._timer is not None:
            self._timer.cancel()
        if self._number:
            self._counts.aborts[self._number] = time.monotonic()

    def data_received(self, data: bytes) -> None:
        """Answer each request that is complete."""
        if self._pending:
            data = self._pending + data
        while data:
            cut = _request(data)
            if cut is None:
                break
            target, body, size = cut
            data = data[size:]
            self._answer(target, body)
        self._pending = data

    def _answer(self, target: bytes, body: bytes) -> None:
        if target.startswith(b"POST /v1/messages"):
            self._counts.calls += 1
            self._counts.finished += 1
            streamed = _STREAM.search(body)
            self._transport.write(messages_answers.STREAM_ANSWER if streamed else messages_answers.WHOLE_ANSWER)
            return
        if not target.startswith(b"POST /v1/chat/completions"):
            self._transport.write(self._aside(target))
            return
        self._counts.calls += 1
        found = _MODEL.search(body)
        behave = _BEHAVIOURS.get(found[1]) if found else None
        if behave is None:
            self._counts.finished += 1
            self._transport.write(_at_once(body))
            return
        number = _NUMBER.search(body)
        self._number = number[1].decode() if number else f"unnumbered {self._counts.calls}"
        self._counts.arrivals[self._number] = time.monotonic()
        assert found
        behave(self, body, int(found[2] or answers.TOKENS))

    def _aside(self, target: bytes) -> bytes:
        body, status = b"{}", b"200 OK"
        if target.startswith(b"GET /stats"):
            body = self._counts.document()
        elif target.startswith(b"POST /reset"):
            self._counts.reset()
        elif not target.startswith(b"GET /"):  # proxies may probe with any GET
            status = b"404 Not Found"
        head = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        return head % (status, len(body)) + body

    def _end(self, data: bytes) -> None:
        self._transport.write(data)
        self._counts.finished += 1
        self._counts.arrivals.pop(self._number, None)
        self._number = ""
        self._timer = None

    def _slow(self, body: bytes, _tokens: int) -> None:
        came = time.monotonic()

        def end() -> None:
            streamed = _STREAM.search(body)
            self._end(_at_once(body) if streamed else answers.held_answer(time.monotonic() - came))

        # With one time for all, callers that ask again at once fall into step and come in bursts.
        delay = SLOW_SECONDS + random.uniform(-SLOW_SPREAD, SLOW_SPREAD)
        self._timer = self._loop.call_later(delay, end)

    def _paced(self, body: bytes, tokens: int) -> None:
        if not _STREAM.search(body):
            self._end(answers.WHOLE_ANSWER)
            return
        self._transport.write(answers.STREAM_HEAD + answers.ROLE_FRAME)
        start = self._loop.time()
        end = answers.END_FRAMES_WITH_USAGE if _USAGE.search(body) else answers.END_FRAMES

        def tick(n: int) -> None:
            if n > tokens:
                self._end(end)
                return
            self._transport.write(answers.TOKEN_FRAME)
            self._timer = self._loop.call_at(start + (n + 1) * PACE_SECONDS, tick, n + 1)

        self._timer = self._loop.call_at(start + PACE_SECONDS, tick, 1)

    def _events(self, body: bytes, tokens: int) -> None:
        if not _STREAM.search(body):
            self._end(answers.WHOLE_ANSWER)
            return
        end = answers.END_FRAMES_WITH_USAGE if _USAGE.search(body) else answers.END_FRAMES
        self._transport.write(answers.STREAM_HEAD + answers.ROLE_FRAME)

        # A turn of the loop each: within one turn uvloop joins what is written.
        def step(left: int) -> None:
            if self._transport.is_closing():
                return
            if not left:
                self._end(end)
                return
            self._transport.write(answers.TOKEN_FRAME)
            self._timer = self._loop.call_soon(step, left - 1)

        self._timer = self._loop.call_soon(step, tokens)

    def _drip(self, body: bytes, _tokens: int) -> None:
        self._endless(body, DRIP_SECONDS)

    def _steady(self, body: bytes, _tokens: int) -> None:
        self._endless(body, PACE_SECONDS)

    def _endless(self, body: bytes, pause: float) -> None:
        self._idle(body, 0)
        start = self._loop.time()

        def drop(n: int) -> None:
            self._transport.write(answers.TOKEN_FRAME)
            self._timer = self._loop.call_at(start + (n + 1) * pause, drop, n + 1)

        if _STREAM.search(body):
            self._timer = self._loop.call_at(start + pause, drop, 1)

    def _idle(self, body: bytes, _tokens: int) -> None:
        if not _STREAM.search(body):
            self._end(answers.WHOLE_ANSWER)
            return
        self._transport.write(answers.STREAM_HEAD + answers.ROLE_FRAME + answers.TOKEN_FRAME)

    def _fail(self, _body: bytes, _tokens: int) -> None:
        self._end(answers.FAILURE)

    def _mute(self, body: bytes, tokens: int) -> None:
        """Say nothing, ever."""


_BEHAVIOURS: dict[bytes, Callable[[Connection, bytes, int], None]] = {
    b"slow60": Connection._slow,
    b"paced": Connection._paced,
    b"events": Connection._events,
    b"drip": Connection._drip,
    b"steady": Connection._steady,
    b"idle": Connection._idle,
    b"mute": Connection._mute,
    b"fail": Connection._fail,
}


def _at_once(body: bytes) -> bytes:
    if not _STREAM.search(body):
        return answers.WHOLE_ANSWER
    return answers.STREAM_ANSWER_WITH_USAGE if _USAGE.search(body) else answers.STREAM_ANSWER


def _request(data: bytes) -> tuple[bytes, bytes, int] | None:
    """Request line, body and size of the first request in `data`; None while it is incomplete."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = data[:end]
    start = end + 4
    length = _LENGTH.search(head)
    if length is None:
        if _CHUNKED.search(head):
            return _chunked(data, head, start)
        return head, b"", start
    size = start + int(length[1])
    return (head, data[start:size], size) if len(data) >= size else None


def _chunked(data: bytes, head: bytes, at: int) -> tuple[bytes, bytes, int] | None:
    body = b""
    while True:
        line = data.find(b"\r\n", at)
        if line < 0:
            return None
        size = int(data[at:line].split(b";")[0], 16)
        at = line + 2 + size + 2
        if len(data) < at:
            return None
        if size == 0:
            return head, body, at
        body += data[line + 2 : at - 2]


async def serve(host: str, port: int) -> asyncio.Server:
    """Listen; port 0 takes a free one."""
    loop = asyncio.get_running_loop()
    counts = Counts()
    return await loop.create_server(lambda: Connection(counts, loop), host, port, backlog=4096)


async def _main(host: str, port: int) -> None:
    server = await serve(host, port)
    print("listening on", server.sockets[0].getsockname()[1], flush=True)
    gc.freeze()
    await server.serve_forever()


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--port", type=int, default=0)
    chosen = options.parse_args()
    uvloop.run(_main(chosen.host, chosen.port))
