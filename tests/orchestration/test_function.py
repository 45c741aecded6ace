"""Steps in Python: functions, and nodes of one's own."""

import asyncio
import threading
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.seam import Call, Conversation, GatewayError, Handler, InvalidRequest, Reply, Usage
from tests.orchestration.scripted import failing, user, world

HERE = __name__
SEEN: dict[str, Any] = {}


@dataclass
class Order:
    id: int
    state: str = "sent"


def find_order(id: int, deep: dict[str, Any] | None = None) -> Order:  # noqa: A002
    SEEN["thread"] = threading.current_thread()
    SEEN["args"] = (id, deep)
    return Order(id)


async def later(text: str) -> list[str]:
    await asyncio.sleep(0)
    SEEN["thread"] = threading.current_thread()
    return [text, text.upper()]


def breaks() -> None:
    raise ValueError("a secret")


def refuses() -> None:
    raise InvalidRequest("There is no such order.")


def odd() -> object:
    return object()


async def twice(call: Call, run: Handler) -> Reply:
    """Asks the model, then again of what it said: a node."""
    SEEN["body"] = call.request.body
    first = await run(call.child(model="m"))
    chunk = await first.whole()
    text = chunk.parts()[0].text
    if call.request.body["inputs"].get("stop"):
        return Reply.saying(call, text)
    return await run(call.child(model="m2"))


async def whose(call: Call, run: Handler) -> Reply:
    return Reply.saying(call, repr(call.get(Conversation)))


class Count:
    """A node with a state of its own, started and closed with the gateway."""

    def __init__(self) -> None:
        self.count = 0

    async def start(self, env: Any) -> None:
        SEEN["started"] = [*SEEN.get("started", ()), env]

    async def aclose(self) -> None:
        SEEN["closed"] = self.count

    async def __call__(self, call: Call, run: Handler) -> Reply:
        self.count += 1
        return Reply.saying(call, f"{self.count} {call.request.body['inputs']['n']}")


def calling(function: str, template: str = "{{ f }}", **more: Any) -> dict[str, Any]:
    step = {"name": "f", "function": f"{HERE}:{function}", **more}
    return {"c": {"type": "sequential", "steps": [step, {"name": "t", "template": template}]}}


async def test_a_function_that_may_block_runs_in_a_thread() -> None:
    args = {"id": "{{ inputs.id }}", "deep": {"a": ["{{ input }}", "x {{ input }}", 3]}}
    async with world(chains=calling("find_order", "{{ f.id + 1 }} {{ f.state }}", args=args)) as w:
        assert await w.ask("chain:c", "hi", inputs={"id": 41}) == "42 sent"
        assert SEEN["args"] == (41, {"a": ["hi", "x hi", 3]})
        assert SEEN["thread"] is not threading.main_thread()


async def test_an_async_function_runs_in_the_loop() -> None:
    async with world(chains=calling("later", "{{ f[1] }}", args={"text": "{{ input }}"})) as w:
        assert await w.ask("chain:c", "hi") == "HI"
        assert SEEN["thread"] is threading.current_thread()


async def test_a_function_may_answer() -> None:
    chain = {"type": "simple", "function": f"{HERE}:find_order", "args": {"id": 7}}
    async with world(chains={"c": chain}) as w:
        answer = await w.gateway.run("chain:c", messages=user("x"))
        assert answer.json == {"id": 7, "state": "sent"}
        assert answer.usage == Usage()


async def test_a_function_that_fails_tells_nothing_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    async with world(chains=calling("breaks")) as w:
        with pytest.raises(GatewayError, match=f"The function {HERE}:breaks failed; the gateway's log") as caught:
            await w.ask("chain:c")
        assert (caught.value.status, caught.value.code) == (500, "function_failed")
        assert "secret" not in caught.value.message
        assert "a secret" in caplog.text


async def test_a_function_may_refuse() -> None:
    async with world(chains=calling("refuses")) as w:
        with pytest.raises(GatewayError, match="Step 'f' of chain:c: There is no such order") as caught:
            await w.ask("chain:c")
        assert caught.value.status == 400


async def test_what_json_cannot_hold_is_no_output() -> None:
    async with world(chains=calling("odd")) as w:
        with pytest.raises(GatewayError, match="must return what JSON can hold"):
            await w.ask("chain:c")


@pytest.mark.parametrize("stream", [False, True])
async def test_a_node_answers_as_a_model_does(stream: bool) -> None:
    chain = {"type": "simple", "function": f"{HERE}:twice", "args": {"who": "{{ input }}"}}
    async with world(chains={"c": chain}) as w:
        if stream:
            reading = w.gateway.run("chain:c", messages=user("Hi"), stream=True, temperature=0.5)
            assert "".join([piece async for piece in reading]) == "<Hi>"
        else:
            assert await w.ask("chain:c", temperature=0.5) == "<Hi>"
        assert SEEN["body"]["inputs"] == {"who": "Hi"}
        assert SEEN["body"]["temperature"] == 0.5
        assert [call.target.model for call in w.model.calls if call.target] == ["m", "m2"]
        assert {call.origin for call in w.model.calls} == {"chain:c/answer"}


async def test_a_nodes_text_is_its_output() -> None:
    async with world(chains=calling("twice", "({{ f }})", args={"stop": True})) as w:
        assert await w.ask("chain:c") == "(<Hi>)"
        w.model.says["Hi"] = failing()
        with pytest.raises(GatewayError, match="Step 'f' of chain:c: It is down"):
            await w.ask("chain:c")


async def test_a_node_is_made_once_and_started_and_closed() -> None:
    chains = calling("Count", args={"n": "{{ input }}"})
    chains["d"] = {"type": "simple", "function": f"{HERE}:Count", "args": {"n": 0}}
    async with world(chains=chains) as w:
        assert await w.ask("chain:c", "x") == "1 x"
        assert await w.ask("chain:d") == "2 0"
        assert SEEN["started"] == [w.env]
    assert SEEN["closed"] == 2


async def endless(call: Call, run: Handler) -> Reply:
    """Asks the chain that it is a step of."""
    return await run(call.child(model="chain:c"))


async def test_a_node_that_asks_its_own_chain_comes_to_an_end() -> None:
    chains = {"c": {"type": "simple", "function": f"{HERE}:endless"}}
    async with world(chains=chains, orchestrator={"max_concurrent_chains": 1}) as w:
        with pytest.raises(GatewayError, match="Calls nest more than 16 deep") as caught:
            await w.ask("chain:c")
        assert (caught.value.status, caught.value.code) == (400, "too_deep")
        assert await w.ask("m") == "<Hi>"


async def test_a_node_knows_the_conversation_that_the_request_names() -> None:
    async with world(chains={"c": {"type": "simple", "function": f"{HERE}:whose"}}) as made:
        assert await made.ask("chain:c") == "None"
        named = await made.ask("chain:c", metadata={"conversation_id": "c-1"})
        assert named == "Conversation(owner='', name='c-1')"
        with pytest.raises(InvalidRequest, match="conversation"):
            await made.ask("chain:c", metadata={"conversation_id": "c/1"})
