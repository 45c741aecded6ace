"""The protocol's own rules, where uvicorn's are others."""

import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from gateway.protocol import Outlet, Protocol
from gateway.testing import Received, Served, Upstream, Wire, events, serve
from tests.doors import block

ASK = b'{"model":"mock/echo","messages":[{"role":"user","content":"Hello"}]}'
REQUEST = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%s" % (len(ASK), ASK)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A gateway that closes idle connections after a fifth of a second."""
    made = Protocol.connection_made

    def hasty(self: Protocol, transport: object) -> None:
        self.timeout_keep_alive = 0.2
        made(self, transport)  # type: ignore[arg-type]

    monkeypatch.setattr(Protocol, "connection_made", hasty)
    with serve({"providers": {"mock": {"type": "mock"}}}) as served:
        yield served


def connected(served: Served) -> socket.socket:
    parts = urlsplit(served.url)
    return socket.create_connection((parts.hostname, parts.port), timeout=20)


@pytest.mark.parametrize("begun", [b"", b"POST /v1/chat/comp", REQUEST[:60]], ids=["nothing", "line", "head"])
def test_a_connection_without_a_request_is_closed(served: Served, begun: bytes) -> None:
    with connected(served) as client:
        client.sendall(begun)
        assert client.recv(100) == b""


def test_an_idle_connection_is_closed_and_a_busy_one_serves_on(served: Served) -> None:
    with connected(served) as client:
        for _ in range(3):
            client.sendall(REQUEST)
            answer = b""
            while not answer.endswith(b"}"):
                answer += client.recv(65536)
            assert answer.startswith(b"HTTP/1.1 200")
        assert client.recv(100) == b""
    served.background.until(lambda: served.connections == 0)


def test_a_request_that_takes_longer_than_idleness_may_last(served: Served) -> None:
    """Idleness is a connection without a request, not a request without bytes."""
    with serve({"providers": {"mock": {"type": "mock", "first_token": "600ms"}}}) as slow, connected(slow) as client:
        client.sendall(REQUEST)
        assert client.recv(65536).startswith(b"HTTP/1.1 200")


def test_pipelined_requests_are_answered_in_turn(served: Served) -> None:
    with connected(served) as client:
        client.sendall(REQUEST * 3)
        answers = b""
        while answers.count(b"HTTP/1.1 200") < 3 or not answers.endswith(b"}"):
            answers += client.recv(65536)


def test_pipelined_streams_do_not_mix(served: Served) -> None:
    asks = [ASK.replace(b"Hello", word)[:-1] + b',"stream":true}' for word in (b"one" * 40, b"two" * 40, b"three")]
    with connected(served) as client:
        for ask in asks:
            client.sendall(
                b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%s" % (len(ask), ask)
            )
        answers = b""
        while answers.count(b"data: [DONE]") < 3 or not answers.endswith(b"0\r\n\r\n"):
            answers += client.recv(65536)
    bodies = answers.split(b"HTTP/1.1 200 OK")[1:]
    words = [set(re.findall(rb"one|two|three", b"".join(re.findall(rb'"content":"([^"]*)"', body)))) for body in bodies]
    assert words == [{b"one"}, {b"two"}, {b"three"}]


def test_what_comes_for_an_answer_that_is_over_goes_nowhere() -> None:
    written: list[bytes] = []
    outlet = Outlet(written.append, full=True)
    outlet.chunked = True
    assert not outlet.push(b"data: {}\n\n")
    outlet.close()
    assert outlet.push(b"data: {}\n\n")
    assert written == [b"a\r\ndata: {}\n\n\r\n"]


def test_a_stream_over_http_1_0_has_no_chunks_and_ends_with_the_connection(served: Served) -> None:
    ask = ASK[:-1] + b',"stream":true}'
    with connected(served) as client:
        head = b"POST /v1/chat/completions HTTP/1.0\r\nconnection: keep-alive\r\ncontent-length: %d\r\n\r\n"
        client.sendall(head % len(ask) + ask)
        answer = b""
        while data := client.recv(65536):
            answer += data
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head
    assert body.startswith(b"data: {")
    assert body.endswith(b"data: [DONE]\n\n")


def test_a_stream_over_http_1_0_that_fails_ends_with_its_error(caplog: pytest.LogCaptureFixture) -> None:
    async def script(request: Received, wire: Wire) -> None:
        await wire.open()
        await wire.chunk(b"".join(events("Hello", usage=False, done=False, finish=None)))
        await wire.end()

    ask = b'{"model":"up/m","stream":true,"messages":[]}'
    with ExitStack() as stack:
        upstream = stack.enter_context(Upstream(script))
        client = stack.enter_context(connected(stack.enter_context(serve({"providers": {"up": block(upstream)}}))))
        client.sendall(b"POST /v1/chat/completions HTTP/1.0\r\ncontent-length: %d\r\n\r\n" % len(ask) + ask)
        answer = b""
        while data := client.recv(65536):
            answer += data
    assert b"Hello" in answer
    assert b'"code":"upstream_error"' in answer.splitlines()[-2]
    assert not caplog.records
