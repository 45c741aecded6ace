"""A tool that sends a request: what the model may choose, and what it is told."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from gateway.testing import Received, Upstream, Wire
from tests.orchestration.agents import Agents, Called, Said, agents, transcript

SAID: dict[str, Any] = {"status": "sent"}


@contextmanager
def shop(status: int = 200) -> Iterator[tuple[Upstream, Agents]]:
    """A shop, and an agent that may ask it for an order."""

    async def orders(request: Received, wire: Wire) -> None:
        await wire.json(SAID if status == 200 else {"no": request.headers["authorization"]}, status)

    with Upstream(orders) as site:
        base = site.url.removesuffix("/v1")
        http = {"url": base + "/orders/{{ number }}/state", "headers": {"authorization": "Bearer s3cret-key"}}
        config = {
            "orchestrator": {"http_hosts": [{"host": base, "private": True}]},
            "tools": {"order": {"description": "Finds an order.", "parameters": {"number": "string"}, "http": http}},
            "chains": {"agent": {"type": "simple", "model": "m", "tools": ["order"]}},
        }
        with agents(config) as world:
            yield site, world


def result_of(world: Agents, number: str) -> str:
    """What the model is shown of a call for that order."""
    model, _ = world.plays(Said(None, [Called("order", {"number": number})]), Said("So it is."))
    answer = world.doors.chat("chain:agent")
    assert answer.json()["choices"][0]["message"]["content"] == "So it is."
    kind, _, result = transcript(model.asked[1])[-1]
    assert kind == "result"
    assert "s3cret" not in json.dumps([model.asked, answer.text])
    return str(result)


def test_a_model_may_ask() -> None:
    with shop() as (site, world):
        assert json.loads(result_of(world, "47/11?x")) == SAID
        assert [request.path for request in site.received] == ["/orders/47%2F11%3Fx/state"]


@pytest.mark.parametrize("number", ["..", "../admin", "%2e%2e", "", "a\nb"])
def test_a_model_cannot_leave_the_path(number: str) -> None:
    with shop() as (site, world):
        assert result_of(world, number).startswith("Error: No request can be made: a part of the URL's path ")
        assert site.received == []


def test_a_model_is_told_why_it_failed() -> None:
    with shop(404) as (_, world):
        told = result_of(world, "4711")
    assert told.startswith("Error: 127.0.0.1:")
    assert told.endswith(' answered 404: {"no": "…"}')
