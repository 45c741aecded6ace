"""A step for each item of a list."""

import json
from typing import Any

import pytest

from gateway.seam import GatewayError, Usage
from tests.orchestration.scripted import failing, until, user, world


def mapping(**more: Any) -> dict[str, Any]:
    step = {"name": "sums", "map": "{{ inputs.docs }}", "as": "doc", "model": "m", "prompt": "Sum up {{ doc }}", **more}
    return {"c": {"type": "sequential", "steps": [step, {"name": "t", "template": "{{ sums | join(' ') }}"}]}}


async def test_outputs_stand_in_the_order_of_the_items() -> None:
    async with world(chains=mapping()) as w:
        waits = {"1": "one", "wait": "two", "3": "three"}
        w.model.says = {f"Sum up {text}": said for text, said in waits.items()}
        task = w.env.tasks.spawn(w.gateway.run("chain:c", messages=user("x"), inputs={"docs": [1, "wait", 3]}))  # type: ignore[arg-type]
        await until(lambda: w.model.running == 1 and len(w.model.asked) == 3)
        w.model.go.set()
        answer = await task
        assert answer.text == "one two three"
        assert answer.usage == Usage(21, 9)


@pytest.mark.parametrize("most", [1, 3, 8])
async def test_at_most_so_many_run_at_one_time(most: int) -> None:
    async with world(chains=mapping(max_concurrent=most)) as w:
        task = w.env.tasks.spawn(w.ask("chain:c", inputs={"docs": ["wait"] * 10}))
        await until(lambda: w.model.running == most)
        w.model.go.set()
        await task
        assert w.model.most == most
        assert len(w.model.asked) == 10


async def test_no_items() -> None:
    async with world(chains=mapping()) as w:
        assert await w.ask("chain:c", inputs={"docs": []}) == ""
        assert w.model.asked == []


@pytest.mark.parametrize("docs", ["text", 3, {"a": 1}, None, True])
async def test_what_is_no_list(docs: Any) -> None:
    async with world(chains=mapping()) as w:
        with pytest.raises(GatewayError, match="`map` needs a list, found") as caught:
            await w.ask("chain:c", inputs={"docs": docs})
        assert caught.value.status == 400


async def test_one_that_fails_ends_the_others() -> None:
    async with world(chains=mapping()) as w:
        w.model.says = {"up b": failing(429)}
        with pytest.raises(GatewayError, match="Step 'sums' of chain:c: It is down") as caught:
            await w.ask("chain:c", inputs={"docs": ["wait", "b", "wait"]})
        assert caught.value.status == 429
        assert w.model.cancelled == 2


async def test_only_the_item_that_failed_is_done_again() -> None:
    said = iter([failing(), "better"])
    async with world(chains=mapping(retry={"attempts": 2, "wait": 0})) as w:
        w.model.says = {"up b": lambda body: next(said)}
        assert await w.ask("chain:c", inputs={"docs": ["a", "b"]}) == "<Sum up a> better"
        assert len(w.model.asked) == 3


async def test_a_list_of_structured_outputs_answers_as_json() -> None:
    step = {"type": "simple", "map": "{{ inputs.n }}", "model": "m", "prompt": "n {{ item }}"}
    async with world(chains={"c": step | {"response_format": {"n": "integer"}}}) as w:
        w.model.says = {"n": lambda body: json.dumps({"n": int(body["messages"][0]["content"][2:])})}
        answer = await w.gateway.run("chain:c", messages=user("x"), inputs={"n": [1, 2]})
        assert answer.json == [{"n": 1}, {"n": 2}]


async def test_a_template_for_each_item() -> None:
    step = {"type": "simple", "map": "{{ inputs.n }}", "as": "one", "template": "({{ one.x }})"}
    async with world(chains={"c": step}) as w:
        assert await w.ask("chain:c", inputs={"n": [{"x": 1}, {"x": "b"}]}) == '["(1)","(b)"]'
