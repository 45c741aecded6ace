import asyncio

import httpx
import pytest

from gateway.testing import Received, Upstream, Wire, completion, events

TIMEOUT = 10


async def greet(request: Received, wire: Wire) -> None:
    await wire.json(completion("Hi."))


def test_it_answers_as_its_script_says_and_keeps_what_it_got() -> None:
    with Upstream(greet) as upstream, httpx.Client(trust_env=False, timeout=TIMEOUT) as client:
        answer = client.post(f"{upstream.url}/chat/completions?a=b", json={"n": 1}, headers={"X-A": "b"})
        assert answer.json()["choices"][0]["message"]["content"] == "Hi."
        (received,) = upstream.received
        assert (received.method, received.path) == ("POST", "/v1/chat/completions?a=b")
        assert received.headers["x-a"] == "b"
        assert received.json == {"n": 1}
        assert (upstream.open, upstream.left) == (0, 0)


def test_it_streams_and_its_script_can_be_changed() -> None:
    async def stream(request: Received, wire: Wire) -> None:
        await wire.stream(events("Hel", "lo."))

    with Upstream(greet) as upstream, httpx.Client(trust_env=False, timeout=TIMEOUT) as client:
        client.post(upstream.url)
        upstream.script = stream
        answer = client.post(upstream.url)
        assert answer.headers["content-type"] == "text/event-stream"
        assert answer.content == b"".join(events("Hel", "lo."))


@pytest.mark.parametrize("reset", [True, False])
def test_it_breaks_where_it_is_told_to(reset: bool) -> None:
    async def broken(request: Received, wire: Wire) -> None:
        wire.reset() if reset else wire.close()

    error = httpx.ReadError if reset else httpx.RemoteProtocolError
    with Upstream(broken) as upstream, pytest.raises(error):
        httpx.post(upstream.url, trust_env=False, timeout=TIMEOUT)


def test_it_knows_who_left() -> None:
    async def wait(request: Received, wire: Wire) -> None:
        await wire.open()
        await wire.left()

    with Upstream(wait) as upstream, httpx.Client(trust_env=False, timeout=TIMEOUT) as client:
        with client.stream("POST", upstream.url):
            upstream.background.until(lambda: upstream.open == 1)
        upstream.background.until(lambda: upstream.left == 1)
        assert upstream.open == 0


def test_a_script_that_waits_for_ever_ends_with_its_server() -> None:
    async def wait(request: Received, wire: Wire) -> None:
        await asyncio.get_running_loop().create_future()

    with Upstream(wait) as upstream, pytest.raises(httpx.ReadTimeout):
        httpx.post(upstream.url, trust_env=False, timeout=0.05)


def test_the_events_that_it_makes() -> None:
    assert len(events("a", "b")) == 6
    assert events(usage=False, done=False, finish=None) == events()[:1]
    assert events()[-1] == b"data: [DONE]\n\n"
    assert completion("a", id="x")["id"] == "x"
