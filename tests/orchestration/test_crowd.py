"""Many runs at one time."""

import asyncio

from gateway.seam import Usage
from gateway.testing import Received, Upstream, Wire, completion
from tests.orchestration.scripted import user, world

STEPS = [
    {"name": "a", "model": "m", "prompt": "a {{ input }}"},
    {"name": "b", "model": "m", "prompt": "b {{ input }} {{ a }}"},
    {"name": "c", "model": "m", "prompt": "c {{ input }} {{ b }}"},
]


async def test_a_thousand_sequential_chains_of_three_steps() -> None:
    chains = {"c": {"type": "sequential", "steps": STEPS}}
    async with world(chains=chains, orchestrator={"max_concurrent_chains": 1000}) as w, asyncio.timeout(60):

        async def one(number: int) -> None:
            answer = await w.gateway.run("chain:c", messages=user(str(number)))
            assert answer.text == f"<c {number} <b {number} <a {number}>>>"
            assert answer.usage == Usage(21, 9)

        async with asyncio.TaskGroup() as group:
            for number in range(1000):
                group.create_task(one(number))
        assert len(w.model.asked) == 3000
        assert w.model.most > 900


async def test_a_thousand_on_real_sockets_in_turns() -> None:
    """With slots for a hundred, each has its turn."""

    async def script(request: Received, wire: Wire) -> None:
        await wire.json(completion(request.json["messages"][-1]["content"][-5:]))

    with Upstream(script) as upstream:
        provider = {"type": "openai", "api_key": "k", "base_url": upstream.url}
        chains = {"c": {"type": "sequential", "steps": STEPS, "timeout": "60s"}}
        async with world(chains=chains, models={"m": "up/m"}, providers={"up": provider}) as w, asyncio.timeout(90):
            answers = await asyncio.gather(*(w.ask("chain:c", f"{number:05}") for number in range(1000)))
            assert answers == [f"{number:05}" for number in range(1000)]
        assert len(upstream.received) == 3000
