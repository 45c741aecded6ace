"""One gateway for all clients, in front of the mock provider and a scripted upstream."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from anthropic import Anthropic, AsyncAnthropic
from openai import AsyncOpenAI, OpenAI

from gateway.testing import Received, Served, Upstream, serve
from gateway.testing.upstream import Script
from tests.clients.scripts import saying

ROOT = Path(__file__).parents[2]
KEY = "sk-clients"
NARROW_KEY = "sk-narrow"


def config(upstream: str) -> dict[str, Any]:
    """A gateway with keys, a mock that can fail, and a scripted upstream called `up`."""
    return {
        "auth": {
            "keys": [
                {"name": "all", "key": KEY},
                {"name": "narrow", "key": NARROW_KEY, "models": ["mock/echo"]},
            ]
        },
        "providers": {
            "mock": {
                "type": "mock",
                "models": {
                    "flaky": {"failures": [{"kind": "status", "status": 429, "sequence": ["fail", "ok"]}]},
                    "limited": {"failures": [{"kind": "status", "status": 429}]},
                    "broken": {"failures": [{"kind": "error_event", "after": 2, "status": 503}]},
                    "cut": {"failures": [{"kind": "truncate", "after": 2}]},
                    "slow": {"like": "lorem", "first_token": "5ms", "pace": "2ms"},
                    "stuck": {"like": "lorem", "failures": [{"kind": "stall", "after": 3}]},
                },
                "replies": [
                    {"when": "weather", "model": "tools", "tool": {"name": "weather", "arguments": {"city": "Oslo"}}},
                ],
            },
            "up": {"type": "openai", "api_key": "sk-upstream", "base_url": upstream, "models": ["model"]},
            "claude": {"type": "anthropic", "api_key": "sk-upstream", "base_url": upstream},
        },
        "models": {"named": {"targets": [{"to": "up/model"}], "aliases": ["nick"]}},
    }


class House:
    """The gateway, what stands behind it, and what its clients need."""

    key = KEY
    narrow_key = NARROW_KEY

    def __init__(self, served: Served, upstream: Upstream) -> None:
        self.served = served
        self.upstream = upstream
        self.base_url = served.base_url
        self.settings: dict[str, Any] = {"base_url": self.base_url, "api_key": KEY}

    def script(self, script: Script) -> None:
        """Let the upstream do this from now on."""
        self.upstream.script = script

    @property
    def asked(self) -> list[Received]:
        """The requests that reached the upstream in this test."""
        return self.upstream.received

    def cancelled(self, calls: int = 1) -> None:
        """Wait until the gateway has left so many of the upstream's calls. Raises TimeoutError where it does not."""
        self.upstream.background.until(lambda: self.upstream.left == calls, 10)

    def renew(self) -> None:
        """Forget what has been."""
        self.upstream.script = saying("Hello", " world")
        self.upstream.received.clear()
        self.upstream.left = 0

    def quiet(self) -> None:
        """Wait until nothing is left of any call. Raises TimeoutError where something stays."""
        self.served.idle(10)
        self.upstream.background.until(lambda: self.upstream.open == 0, 10)


@pytest.fixture(scope="session")
def _built() -> Iterator[House]:
    with Upstream(saying("Hello", " world")) as upstream, serve(config(upstream.url), {}) as served:
        yield House(served, upstream)


@pytest.fixture
def house(_built: House) -> Iterator[House]:
    """The gateway in front of the mock and of a scripted upstream; nothing may be left of what a test began."""
    _built.renew()
    yield _built
    _built.quiet()


@pytest.fixture(scope="session")
def local() -> Iterator[Served]:
    """What `make run` serves, on a machine without any provider's key."""
    with serve(ROOT / "config" / "gateway.yaml", {}) as served:
        yield served


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the person's own, such as a proxy or a key, reaches a client."""
    for name in list(os.environ):
        if name.startswith(("OPENAI_", "ANTHROPIC_")) or name.lower() in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def client(house: House) -> Iterator[OpenAI]:
    """The official client, as its README opens it; it does not retry unless a test says so."""
    with OpenAI(**house.settings, max_retries=0) as client:
        yield client


@pytest.fixture
async def aclient(house: House) -> AsyncIterator[AsyncOpenAI]:
    """The official asynchronous client."""
    async with AsyncOpenAI(**house.settings, max_retries=0) as client:
        yield client


@pytest.fixture
def anthropic(house: House) -> Iterator[Anthropic]:
    """Anthropic's official client."""
    with Anthropic(base_url=house.served.url, api_key=KEY, max_retries=0) as client:
        yield client


@pytest.fixture
async def aanthropic(house: House) -> AsyncIterator[AsyncAnthropic]:
    """Anthropic's official asynchronous client."""
    async with AsyncAnthropic(base_url=house.served.url, api_key=KEY, max_retries=0) as client:
        yield client
