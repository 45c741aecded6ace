"""What a run tells of itself: which events, in which order, with what in them."""

import asyncio
import json
import logging
from collections.abc import Sequence
from typing import Any

import pytest

from gateway.orchestration import record as record_module
from gateway.orchestration import records as records_module
from gateway.orchestration.events import StepCompleted, StepStarted, Told, held
from gateway.orchestration.record import Record
from gateway.orchestration.records import Records
from gateway.seam import Call, GatewayError, Request, Tasks, Usage
from gateway.stores.run_row import Wanted
from gateway.wire.verbatim import encode
from tests.orchestration.scripted import World, failing, quiet, until, user, world

TOLD = {"runs": {"keep": False, "content": True}}
CHAINS = {
    "polish": {
        "type": "sequential",
        "steps": [
            {"name": "draft", "model": "m", "prompt": "Draft: {{ input }}"},
            {"name": "final", "model": "m", "prompt": "Final: {{ draft }}"},
        ],
    },
    "outer": {
        "type": "sequential",
        "steps": [
            {"name": "said", "template": "Said {{ input }}"},
            {"name": "inner", "chain": "polish", "input": "{{ said }}", "inputs": {"tone": "kind"}},
        ],
    },
    "panel": {
        "type": "parallel",
        "branches": {name: {"model": "m", "prompt": f"{name} {{{{ input }}}}"} for name in "abc"},
        "combine": {"template": "{{ a }}{{ b }}{{ c }}"},
    },
    "each": {"type": "simple", "map": "{{ inputs.items }}", "model": "m", "prompt": "{{ item }}"},
}


def records(w: World) -> Records:
    assert w.gateway.records is not None
    return w.gateway.records


async def told(w: World) -> list[dict[str, Any]]:
    """The events of the only run that is over, or of the newest."""
    (row, *_) = await records(w).rows(Wanted(5))
    story = await records(w).story(row.id, None)
    assert story is not None
    events = [json.loads(event) for event in story.events]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert [event["at"] for event in events] == sorted(event["at"] for event in events)
    return events


def steps(events: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(event["type"].partition(".")[2], event["step"]) for event in events if event["type"].startswith("step.")]


# ---- chains


@pytest.mark.parametrize("stream", [False, True])
async def test_a_chain_in_a_chain_is_part_of_its_run(stream: bool) -> None:
    async with world(chains=CHAINS, **TOLD) as w:
        given = w.gateway.run("chain:outer", messages=user("Hi"), inputs={"x": 1}, stream=stream)
        answer = await given.answer() if stream else await given
        await quiet(w)
        events = await told(w)
        assert steps(events) == [
            ("started", "said"),
            ("completed", "said"),
            ("started", "inner"),
            ("started", "inner/draft"),
            ("completed", "inner/draft"),
            ("started", "inner/final"),
            ("completed", "inner/final"),
            ("completed", "inner"),
        ]
        first, *between, last = events
        assert first["type"] == "run.started"
        assert first["model"] == "chain:outer"
        assert first["input"] == {"messages": user("Hi"), "inputs": {"x": 1}}
        assert between[0] | {"at": 0} == {
            "type": "step.started",
            "seq": 2,
            "at": 0,
            "step": "said",
            "kind": "template",
            "node": False,
        }
        assert (between[1]["output"], "usage" in between[1]) == ("Said Hi", False)
        assert (between[2]["kind"], between[2]["model"]) == ("chain", "chain:polish")
        assert between[2]["input"] == {"messages": user("Said Hi"), "inputs": {"tone": "kind"}}
        assert (between[3]["kind"], between[3]["model"]) == ("model", "m")
        assert between[3]["input"] == user("Draft: Said Hi")
        assert between[4]["output"] == "<Draft: Said Hi>"
        assert between[6]["output"] == between[7]["output"] == last["output"] == answer.text
        half, whole = between[6]["usage"], between[7]["usage"]
        assert (half["total_tokens"], whole["total_tokens"]) == (10, 20)
        assert last["type"] == "run.completed"
        assert last["usage"] == whole == {"prompt_tokens": 14, "completion_tokens": 6, "total_tokens": 20}
        assert answer.usage == Usage(14, 6)


async def test_what_streams_is_done_when_its_stream_is() -> None:
    async with world(chains=CHAINS, **TOLD) as w:
        w.model.says = {"Final": "one slow two"}
        async with w.gateway.run("chain:polish", messages=user("Hi"), stream=True) as pieces:
            assert await anext(pieces) == "one"
            (record,) = records(w)._live.values()
            assert [type(event).__name__ for event in record.events][-1] == "StepStarted"
            assert record.row().status == "running"
            assert record.row().prompt_tokens == 7, "the first step's"
            w.model.go.set()
            assert (await pieces.answer()).text == "one slow two"
        assert [event["type"] for event in await told(w)][-2:] == ["step.completed", "run.completed"]


async def test_usage_of_steps_that_run_at_the_same_time_is_told_apart() -> None:
    async with world(chains=CHAINS) as w:
        await w.ask("chain:panel", "x")
        await w.gateway.run("chain:each", inputs={"items": ["1", "2", "3", "4"]})
        by_step = {event["step"]: event.get("usage") for event in await told(w) if event["type"] == "step.completed"}
        assert by_step["answer"]["total_tokens"] == 40
        panel = (await records(w).rows(Wanted(5, "asc")))[0]
        story = await records(w).story(panel.id, None)
        assert story is not None
        ended = [json.loads(event) for event in story.events if b"step.completed" in event]
        assert {event["step"]: event.get("usage", {}).get("total_tokens") for event in ended} == {
            "a": 10,
            "b": 10,
            "c": 10,
            "combine": None,
        }
        assert panel.prompt_tokens + panel.completion_tokens == 30


async def test_a_function_and_a_map_tell_what_they_got() -> None:
    steps = [
        {"name": "each", "map": "{{ inputs.items }}", "model": "m", "prompt": "{{ item }}"},
        {"name": "last", "function": "tests.orchestration.test_record:last_of", "args": {"items": "{{ each }}"}},
        {"name": "said", "template": "{{ last.text }}"},
    ]
    async with world(chains={"c": {"type": "sequential", "steps": steps}}, **TOLD) as w:
        assert (await w.gateway.run("chain:c", inputs={"items": ["1", "2"]})).text == "<2>"
        events = await told(w)
        inputs = [event.get("input") for event in events if event["type"] == "step.started"]
        assert inputs == [["1", "2"], {"items": ["<1>", "<2>"]}, None], "the list, once"
        outputs = [event["output"] for event in events if event["type"] == "step.completed"]
        assert outputs == [["<1>", "<2>"], {"text": "<2>"}, "<2>"]


def last_of(items: list[str]) -> dict[str, str]:
    return {"text": items[-1]}


async def test_without_a_block_there_are_no_contents() -> None:
    async with world(chains=CHAINS) as w:
        await w.ask("chain:outer")
        events = await told(w)
        assert len(events) == 10
        assert not any("input" in event or "output" in event for event in events)


# ---- failures


async def test_a_failed_step_fails_its_run() -> None:
    async with world(chains=CHAINS) as w:
        w.model.says = {"Final": failing()}
        with pytest.raises(GatewayError, match="It is down") as caught:
            await w.ask("chain:outer")
        events = await told(w)
        assert [event["type"] for event in events][-3:] == ["step.failed", "step.failed", "run.failed"]
        assert [event.get("step") for event in events[-3:]] == ["inner/final", "inner", None]
        assert events[-3]["error"] == {"message": "It is down.", "type": "upstream_error", "code": "upstream_error"}
        assert events[-1]["error"]["message"] == caught.value.message
        assert events[-1]["usage"]["total_tokens"] == 10, "what the failed chain had spent counts"
        (row,) = await records(w).rows(Wanted(5))
        assert (row.status, row.error is None) == ("failed", False)
        assert (b"x-gateway-run-id", row.id.encode()) in caught.value.headers


async def test_a_failure_that_is_done_without_is_told_all_the_same() -> None:
    chains = {"c": {"type": "sequential", "steps": [
        {"name": "a", "model": "m", "prompt": "bad", "default": "?"},
        {"name": "b", "template": "{{ a }}"},
    ]}}  # fmt: skip
    async with world(chains=chains, **TOLD) as w:
        w.model.says = {"bad": failing()}
        assert await w.ask("chain:c") == "?"
        assert steps(await told(w)) == [("started", "a"), ("failed", "a"), ("started", "b"), ("completed", "b")]


async def test_a_stream_that_is_left() -> None:
    async with world(chains=CHAINS) as w:
        w.model.says = {"Final": "one slow"}
        async with w.gateway.run("chain:polish", messages=user("Hi"), stream=True) as pieces:
            await anext(pieces)
        events = await told(w)
        assert [event["type"] for event in events][-2:] == ["step.cancelled", "run.cancelled"]
        (row,) = await records(w).rows(Wanted(5))
        assert (row.status, row.error) == ("cancelled", None)


async def test_who_leaves_cancels() -> None:
    async with world(chains=CHAINS) as w:
        task = w.env.tasks.spawn(w.ask("chain:panel", "wait"))
        await until(lambda: w.model.running == 3)
        task.cancel()
        await asyncio.wait([task])
        events = await told(w)
        assert sorted(steps(events)[3:]) == [("cancelled", "a"), ("cancelled", "b"), ("cancelled", "c")]
        assert events[-1]["type"] == "run.cancelled"


async def test_a_run_whose_time_is_over_has_failed() -> None:
    chains = {"c": {"type": "simple", "timeout": "20ms", "model": "m", "prompt": "wait"}}
    async with world(chains=chains) as w:
        with pytest.raises(GatewayError, match="took longer"):
            await w.ask("chain:c")
        events = await told(w)
        assert [event["type"] for event in events] == ["run.started", "step.started", "step.cancelled", "run.failed"]
        assert events[-1]["error"]["code"] == "run_timeout"


async def test_the_gateways_own_failure_shows_nothing_of_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    async with world(chains=CHAINS) as w:

        async def broken(*_: object) -> None:
            raise ValueError("secret")

        monkeypatch.setattr(w.gateway.env, "run", broken)
        with pytest.raises(GatewayError, match="its log has more") as caught:
            await w.gateway._virtual.models["chain:polish"](_call(w))  # type: ignore[union-attr]
        events = await told(w)
        assert [event["type"] for event in events][-2:] == ["step.failed", "run.failed"]
        assert "secret" not in json.dumps(events) + caught.value.message
        assert caught.value.headers[-1][0] == b"x-gateway-run-id"


def _call(w: World) -> Any:

    body = encode({"model": "chain:polish", "messages": user("Hi")})
    return Call(Request("chat", body, model="chain:polish"), w.env.tasks, id="x")


# ---- graphs

GRAPH = {
    "start": "plan",
    "nodes": {
        "plan": {"model": "m", "prompt": "plan"},
        "web": {"model": "m", "prompt": "web", "on_error": "sorry"},
        "books": {"chain": "polish"},
        "write": {"model": "m", "prompt": "write {{ plan }}"},
        "sorry": {"template": "Sorry"},
    },
    "edges": [
        {"from": "plan", "to": ["web", "books"], "when": "plan"},
        {"from": "plan", "to": "END"},
        {"from": ["web", "books"], "to": "write"},
        {"from": "write", "to": "END"},
        {"from": "sorry", "to": "END"},
    ],
}


@pytest.mark.parametrize("stream", [False, True])
async def test_the_edges_that_a_graph_takes(stream: bool) -> None:
    async with world(chains=CHAINS, graphs={"g": GRAPH}) as w:
        given = w.gateway.run("graph:g", messages=user("Hi"), stream=stream)
        await (given.answer() if stream else given)
        await quiet(w)
        events = await told(w)
        edges = [(event["from"], event["to"], event.get("when"), event["step"]) for event in events if "from" in event]
        assert edges == [
            (["plan"], ["web", "books"], "plan", ""),
            (["web", "books"], ["write"], None, ""),
            (["write"], ["END"], None, ""),
        ]
        assert [event["type"] for event in events][-3:] == ["step.completed", "edge", "run.completed"]
        assert {event["step"] for event in events if event.get("node")} == {"plan", "web", "books", "write"}


async def test_the_ways_of_failures() -> None:
    outer = {"start": "in", "nodes": {"in": {"graph": "g"}}, "edges": [{"from": "in", "to": "END"}]}
    rescued = {"start": "a", "nodes": {"a": {"model": "m", "prompt": "bad"}, "b": {"template": "B"}},
               "edges": [{"from": "a", "to": "END"}], "on_error": "b"}  # fmt: skip
    async with world(chains=CHAINS, graphs={"g": GRAPH, "outer": outer, "r": rescued}) as w:
        w.model.says = {"web": failing(), "bad": failing()}
        await w.ask("graph:outer")
        edges = [(event["from"], event["to"], event.get("when"), event["step"]) for event in await told(w)
                 if event["type"] == "edge"]  # fmt: skip
        assert edges[1] == (["web"], ["sorry"], "on_error", "in")
        assert edges[-1] == (["in"], ["END"], None, "")
        assert await w.ask("graph:r") == "B"
        assert next(event for event in await told(w) if event["type"] == "edge")["to"] == ["b"]


# ---- by other names


async def test_a_chain_behind_a_models_name_is_told_of_where_it_was_asked() -> None:
    chains = CHAINS | {"asks": {"type": "simple", "model": "named"}}
    async with world(chains=chains, models={"named": {"targets": [{"to": "chain:polish"}]}}) as w:
        answer = await w.gateway.run("chain:asks", messages=user("Hi"))
        assert [step for kind, step in steps(await told(w)) if kind == "started"] == [
            "answer",
            "answer/draft",
            "answer/final",
        ]
        assert len(await records(w).rows(Wanted(5))) == 1
        (row,) = await records(w).rows(Wanted(5))
        assert answer.run_id == row.id
        named = await w.gateway.run("named", messages=user("Hi"))
        assert named.run_id != row.id
        assert len(await records(w).rows(Wanted(5))) == 2


async def test_what_a_node_of_ones_own_asks_is_a_part_of_it() -> None:
    chains = CHAINS | {"own": {"type": "simple", "function": "tests.orchestration.test_record:asks_a_chain"}}
    async with world(chains=chains) as w:
        await w.ask("chain:own")
        assert [step for kind, step in steps(await told(w)) if kind == "started"] == [
            "answer",
            "answer/draft",
            "answer/final",
        ]


async def asks_a_chain(call: Any, run: Any) -> Any:
    return await run(call.child(model="chain:polish"))


# ---- bounds


async def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    async with world(chains=CHAINS, **TOLD) as w:
        monkeypatch.setattr(records_module, "MOST", 10)
        for number in range(30):
            await w.ask("chain:polish", str(number))
        rows = await records(w).rows(Wanted(100))
        assert len(rows) == 10
        monkeypatch.setattr(records_module, "MOST_WEIGHT", records(w)._weight // 2)
        assert 4 <= len(await records(w).rows(Wanted(100))) <= 6
        monkeypatch.setattr(records_module, "LONGEST", 0.0)
        assert await records(w).rows(Wanted(100)) == []
        assert records(w)._weight == 0
        assert await records(w).story(rows[0].id, None) is None


async def test_thousands_of_runs() -> None:
    async with world(chains={"c": {"type": "simple", "template": "x" * 10_000}}, **TOLD) as w:
        for _ in range(3000):
            await w.ask("chain:c")
        kept = records(w)
        assert len(kept._over) == 1000
        assert kept._weight < 64 * 2**20
        assert not kept._live


def test_a_run_of_many_events_ends_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_module, "MOST_EVENTS", 10)
    monkeypatch.setattr(record_module, "MOST_CONTENTS", 5000)
    record = Record("chain:x", contents=1000)
    part = record.part
    assert part is not None
    for number in range(20):
        step = part.step(Told(str(number), "template"))
        step.takes("y" * 2000)
        step.done(Usage(), "x" * 2000)
    record.end("completed", Usage(), output="end")
    assert len(record.events) == 11
    assert record.steps == 20
    assert [event.seq for event in record.events] == list(range(1, 12))
    contents = [event.input if isinstance(event, StepStarted) else event.output for event in record.events[:10]
                if isinstance(event, StepStarted | StepCompleted)]  # fmt: skip
    assert [isinstance(content, str) for content in contents][-1] is False, "of too much there is nothing"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("short", "short"),
        ("é" * 20, "é" * 8 + "… (cut: 40 bytes)"),
        ("\ud83d", "?"),
        ([1, 2], [1, 2]),
        (list(range(100)), "[0,1,2,3,4,5,6,7… (cut: 291 bytes)"),
        (object(), None),
        ({"a": "\ud83d"}, None),
    ],
)
def test_contents_are_cut(value: Any, expected: Any) -> None:
    found = held(value, 16)
    assert (None if found is None else json.loads(encode(found))) == expected


# ---- readers


async def test_readers_keep_their_own_place() -> None:
    record, tasks = Record("chain:x"), Tasks(logging.getLogger("gateway"))
    fast = []

    async def read() -> None:
        seen = 0
        while not record.over or seen < len(record.events):
            await record.grown(seen)
            fast.extend(record.events[seen:])
            seen = len(record.events)

    task = tasks.spawn(read())
    left = tasks.spawn(record.grown(5))
    record.begin(None)
    await asyncio.sleep(0)
    left.cancel()
    await asyncio.wait([left])
    assert record._waiting
    for number in range(5):
        assert record.part is not None
        record.part.step(Told(str(number), "template"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    record.end("completed", Usage())
    record.end("failed", Usage(), GatewayError("too late"))
    record.begin(None)
    await task
    await record.grown(0)
    assert fast == record.events
    assert record.status == "completed"
    assert not record._waiting
