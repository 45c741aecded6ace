"""Bodies that say themselves that they are larger than `server.max_body`: refused before they are read."""

import json
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest

from tests.doors import USER, Answer, Doors, Raw, opened, parsed

LIMIT = 1000
MESSAGE = f"The body is larger than the {LIMIT} bytes that this gateway takes (server.max_body)."
CHAT = "/v1/chat/completions"
OPENAI = {"message": MESSAGE, "type": "invalid_request_error", "param": None, "code": "request_too_large"}
DOORS = [
    CHAT,
    "/v1/completions",
    "/v1/embeddings",
    "/v1/moderations",
    "/v1/messages",
    "/v1/messages/count_tokens",
    "/v1/conversations",
]
WAITING = pytest.mark.parametrize("expect", ["", "expect: 100-continue\r\n"])


@pytest.fixture(scope="module")
def _small() -> Iterator[Doors]:
    with opened({"server": {"max_body": LIMIT, "cors": {"origins": ["https://page.example"]}}}) as doors:
        yield doors


@pytest.fixture
def small(_small: Doors) -> Iterator[Doors]:
    """A gateway that takes small bodies only, and waits long for them."""
    yield _small
    _small.quiet()


def head(length: object, path: str = CHAT, more: str = "") -> bytes:
    return f"POST {path} HTTP/1.1\r\nhost: x\r\n{more}content-length: {length}\r\n\r\n".encode()


def refused(client: Raw, data: bytes = b"") -> Answer:
    """The whole refusal that comes, or came in part already."""
    data = data or client.until(b"\r\n\r\n")
    assert data.startswith(b"HTTP/1.1 413 ")  # and not 100
    while not (answer := parsed(data)).complete:
        data += client.socket.recv(65536)
    assert answer.headers["connection"] == "close"
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"].startswith("req_")
    return answer


@WAITING
@pytest.mark.parametrize("path", DOORS)
def test_it_is_refused_at_its_head(small: Doors, path: str, expect: str) -> None:
    with small.raw() as client:
        client.send(head(LIMIT + 1, path, expect))
        answer = refused(client)
    if "messages" in path:
        told = json.loads(answer.body)
        assert told["error"] == {"type": "request_too_large", "message": MESSAGE}
        assert told["request_id"] == answer.headers["request-id"]
    else:
        assert answer.error == OPENAI


@WAITING
@pytest.mark.parametrize("length", [10**6, 2**63, 2**64 - 1])
def test_however_large_it_is(small: Doors, length: int, expect: str) -> None:
    with small.raw() as client:
        client.send(head(length, more=expect))
        assert refused(client).error == OPENAI


def test_a_body_as_large_as_allowed_is_waited_for(small: Doors) -> None:
    body = json.dumps({"model": "mock/echo", "messages": USER}).encode().ljust(LIMIT)
    with small.raw() as client:
        client.send(head(LIMIT, more="expect: 100-continue\r\n"))
        client.until(b"HTTP/1.1 100 Continue\r\n\r\n")
        client.send(body[:500])
        client.send(body[500:])
        client.until(b"HTTP/1.1 200")


def test_leading_zeros_are_no_length(small: Doors) -> None:
    body = json.dumps({"model": "mock/echo", "messages": USER}).encode()
    with small.raw() as client:
        client.send(head(f"{len(body):040}") + body[:10])
        client.send(body[10:])
        client.until(b"HTTP/1.1 200")


@WAITING
@pytest.mark.parametrize(
    "length", ["x", "12x", "-1", "+1001", "0x7d1", "1e9", "1001.0", "10 01", "1001, 1001", "", "9" * 30]
)
def test_a_length_that_is_no_number_is_the_parsers(small: Doors, length: str, expect: str) -> None:
    with small.raw() as client:
        client.send(head(length, more=expect))
        answer = parsed(client.rest())
    assert (answer.status, answer.error["code"]) == (400, "invalid_http")


@pytest.mark.parametrize("lengths", [("5", "1001"), ("1001", "5"), ("1001", "1001")])
def test_several_lengths_are_the_parsers(small: Doors, lengths: tuple[str, str]) -> None:
    with small.raw() as client:
        client.send(head(lengths[0], more=f"content-length: {lengths[1]}\r\n"))
        answer = parsed(client.rest())
    assert (answer.status, answer.error["code"]) == (400, "invalid_http")


@pytest.mark.parametrize("together", [True, False])
def test_a_client_that_sends_everything_first_reads_why(small: Doors, together: bool) -> None:
    body = b"x" * (8 * 2**20)
    with small.raw() as client:
        if together:
            client.send(head(len(body)) + body)
        else:
            client.send(head(len(body)))
            for start, end in pairwise(range(0, len(body) + 1, 2**20)):
                client.send(body[start:end])
        assert refused(client).error == OPENAI
        assert client.socket.recv(1) == b""  # closed, and not reset


def test_a_library_reads_why(small: Doors) -> None:
    answer = small.post(b"x" * (4 * 2**20))
    assert (answer.status_code, answer.json()) == (413, {"error": OPENAI})
    assert small.client.get("/health/live").status_code == 200


def test_what_was_asked_before_on_the_connection_is_answered_first(small: Doors) -> None:
    with small.raw() as client:
        client.send(b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n" + head(LIMIT + 1))
        first, _, second = client.until(b"}}").partition(b'{"status":"live"}')
        assert first.startswith(b"HTTP/1.1 200 ")
        assert refused(client, second).error == OPENAI


def test_a_page_may_read_why(small: Doors) -> None:
    with small.raw() as client:
        client.send(head(LIMIT + 1, more="origin: https://page.example\r\n"))
        answer = refused(client)
    assert answer.headers["access-control-allow-origin"] == "https://page.example"


@pytest.mark.parametrize("sent", [b"", b"x" * 100])
def test_a_client_that_falls_silent_is_left(small: Doors, sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.api.visit._SILENCE", 0.02)
    with small.raw() as client:
        client.send(head(LIMIT + 1) + sent)
        assert refused(client, client.rest()).error == OPENAI


def test_a_client_that_never_stops_is_left_when_a_body_must_have_come() -> None:
    with opened({"server": {"max_body": LIMIT, "body_timeout": "100ms"}}) as doors, doors.raw() as client:
        client.send(head(2**60))
        until, closed = time.monotonic() + 20, False
        while not closed and time.monotonic() < until:
            try:
                client.send(b"x" * 2**16)
            except ConnectionError:
                closed = True
        assert closed
