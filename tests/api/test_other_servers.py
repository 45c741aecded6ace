"""Under a server that is not ours, which neither takes pushes nor tells of a lost connection by itself."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
import uvicorn

from gateway.build import Gateway
from gateway.server import Application
from gateway.testing import Background, Received, Upstream, Wire, events
from tests.doors import USER

ASK = {"model": "up/m", "messages": USER, "stream": True}


@contextmanager
def served(upstream: Upstream) -> Iterator[tuple[str, Background]]:
    """The gateway's application in uvicorn's own h11 protocol."""
    with Background() as background:
        config = {"providers": {"up": {"type": "openai", "base_url": upstream.url, "api_key": "k"}}}
        gateway = background.call(lambda: Gateway.load(config))
        app = Application(gateway, alone=False)
        server = uvicorn.Server(
            uvicorn.Config(app, port=0, http="h11", interface="asgi3", lifespan="on", log_config=None)
        )
        serving = background.call(lambda: background.loop.create_task(server.serve()))
        background.until(lambda: server.started)

        async def stop() -> None:
            server.should_exit = True
            await serving

        try:
            yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", background
        finally:
            background.run(stop())


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    async def script(request: Received, wire: Wire) -> None:
        await wire.stream(events("Hel", "lo"))

    with Upstream(script) as upstream:
        yield upstream


def test_a_stream_is_the_same(upstream: Upstream) -> None:
    with served(upstream) as (url, _):
        answer = httpx.post(f"{url}/v1/chat/completions", json=ASK)
        assert answer.content == b"".join(event for event in events("Hel", "lo") if b'"usage"' not in event)


def test_a_long_stream_arrives_whole(upstream: Upstream) -> None:
    texts = ["x" * 5000] * 400

    async def script(request: Received, wire: Wire) -> None:
        await wire.stream(events(*texts))

    upstream.script = script
    with served(upstream) as (url, _):
        answer = httpx.post(f"{url}/v1/chat/completions", json=ASK, timeout=30)
        assert answer.content.count(texts[0].encode()) == len(texts)
        assert answer.content.endswith(b"data: [DONE]\n\n")


def test_a_broken_stream_ends_with_its_error(upstream: Upstream) -> None:
    async def script(request: Received, wire: Wire) -> None:
        await wire.open()
        await wire.chunk(b"".join(events("Hel", usage=False, done=False, finish=None)))
        wire.close()

    upstream.script = script
    with served(upstream) as (url, _):
        answer = httpx.post(f"{url}/v1/chat/completions", json=ASK)
        assert b"Hel" in answer.content
        assert b'"error"' in answer.content
        assert b"[DONE]" not in answer.content


def test_a_client_that_leaves_is_noticed(upstream: Upstream) -> None:
    async def script(request: Received, wire: Wire) -> None:
        await wire.open()
        await wire.chunk(events("Hel")[1])
        await wire.left()

    upstream.script = script
    with served(upstream) as (url, _):
        with httpx.stream("POST", f"{url}/v1/chat/completions", json=ASK) as answer:
            assert next(answer.iter_raw())
        upstream.background.until(lambda: upstream.left == 1)
