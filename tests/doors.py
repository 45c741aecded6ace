"""A gateway before a scripted upstream, and clients to speak to it."""

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

import httpx

from gateway.testing import Received, Served, Upstream, Wire, completion, serve

USER = [{"role": "user", "content": "Hello?"}]


class Answer(NamedTuple):
    """What came over a raw connection, its head read and its chunks joined."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    complete: bool

    @property
    def error(self) -> dict[str, Any]:
        return error_of(self.body)


class Raw:
    """A client that speaks bytes."""

    def __init__(self, url: str, seconds: float = 20) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout=seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def post(self, body: bytes, path: str = "/v1/chat/completions", headers: str = "") -> None:
        self.send(f"POST {path} HTTP/1.1\r\nhost: x\r\n{headers}content-length: {len(body)}\r\n\r\n".encode() + body)

    def until(self, mark: bytes) -> bytes:
        """What comes up to and with `mark`."""
        data = b""
        while mark not in data:
            piece = self.socket.recv(65536)
            assert piece, f"closed before {mark!r}: {data!r}"
            data += piece
        return data

    def rest(self) -> bytes:
        """What comes until the other side closes; a reset counts as a close."""
        data = bytearray()
        try:
            while piece := self.socket.recv(65536):
                data += piece
        except ConnectionError:
            pass
        return bytes(data)


def parsed(data: bytes) -> Answer:
    """The one answer in `data`."""
    head, _, body = data.partition(b"\r\n\r\n")
    line, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (text.partition(":") for text in lines)}
    complete = True
    if headers.get("transfer-encoding") == "chunked":
        body, complete = _dechunked(body)
    elif "content-length" in headers:
        complete = len(body) == int(headers["content-length"])
    return Answer(int(line.split(" ")[1]), headers, body, complete)


def _dechunked(data: bytes) -> tuple[bytes, bool]:
    pieces = []
    start = 0
    while (end := data.find(b"\r\n", start)) >= 0:
        length = int(data[start:end], 16)
        if length == 0:
            return b"".join(pieces), True
        pieces.append(data[end + 2 : end + 2 + length])
        start = end + 2 + length + 2
    return b"".join(pieces), False


def error_of(body: bytes) -> dict[str, Any]:
    """The error object of a body, which has all four keys and no others."""
    document = json.loads(body)
    assert list(document) == ["error"]
    error: dict[str, Any] = document["error"]
    assert list(error) == ["message", "type", "param", "code"]
    assert isinstance(error["message"], str)
    assert error["message"]
    assert isinstance(error["type"], str)
    assert all(error[name] is None or isinstance(error[name], str) for name in ("param", "code"))
    return error


def anthropic_error_of(answer: httpx.Response) -> tuple[int, str, str]:
    """Status, type and message of an error in Anthropic's shape, which names the request as the headers do."""
    document = answer.json()
    assert list(document) == ["type", "error", "request_id"]
    assert document["type"] == "error"
    assert list(document["error"]) == ["type", "message"]
    assert document["request_id"] == answer.headers["request-id"] == answer.headers["x-request-id"]
    assert answer.headers["content-type"] == "application/json"
    return answer.status_code, document["error"]["type"], document["error"]["message"]


def named_events_of(body: bytes) -> list[tuple[str, Any]]:
    """The events of a stream whose events have names."""
    found = []
    for event in body.split(b"\n\n")[:-1]:
        name, data = event.split(b"\n")
        assert name.startswith(b"event: ")
        assert data.startswith(b"data: ")
        found.append((name[7:].decode(), json.loads(data[6:])))
    return found


def events_of(body: bytes) -> list[Any]:
    """The documents of a stream's events; the end mark as a string, comments left out."""
    found = []
    for event in body.split(b"\n\n"):
        for line in event.split(b"\n"):
            if line.startswith(b"data: "):
                found.append("[DONE]" if line == b"data: [DONE]" else json.loads(line[6:]))
    return found


def text_of(body: bytes) -> str:
    """The text of a streamed answer."""
    return "".join(
        choice["delta"].get("content") or ""
        for event in events_of(body)
        if event != "[DONE]"
        for choice in event.get("choices", ())
    )


async def hello(request: Received, wire: Wire) -> None:
    """A script that greets."""
    await wire.json(completion("Hello."))


class Doors:
    """A served gateway with the provider `up` (scripted) and `mock`."""

    def __init__(self, served: Served, upstream: Upstream, client: httpx.Client) -> None:
        self.served = served
        self.upstream = upstream
        self.client = client
        self.url = served.url

    def chat(self, model: str = "up/m", headers: Mapping[str, str] | None = None, **body: Any) -> httpx.Response:
        """Ask, and read the whole answer."""
        return self.client.post(
            "/v1/chat/completions", json={"model": model, "messages": USER, **body}, headers=dict(headers or {})
        )

    def messages(self, model: str = "up/m", headers: Mapping[str, str] | None = None, **body: Any) -> httpx.Response:
        """Ask as Anthropic's clients do, and read the whole answer."""
        return self.client.post(
            "/v1/messages",
            json={"model": model, "max_tokens": 100, "messages": USER, **body},
            headers={"anthropic-version": "2023-06-01", **(headers or {})},
        )

    def post(self, body: bytes, path: str = "/v1/chat/completions", **headers: str) -> httpx.Response:
        """Send a body as it is."""
        return self.client.post(path, content=body, headers={"content-type": "application/json", **headers})

    def raw(self) -> Raw:
        """A connection that speaks bytes."""
        return Raw(self.url)

    def last(self) -> Received:
        """The request that the upstream received last."""
        return self.upstream.received[-1]

    def quiet(self) -> None:
        """Wait until nothing is served, here or upstream, and no task is left."""
        self.served.idle()
        self.upstream.background.until(lambda: self.upstream.open == 0)


def block(upstream: Upstream, **settings: Any) -> dict[str, Any]:
    """A provider's settings that lead to the scripted upstream."""
    return {"type": "openai", "api_key": "sk-upstream", "base_url": upstream.url, **settings}


@contextmanager
def opened(config: Mapping[str, Any] | None = None, up: Mapping[str, Any] | None = None) -> Iterator[Doors]:
    """Serve a configuration, beside the providers `up` and `mock`; nothing may be left when the block is."""
    document = dict(config or {})
    with Upstream(hello) as upstream:
        document["providers"] = {"up": block(upstream, **(up or {})), "mock": {"type": "mock"}} | document.get(
            "providers", {}
        )
        with serve(document) as served, httpx.Client(base_url=served.url, timeout=30, trust_env=False) as client:
            doors = Doors(served, upstream, client)
            yield doors
            doors.quiet()
