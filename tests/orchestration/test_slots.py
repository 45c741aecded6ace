"""Slots: how many run, whose turn is next, and that none is lost."""

import asyncio
from typing import Any

import pytest

from gateway.orchestration.slots import Slots
from gateway.seam import Call, GatewayError, Request, Unavailable, owned
from tests.orchestration.scripted import World, until, user, world


class Key:
    def __init__(self, name: str) -> None:
        self.name = name

    def may_use(self, model: str) -> bool:
        return True


async def waiting(slots: Slots, caller: str, order: list[str]) -> None:
    await slots.turn(caller)
    order.append(caller)


async def test_turns_go_round_the_callers() -> None:
    slots = Slots(1, "x")
    order: list[str] = []
    assert slots.take()
    assert not slots.take()
    async with asyncio.TaskGroup() as group:
        for caller in ["greedy"] * 4 + ["a"] * 2 + ["b"]:
            group.create_task(waiting(slots, caller, order))
        await until(lambda: len(slots) == 7)
        for count in range(1, 8):
            slots.release()
            await until(lambda count=count: len(order) == count)  # type: ignore[misc]
    assert order == ["greedy", "a", "b", "greedy", "a", "greedy", "greedy"]
    assert (len(slots), slots.free) == (0, 0)
    slots.release()
    assert slots.free == 1


async def test_who_comes_while_others_wait_does_not_go_first() -> None:
    slots = Slots(1, "x")
    assert slots.take()
    order: list[str] = []
    task = asyncio.get_running_loop().create_task(waiting(slots, "a", order))
    await until(lambda: len(slots) == 1)
    slots.release()
    assert not slots.take()
    await task
    assert slots.free == 0


@pytest.mark.parametrize("granted", [False, True])
async def test_who_leaves_the_queue_takes_no_slot_along(granted: bool) -> None:
    slots = Slots(1, "x")
    assert slots.take()
    task = asyncio.get_running_loop().create_task(waiting(slots, "a", []))
    await until(lambda: len(slots) == 1)
    if granted:
        slots.release()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    if not granted:
        assert len(slots) == 0
        slots.release()
    assert slots.free == 1


def bounded(most: int, timeout: str = "10s") -> dict[str, Any]:
    return {
        "chains": {
            "c": {"type": "simple", "model": "m"},
            "outer": {"type": "sequential", "steps": [{"name": "a", "chain": "c"}, {"name": "b", "chain": "c"}]},
        },
        "graphs": {"g": {"start": "a", "nodes": {"a": {"chain": "c"}}, "edges": [{"from": "a", "to": "END"}]}},
        "orchestrator": {"max_concurrent_chains": most, "max_concurrent_graphs": 1, "default_timeout": timeout},
    }


def free(w: World, name: str = "chain:c") -> int:
    workflows = w.gateway._virtual
    assert workflows is not None
    return workflows.models[name]._slots.free


async def test_at_most_so_many_runs_and_the_others_wait_their_turn() -> None:
    async with world(**bounded(2)) as w:
        tasks = [w.env.tasks.spawn(w.ask("chain:c", "wait")) for _ in range(5)]
        await until(lambda: w.model.running == 2)
        w.model.go.set()
        assert await asyncio.gather(*tasks) == ["<wait>"] * 5
        assert w.model.most == 2
        assert free(w) == 2


async def test_runs_within_a_run_ride_on_its_slot() -> None:
    async with world(**bounded(1)) as w:
        assert await w.ask("chain:outer", "x") == "<x>"
        assert await w.ask("graph:g", "x") == "<x>"
        assert (free(w), free(w, "graph:g")) == (1, 1)


async def test_graphs_and_chains_have_slots_of_their_own() -> None:
    async with world(**bounded(1)) as w:
        task = w.env.tasks.spawn(w.ask("chain:c", "wait"))
        await until(lambda: w.model.running == 1)
        assert await w.ask("graph:g", "x") == "<x>"
        w.model.go.set()
        await task


async def test_whose_turn_does_not_come_is_told_to_try_again() -> None:
    async with world(**bounded(1, "30ms")) as w:
        held = w.gateway.run("chain:c", messages=user("x slow"), stream=True)
        async with held:
            with pytest.raises(Unavailable, match=r"orchestrator\.max_concurrent_chains") as caught:
                await w.ask("chain:c", "x")
            assert (caught.value.status, caught.value.code) == (503, "orchestrator_busy")
            retry, run = caught.value.headers
            assert retry == (b"retry-after", b"1")
            assert run[0] == b"x-gateway-run-id"
            assert len(w.model.asked) == 1
        assert free(w) == 1
        assert await w.ask("chain:c", "x") == "<x>"


async def test_the_wait_counts_to_the_runs_time() -> None:
    async with world(**bounded(1, "60ms")) as w:
        first = w.env.tasks.spawn(w.ask("chain:c", "wait"))
        await until(lambda: w.model.running == 1)
        second = w.env.tasks.spawn(w.ask("chain:c", "wait 2"))
        with pytest.raises(GatewayError, match=r"default_timeout"):
            await first
        with pytest.raises(GatewayError) as caught:
            await second
        assert caught.value.status in (503, 504)
        assert free(w) == 1


async def test_a_slot_is_held_to_the_end_of_the_stream() -> None:
    async with world(**bounded(1)) as w:
        async with w.gateway.run("chain:c", messages=user("a slow"), stream=True) as reading:
            await anext(reading)
            assert free(w) == 0
            waiting = w.env.tasks.spawn(w.ask("chain:c", "next"))
            await asyncio.sleep(0)
            assert len(w.model.asked) == 1
            w.model.go.set()
            assert [piece async for piece in reading]
            assert await waiting == "<next>"
        assert free(w) == 1


@pytest.mark.parametrize("how", ["closed", "dropped", "cancelled", "failed"])
@pytest.mark.filterwarnings("ignore:a Reply")
@pytest.mark.parametrize("shown", [False, True])
async def test_a_slot_is_given_back_however_a_run_ends(how: str, shown: bool) -> None:
    from tests.orchestration.scripted import failing

    async with world(**bounded(1)) as w:
        stream = {"messages": user("wait" if how == "cancelled" else "x slow"), "stream": True}
        options = {"stream_options": {"include_steps": True}} if shown else {}
        reading = w.gateway.run("chain:c", **stream, **options)
        if how == "failed":
            w.model.says = {"x": failing()}
            with pytest.raises(GatewayError):
                [piece async for piece in reading]
        elif how == "cancelled":
            task = w.env.tasks.spawn(reading.answer())
            await until(lambda: w.model.running == 1)
            task.cancel()
            await until(task.done)
        elif how == "closed":
            async with reading:
                await anext(reading)
        else:
            from gateway.wire.verbatim import encode

            body = encode({"model": "chain:c", **stream, **options})
            reply = await w.env.run(Call(Request("chat", body, model="chain:c", stream=True), w.env.tasks))
            del reply
        await until(lambda: free(w) == 1)
        w.model.says = {}
        w.model.go.set()
        assert await w.ask("chain:c", "x") == "<x>"


async def test_turns_go_round_the_keys_of_calls() -> None:
    async with world(**bounded(1)) as w:
        done: list[str] = []
        body = b'{"model":"chain:c","messages":[{"role":"user","content":"%b"}]}'

        async def call(key: str) -> None:
            request = Request("chat", body % key.encode(), model="chain:c")
            reply = await w.env.run(Call(request, w.env.tasks, caller=Key(key)))
            await reply.whole()
            done.append(key)

        first = w.env.tasks.spawn(call("wait"))
        await until(lambda: w.model.running == 1)
        others = [w.env.tasks.spawn(call(key)) for key in ["a", "a", "a", "b"]]
        await asyncio.sleep(0)
        w.model.go.set()
        await asyncio.gather(first, *others)
        assert done == ["wait", "a", "b", "a", "a"]


async def test_a_deadline_of_the_call_bounds_its_run() -> None:
    async with world(**bounded(1)) as w:
        request = Request("chat", b'{"model":"chain:c","messages":[{"role":"user","content":"wait"}]}', model="chain:c")
        deadline = asyncio.get_running_loop().time() + 0.02
        with pytest.raises(GatewayError) as caught:
            await owned(w.env.run, Call(request, w.env.tasks, deadline=deadline))
        assert caught.value.status == 504
        assert free(w) == 1
