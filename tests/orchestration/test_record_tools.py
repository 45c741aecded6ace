"""What is told of tools that a model calls, and of HTTP steps."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.orchestration.agents import Agents, Called, Said, agents
from tests.orchestration.scripted import user, world
from tests.orchestration.sites import Upstream, answering
from tests.orchestration.test_http_step import plain, row

TOOLS = "tests.orchestration.agents"
CONFIG = {
    "runs": {"keep": False, "content": True},
    "tools": {
        "find": {"function": f"{TOOLS}:find"},
        "expert": {"chain": "expert"},
        "fail": {"function": f"{TOOLS}:fail"},
    },
    "chains": {
        "expert": {"type": "simple", "model": "mock/echo", "prompt": "Of {{ input }}", "description": "Knows."},
        "agent": {"type": "simple", "model": "m", "tools": ["find", "expert", "fail"]},
        "outer": {
            "type": "sequential",
            "steps": [{"name": "asks", "chain": "agent"}, {"name": "says", "template": "{{ asks }}"}],
        },
    },
}


@pytest.fixture(scope="module")
def asked() -> Iterator[Agents]:
    with agents(CONFIG) as found:
        yield found


def told(asked: Agents, model: str, *, stream: bool) -> list[dict[str, Any]]:
    answer = asked.doors.chat(model, stream=stream)
    assert answer.status_code == 200
    run = asked.doors.client.get(f"/v1/runs/{answer.headers['x-gateway-run-id']}").json()
    assert run["status"] == "completed"
    events: list[dict[str, Any]] = run["events"]
    return events


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("model", "before"), [("chain:agent", ""), ("chain:outer", "asks/")])
def test_tools_are_steps_of_the_step_that_calls_them(asked: Agents, model: str, before: str, stream: bool) -> None:
    calls = [Called("find", {"number": "1"}, "a"), Called("expert", {"input": "lamps"}, "b"), Called("fail", {}, "c")]
    asked.plays(Said("Let me look.", calls), Said("Done."))
    events = told(asked, model, stream=stream)
    started = {event["step"]: event for event in events if event["type"] == "step.started"}
    ended = {event["step"]: event for event in events if event["type"] in ("step.completed", "step.failed")}
    assert started.keys() == ended.keys()
    loop = f"{before}answer"
    assert started.keys() - {"asks", "says"} == {
        loop,
        f"{loop}/find",
        f"{loop}/expert",
        f"{loop}/expert/answer",
        f"{loop}/fail",
    }
    assert (started[loop]["kind"], started[loop]["model"]) == ("model", "m")
    assert (started[f"{loop}/find"]["kind"], started[f"{loop}/find"]["input"]) == ("tool", {"number": "1"})
    assert ended[f"{loop}/find"]["output"] == {"number": "1", "state": "sent"}
    assert started[f"{loop}/expert"]["model"] == "chain:expert"
    assert ended[f"{loop}/expert"]["output"] == "Of lamps"
    assert ended[f"{loop}/fail"]["type"] == "step.failed"
    assert "sesame" not in str(events)
    expert = ended[f"{loop}/expert"]["usage"]["total_tokens"]
    assert expert > 0
    assert ended[loop]["usage"]["total_tokens"] == events[-1]["usage"]["total_tokens"] == 20 + expert
    assert ended[loop]["output"] == events[-1]["output"] == "Let me look.\n\nDone."


async def test_of_a_request_its_site_is_told() -> None:
    site = await Upstream(answering(plain("ok"))).start()
    try:
        blocks = row(site, "{{ f }}", path="/secret-path", headers={"x-key": "secret"}, query={"key": "secret"})
        async with world(**blocks, runs={"keep": False, "content": True}) as w:
            answer = await w.gateway.run("chain:c", messages=user("x"))
            assert w.gateway.records is not None
            story = await w.gateway.records.story(answer.run_id, None)
            assert story is not None
            lines = b"\n".join(story.events).decode()
            assert '"kind":"http"' in lines
            assert f'"input":{{"method":"GET","to":"127.0.0.1:{site.port}"}}' in lines
            assert '"output":"ok"' in lines
            assert "secret" not in lines
    finally:
        await site.stop()
