"""One client at the door, on a server that tells of nothing by itself (any ASGI server but ours)."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, MutableMapping
from typing import Any

import pytest

from gateway.api.visit import BodyPatience, Visit
from gateway.build import Gateway
from gateway.seam import InvalidRequest, Tasks, TooLarge
from tests.doors import USER, events_of

Message = MutableMapping[str, Any]


class Client:
    """The other side of an ASGI application."""

    def __init__(self, *messages: Message) -> None:
        self.coming: asyncio.Queue[Message] = asyncio.Queue()
        self.sent: list[Message] = []
        self.headers: list[tuple[bytes, bytes]] = []
        self.tasks = Tasks(logging.getLogger("test"))
        for message in messages:
            self.coming.put_nowait(message)

    async def receive(self) -> Message:
        return await self.coming.get()

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    def visit(self) -> Visit:
        return Visit({"type": "http", "headers": self.headers}, self.receive, self.send, self.tasks, "req_1")

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)


def piece(body: bytes, more: bool = False) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


LEFT = {"type": "http.disconnect"}
LONG = BodyPatience(30)


async def test_a_body_in_one_piece_and_in_many() -> None:
    assert await Client(piece(b"abc")).visit().body(3, LONG) == b"abc"
    assert await Client(piece(b"a", True), piece(b"", True), piece(b"bc")).visit().body(3, LONG) == b"abc"
    assert await Client({"type": "http.request"}).visit().body(3, LONG) == b""


async def test_a_body_that_is_too_large_is_refused_as_soon_as_it_is() -> None:
    for messages in ([piece(b"abcd")], [piece(b"ab", True), piece(b"cd", True)], [piece(b"ab", True), piece(b"cd")]):
        with pytest.raises(TooLarge):
            await Client(*messages).visit().body(3, LONG)


async def declared(client: Client, length: bytes) -> Visit:
    """A client's visit, refused by the length of its body alone."""
    client.headers = [(b"host", b"x"), (b"content-length", length)]
    visit = client.visit()
    waiting = client.coming.qsize()
    with pytest.raises(TooLarge):
        await visit.body(3, LONG)
    assert client.coming.qsize() == waiting  # nothing was read
    return visit


@pytest.mark.parametrize("length", [b"4", b"04", b"1000", b"9" * 5000])
async def test_a_body_that_says_that_it_is_too_large_is_not_read(length: bytes) -> None:
    await declared(Client(piece(b"abcd")), length)


@pytest.mark.parametrize("length", [b"3", b"", b"x", b"-4", b"+4", b"4_0", b" 4", b"4.0", b"0" * 5000 + b"3"])
async def test_a_length_that_is_none_or_allowed_leaves_the_body_to_be_counted(length: bytes) -> None:
    for body, ok in ((b"abc", True), (b"abcd", False)):
        client = Client(piece(body))
        client.headers = [(b"content-length", length)]
        if ok:
            assert await client.visit().body(3, LONG) == body
        else:
            with pytest.raises(TooLarge):
                await client.visit().body(3, LONG)


async def test_what_a_refused_client_still_sends_is_read_and_forgotten() -> None:
    client = Client(piece(b"abcd", True), piece(b"efgh", True), piece(b"ij"))
    visit = await declared(client, b"10")
    await visit.answer(413, b"{}", [])
    assert client.coming.empty()
    assert [message.get("more_body") for message in client.sent] == [None, True, False]
    assert client.body == b"{}"


async def test_a_refused_client_that_leaves_ends_the_reading() -> None:
    client = Client(piece(b"abcd", True), LEFT)
    visit = await declared(client, b"10")
    await visit.answer(413, b"{}", [])
    assert client.coming.empty()


async def test_a_server_that_stops_waits_for_no_refused_client() -> None:
    client = Client()
    visit = await declared(client, b"10")
    task = asyncio.get_running_loop().create_task(visit.answer(413, b"{}", []))
    async with asyncio.timeout(5):
        while not client.body:  # noqa: ASYNC110 (what is waited for tells nobody)
            await asyncio.sleep(0)
        task.cancel()
        await task
    assert client.sent[-1]["more_body"] is False


async def test_a_client_that_leaves_has_no_body() -> None:
    assert await Client(LEFT).visit().body(3, LONG) is None
    assert await Client(piece(b"a", True), LEFT).visit().body(3, LONG) is None


@pytest.mark.parametrize("messages", [(), (piece(b"a", True),)])
async def test_a_body_that_takes_too_long(messages: tuple[Message, ...]) -> None:
    with pytest.raises(InvalidRequest, match=r"within 0\.01 s") as caught:
        await Client(*messages).visit().body(3, BodyPatience(0.01))
    assert caught.value.status == 408


async def test_an_answer_begins_once() -> None:
    client = Client()
    visit = client.visit()
    assert await visit.start(201, [(b"a", b"b")])
    assert not await visit.start(500, [])
    await visit.write(b"x")
    await visit.write(b"", more=False)
    visit.over()
    assert client.sent == [
        {"type": "http.response.start", "status": 201, "headers": [(b"a", b"b"), (b"x-request-id", b"req_1")]},
        {"type": "http.response.body", "body": b"x", "more_body": True},
        {"type": "http.response.body", "body": b"", "more_body": False},
    ]


async def test_a_visit_that_is_over_leaves_no_timer_and_no_task() -> None:
    client = Client()
    visit = client.visit()
    visit.watch()
    visit.hold(0.001, 0.001, b"ping")
    async with asyncio.timeout(10):
        while client.body.count(b"ping") < 2:  # noqa: ASYNC110 (what is waited for tells nobody)
            await asyncio.sleep(0.001)
    visit.over()
    await client.tasks.drain()
    sent = len(client.sent)
    await asyncio.sleep(0.01)
    assert len(client.sent) == sent


async def test_what_opens_a_pinged_stream_is_sent_once_and_made_only_then() -> None:
    made = []

    def opening() -> bytes:
        made.append(1)
        return b"open "

    client = Client()
    visit = client.visit()
    visit.hold(0.001, 0.001, b"ping ", opening)
    assert (visit.opened, made) == (False, [])
    async with asyncio.timeout(10):
        while client.body.count(b"ping") < 3:  # noqa: ASYNC110 (what is waited for tells nobody)
            await asyncio.sleep(0.001)
    assert client.body.startswith(b"open ping ping ")
    assert (visit.opened, made) == (True, [1])
    visit.over()
    await client.tasks.drain()


async def test_the_request_is_named_in_each_header_that_a_dialect_looks_for() -> None:
    client = Client()
    visit = Visit({"type": "http", "headers": []}, client.receive, client.send, client.tasks, "req_1", (b"a", b"b"))
    await visit.answer(404, b"{}", [])
    visit.over()
    assert client.sent[0]["headers"][-2:] == [(b"a", b"req_1"), (b"b", b"req_1")]


# ---- the whole application


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    models = {"slow": {"first_token": "10s"}, "late": {"first_token": "150ms"}}
    config = {
        "server": {"stream": {"hold": "50ms", "ping": "20ms"}},
        "providers": {"mock": {"type": "mock", "models": models}},
    }
    async with Gateway.load(config) as gateway:
        yield gateway


def scope(path: str = "/v1/chat/completions", method: str = "POST") -> Message:
    return {"type": "http", "path": path, "method": method, "headers": [], "client": ("1.2.3.4", 5)}


def request(model: str, **fields: Any) -> Message:
    return piece(json.dumps({"model": model, "messages": USER, **fields}).encode())


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_cancels_its_call(gateway: Gateway, stream: bool) -> None:
    client = Client(request("mock/slow", stream=stream), LEFT)
    async with asyncio.timeout(5):
        await gateway.app(scope(), client.receive, client.send)  # returns quietly
    await gateway.env.tasks.drain()
    mock: Any = gateway._providers["mock"]
    assert mock.open == 0


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
async def test_a_server_that_stops_cancels_a_call_and_says_so(gateway: Gateway, path: str) -> None:
    client = Client(request("mock/slow", max_tokens=9))
    task = asyncio.get_running_loop().create_task(gateway.app(scope(path), client.receive, client.send))
    await asyncio.sleep(0)  # the call has begun
    task.cancel()
    await task
    assert client.sent[0]["status"] == (503 if path == "/v1/chat/completions" else 529)
    assert (b"connection", b"close") in client.sent[0]["headers"]
    assert "ask again" in json.loads(client.body)["error"]["message"]
    await gateway.env.tasks.drain()
    mock: Any = gateway._providers["mock"]
    assert mock.open == 0


async def test_a_server_that_stops_waits_for_no_client_that_does_not_read(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.api.door._LAST_WORD", 0.01)

    async def stuck(message: Message) -> None:
        await asyncio.Event().wait()

    task = asyncio.get_running_loop().create_task(gateway.app(scope(), Client(request("mock/slow")).receive, stuck))
    await asyncio.sleep(0)
    task.cancel()
    async with asyncio.timeout(5):
        await task
    await gateway.env.tasks.drain()


async def test_pings_and_then_the_answer(gateway: Gateway) -> None:
    client = Client(request("mock/late", stream=True))
    await gateway.app(scope(), client.receive, client.send)
    assert client.body.startswith(b": ping\n\n")
    assert events_of(client.body)[-1] == "[DONE]"
    assert client.sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}
    await gateway.env.tasks.drain()


async def test_other_scopes_are_left_alone(gateway: Gateway) -> None:
    client = Client()
    await gateway.app({"type": "websocket", "path": "/x"}, client.receive, client.send)
    assert not client.sent
