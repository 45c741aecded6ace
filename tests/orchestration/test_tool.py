"""Tools of every kind, and what a step with tools goes together with."""

import asyncio
import json
import logging
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from gateway import Gateway
from gateway.orchestration.tool import cut
from gateway.seam import Call, GatewayError, Handler, Reply, UpstreamError
from gateway.testing import Received, Upstream, Wire
from tests.orchestration.agents import SHOP, Called, Said, Shop, agents, transcript

HERE = "tests.orchestration.test_tool"
TRIES: list[str] = []


def turns(*said: dict[str, Any]) -> dict[str, Any]:
    """A mock whose model answers so."""
    return {"mock": {"type": "mock", "replies": list(said)}}


def calls(name: str, on: str = "", **arguments: Any) -> dict[str, Any]:
    return {"when": on, "model": "tools", "tool": {"name": name, "arguments": arguments}}


async def run(tools: dict[str, Any], *said: dict[str, Any], step: dict[str, Any] | None = None, **more: Any) -> str:
    """What an agent answers, which has these tools and a model that speaks so, and else quotes results."""
    chains = more.pop("chains", {})
    agent = {"type": "simple", "model": "mock/tools", "tools": [*tools], **(step or {})}
    config = {"providers": turns(*said), "tools": tools, "chains": {"agent": agent, **chains}, **more.pop("blocks", {})}
    async with Gateway.load(config) as gateway:
        answer = await gateway.run("chain:agent", messages=[{"role": "user", "content": "Go"}], **more)
        return answer.text


# ---- kinds


async def typed(number: int, when: str = "now") -> dict[str, Any]:
    """Typed."""
    return {"number": number, "when": when}


def flaky(number: str) -> str:
    """Fails at first."""
    TRIES.append(number)
    if len(TRIES) < 3:
        raise UpstreamError("Not yet.", status=503)
    return f"{number} at last"


def sleepy() -> None:
    """Takes its time."""
    threading.Event().wait(0.3)


async def by_model(call: Call, run: Handler) -> Reply:
    """A node as a tool."""
    body = call.request.body
    said = f"{body['messages'][-1]['content']} {body['inputs']['input']} {sorted(body)}"
    return Reply.saying(call, said)


async def test_a_function() -> None:
    said = await run({"t": {"function": f"{HERE}:typed"}}, calls("t", number=7))
    assert said == 't answered: {"number":7,"when":"now"}'


async def test_a_functions_arguments_that_are_not_the_models() -> None:
    tool = {"function": f"{HERE}:typed", "args": {"when": "{{ inputs.day }}"}}
    said = await run({"t": tool}, calls("t", number=7), inputs={"day": "Monday"})
    assert said == 't answered: {"number":7,"when":"Monday"}'
    said = await run({"t": tool}, calls("t", number=7, when="Sunday"), inputs={"day": "Monday"})
    assert "unknown field `when`" in said


async def test_a_function_with_a_schema_of_its_own() -> None:
    tool = {
        "function": f"{HERE}:typed",
        "parameters": {"id": "integer", "more": "string"},
        "args": {"number": "{{ id + 1 }}"},
    }
    assert await run({"t": tool}, calls("t", id=7, more="x")) == 't answered: {"number":8,"when":"now"}'


async def test_a_node_of_ones_own() -> None:
    said = await run({"t": {"function": f"{HERE}:by_model"}}, calls("t", input="Hi"))
    assert said == "t answered: Hi Hi ['inputs', 'messages', 'model']"


async def test_a_model_is_asked_what_the_model_says() -> None:
    assert await run({"t": {"model": "mock/echo"}}, calls("t", input="Hi")) == "t answered: Hi"
    shaped = {"model": "mock/echo", "response_format": {"score": "integer"}}
    assert json.loads((await run({"t": shaped}, calls("t", input="Hi"))).removeprefix("t answered: ")).keys() == {
        "score"
    }


async def test_a_chain_gets_the_arguments_as_its_inputs() -> None:
    chains = {"c": {"type": "simple", "model": "mock/echo", "prompt": "{{ input }} {{ inputs.tone }}"}}
    tool = {"chain": "c", "parameters": {"input": "string", "tone": "string"}}
    assert await run({"t": tool}, calls("t", input="Hi", tone="kind"), chains=chains) == "t answered: Hi kind"
    filled = {"chain": "c", "parameters": {"who": "string"}, "input": "Dear {{ who }}", "inputs": {"tone": "curt"}}
    assert await run({"t": filled}, calls("t", who="Ann"), chains=chains) == "t answered: Dear Ann curt"


async def test_a_graph() -> None:
    node = {"model": "mock/echo", "prompt": "So {{ input }}"}
    graphs = {"g": {"start": "n", "nodes": {"n": node}, "edges": [{"from": "n", "to": "END"}]}}
    assert await run({"t": {"graph": "g"}}, calls("t", input="Hi"), blocks={"graphs": graphs}) == "t answered: So Hi"


async def test_an_http_request() -> None:
    async def orders(request: Received, wire: Wire) -> None:
        await wire.json({"path": request.path}, 200 if "4711" in request.path else 404)

    with Upstream(orders) as site:
        http = {"url": f"{site.url}/orders/{{{{ number }}}}", "query": {"day": "{{ inputs.day }}"}}
        tools = {"t": {"http": http, "parameters": {"number": "string"}}}
        blocks = {"orchestrator": {"http_hosts": [{"host": site.url.removesuffix("/v1"), "private": True}]}}
        said = await run(tools, calls("t", number="4711"), inputs={"day": "1"}, blocks=blocks)
        assert said == 't answered: {"path":"/v1/orders/4711?day=1"}'
        said = await run(tools, calls("t", number="1"), inputs={"day": "1"}, blocks=blocks)
        assert said.startswith("t answered: Error: ")
        assert "404" in said
        await run(tools, calls("t", number="../admin"), inputs={"day": "1"}, blocks=blocks)
        assert all(request.path.startswith("/v1/orders/") for request in site.received)


async def test_an_agent_that_has_agents() -> None:
    tools = {
        "boss": {"model": "mock/tools", "prompt": "Inner", "tools": ["deep"], "parameters": {"topic": "string"}},
        "deep": {"template": "deep {{ topic }}", "parameters": {"topic": "string"}},
    }
    said = await run(
        tools,
        calls("boss", on="Go", topic="x"),
        calls("deep", on="Inner", topic="y"),
        step={"tools": ["boss"]},
    )
    assert said == "boss answered: deep answered: deep y"


async def test_a_tool_for_each_item_of_an_argument() -> None:
    tool = {"template": "<{{ item }}>", "map": "{{ names }}", "parameters": {"names": ["string"]}}
    assert await run({"t": tool}, calls("t", names=["a", "b"])) == 't answered: ["<a>","<b>"]'


async def test_a_tool_is_tried_again_and_has_a_default() -> None:
    TRIES.clear()
    tool = {"function": f"{HERE}:flaky", "retry": {"attempts": 3, "wait": 0}}
    assert await run({"t": tool}, calls("t", number="7")) == "t answered: 7 at last"
    TRIES.clear()
    assert await run({"t": tool | {"retry": None}}, calls("t", number="7")) == "t answered: Error: Not yet."
    TRIES.clear()
    assert (
        await run({"t": tool | {"retry": None, "default": "nothing"}}, calls("t", number="7")) == "t answered: nothing"
    )


async def test_what_templates_of_a_tool_see() -> None:
    tool = {
        "parameters": {"type": "object", "properties": {"input": {"type": "string"}, "params": {"type": "integer"}}},
        "template": "{{ input }}/{{ params }}/{{ inputs.a }}/{{ metadata.b }}/{{ messages | length }}",
    }
    more = {"inputs": {"a": 1}, "metadata": {"b": "2"}}
    assert await run({"t": tool}, calls("t", input="x", params=3), **more) == "t answered: x/3/1/2/1"


async def test_a_tool_that_cannot_be_filled_in() -> None:
    tool = {"parameters": {"type": "object", "properties": {}}, "template": "{{ inputs.nothing }}"}
    said = await run({"t": tool}, calls("t"))
    assert said == "t answered: Error: tools.t.template: inputs.nothing is not defined; send it in `inputs`"


# ---- bounds


@pytest.mark.parametrize("most", [0, 1, 2, 3, 4, 5, 6])
def test_what_is_cut_is_text_still(most: int) -> None:
    said = cut("aöß€", most)
    assert said == "aöß€" or said.partition("\n")[0] in "aöß€"
    assert ("[Cut: 8 bytes in all" in said) == (most < 8)


def test_text_that_is_none_is_shown_as_well_as_can_be() -> None:
    assert cut("a\ud83d", 10) == "a?"


GOING = {"now": 0, "most": 0}


async def crowd() -> str:
    """Counts how many are here."""
    GOING["now"] += 1
    GOING["most"] = max(GOING["most"], GOING["now"])
    for _ in range(5):
        await asyncio.sleep(0)
    GOING["now"] -= 1
    return "ok"


def test_eight_run_at_one_time() -> None:
    GOING.update(now=0, most=0)
    tools = {"t": {"function": f"{HERE}:crowd"}}
    with agents({"tools": tools, "chains": {"c": {"type": "simple", "model": "m", "tools": ["t"]}}}) as world:
        chat, _ = world.plays(Said(None, [Called("t", {}, str(n)) for n in range(30)]), Said("Hi."))
        assert world.doors.chat("chain:c").json()["choices"][0]["message"]["content"] == "Hi."
        assert [one[1:] for one in transcript(chat.asked[1]) if one[0] == "result"] == [
            (str(n), "ok") for n in range(30)
        ]
    assert GOING == {"now": 0, "most": 8}


# ---- beside other parts


@pytest.mark.parametrize("stream", [False, True])
def test_a_fallback_within_the_loop_goes_on_with_the_same_transcript(stream: bool) -> None:
    SHOP.__dict__.update(Shop().__dict__)
    config = {
        "tools": {"find": {"function": "tests.orchestration.agents:find"}},
        "models": {
            "both": {"targets": [{"to": "up/m"}], "retry": {"attempts": 1}, "fallback": ["claude"]},
        },
        "chains": {"c": {"type": "simple", "model": "both", "tools": ["find"]}},
    }
    with agents(config) as world:
        chat, claude = world.plays(Said("Look.", [Called("find", {"number": "1"}, "c1")], thought="Hm."), Said("Sent."))

        async def then_down(request: Any, wire: Any) -> None:
            if chat.turn(request.json["messages"]) == 0:
                await chat(request, wire)
            else:
                await wire.json({"error": {"message": "Down."}}, 503)

        world.doors.upstream.script = then_down
        answer = world.doors.chat("chain:c", stream=stream)
        assert answer.status_code == 200
        assert b"Sent." in answer.content
        assert SHOP.done == ["find 1 3"]
        assert transcript(claude.asked[0]) == [
            ("user", "Hello?"),
            ("assistant", "Look."),
            ("call", "c1", "find", {"number": "1"}),
            ("result", "c1", '{"number":"1","state":"sent"}'),
        ]


def test_a_conversation_keeps_what_the_client_saw(tmp_path: Path) -> None:
    file = tmp_path / "kept.db"
    config = {
        "database": f"sqlite:///{file}",
        "tools": {"find": {"function": "tests.orchestration.agents:find"}},
        "chains": {"c": {"type": "conversational", "model": "m", "tools": ["find"], "memory": {"last": 9}}},
    }
    with agents(config) as world:
        chat, _ = world.plays(Said("Look.", [Called("find", {"number": "1"}, "c1")]), Said("Sent."))
        named = {"x-gateway-conversation-id": "one"}
        for stream in (False, True):
            chat.asked.clear()
            assert world.doors.chat("chain:c", named, stream=stream).status_code == 200
        kept = [("user", "Hello?"), ("assistant", "Look.\n\nSent."), ("user", "Hello?")]
        assert transcript(chat.asked[0]) == kept
        assert transcript(chat.asked[1])[:3] == kept
        assert transcript(chat.asked[1])[-1] == ("result", "c1", '{"number":"1","state":"sent"}')
    assert sqlite3.connect(file).execute("select 1").fetchone() == (1,)


async def test_a_function_in_a_thread_that_takes_too_long() -> None:
    said = await run({"t": {"function": f"{HERE}:sleepy", "timeout": "50ms"}}, calls("t"))
    assert said.startswith("t answered: Error: It took longer than 0.05 s")


async def test_a_run_that_takes_too_long() -> None:
    tools = {"t": {"function": "tests.orchestration.agents:hang"}}
    SHOP.__dict__.update(Shop().__dict__)
    with pytest.raises(GatewayError) as caught:
        await run(tools, calls("t"), step={"timeout": "50ms"})
    assert (caught.value.status, caught.value.code) == (504, "run_timeout")
    assert (SHOP.hanging, SHOP.cancelled) == (1, 1)


async def test_what_is_wrong_inside_the_gateway_is_no_result(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("gateway.orchestration.tool.text_of", broken)
    with caplog.at_level(logging.CRITICAL), pytest.raises(GatewayError, match="The gateway failed"):
        await run({"t": {"template": "hi"}}, calls("t", input="x"))
