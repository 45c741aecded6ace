"""Branches at the same time, and how one answer is made of theirs."""

from typing import Any

import pytest

from gateway.seam import GatewayError, Usage
from tests.orchestration.scripted import failing, until, user, world


def parallel(combine: dict[str, Any], *, texts: str = "abc", **more: Any) -> dict[str, Any]:
    branches = {name: {"model": "m", "prompt": f"{name}: {{{{ input }}}}"} for name in texts}
    return {"c": {"type": "parallel", "branches": branches, "combine": combine, **more}}


ALL = {"template": "{{ a }} {{ b }} {{ c }}"}


async def test_branches_run_at_the_same_time() -> None:
    async with world(chains=parallel({"model": "m", "prompt": "{{ a }}{{ b }}{{ c }}"})) as w:
        task = w.env.tasks.spawn(w.gateway.run("chain:c", messages=user("wait"), temperature=0.5))  # type: ignore[arg-type]
        await until(lambda: w.model.running == 3)
        w.model.go.set()
        answer = await task
        assert answer.text == "<<a: wait><b: wait><c: wait>>"
        assert answer.usage == Usage(28, 12)
        assert answer.document["usage"]["total_tokens"] == 40
        assert [body.get("temperature") for body in w.model.asked] == [None, None, None, 0.5]


async def test_at_most_so_many_run_at_one_time() -> None:
    async with world(chains=parallel(ALL, max_concurrent=2)) as w:
        assert await w.ask("chain:c", "x") == "<a: x> <b: x> <c: x>"
        assert w.model.most == 2
        assert w.model.prompts == ["a: x", "b: x", "c: x"]


async def test_one_failure_is_too_many_and_ends_the_others() -> None:
    async with world(chains=parallel(ALL)) as w:
        w.model.says = {"a": lambda body: failing(429)}
        branches_wait = "wait"
        w.model.says = {"^b": failing(429)}
        task = w.env.tasks.spawn(w.ask("chain:c", branches_wait))
        await until(lambda: w.model.running == 3)
        w.model.go.set()
        with pytest.raises(GatewayError, match="Step 'b' of chain:c") as caught:
            await task
        assert caught.value.status == 429
        assert w.model.running == 0


async def test_a_failure_cancels_what_still_runs() -> None:
    chain = parallel(ALL)
    chain["c"]["branches"]["a"] = {"model": "m", "prompt": "wait"}
    async with world(chains=chain) as w:
        w.model.says = {"^b": failing()}
        with pytest.raises(GatewayError, match="Step 'b'"):
            await w.ask("chain:c", "x")
        assert w.model.cancelled == 1
        assert sorted(outcome.kind for outcome in w.model.ended) == ["cancelled", "failed", "ok"]


async def test_some_may_fail() -> None:
    chain = parallel({"template": "{{ a | default('?') }} {{ b | default('?') }} {{ c | default('?') }}"}, needed=2)
    async with world(chains=chain) as w:
        w.model.says = {"^b": failing()}
        assert await w.ask("chain:c", "x") == "<a: x> ? <c: x>"
        w.model.says = {"^[bc]": failing()}
        with pytest.raises(GatewayError, match="It is down"):
            await w.ask("chain:c", "x")


async def test_a_branch_may_have_a_default() -> None:
    chain = parallel(ALL)
    chain["c"]["branches"]["b"]["default"] = "none"
    async with world(chains=chain) as w:
        w.model.says = {"^b": failing()}
        assert await w.ask("chain:c", "x") == "<a: x> none <c: x>"


async def test_the_first_good_answer_ends_the_others() -> None:
    chain = parallel({"first_good": {"accept": "'good' in output"}})
    chain["c"]["branches"]["c"] = {"model": "m", "prompt": "wait"}
    async with world(chains=chain) as w:
        w.model.says = {"^a": "bad", "^b": "good b"}
        answer = await w.gateway.run("chain:c", messages=user("x"))
        assert answer.text == "good b"
        assert answer.usage == Usage(14, 6)
        assert w.model.cancelled == 1
        assert w.model.running == 0


async def test_none_is_good() -> None:
    async with world(chains=parallel({"first_good": {"accept": "'good' in output"}})) as w:
        with pytest.raises(GatewayError, match="No branch of chain:c gave an answer that it accepts") as caught:
            await w.ask("chain:c", "x")
        assert (caught.value.status, caught.value.code) == (502, "none_accepted")
        w.model.says = {"x": failing(429)}
        with pytest.raises(GatewayError, match="It is down") as caught:
            await w.ask("chain:c", "x")
        assert caught.value.status == 429


async def test_without_a_condition_the_first_that_does_not_fail_is_good() -> None:
    async with world(chains=parallel({"first_good": {}})) as w:
        w.model.says = {"^a": failing()}
        assert await w.ask("chain:c", "x") == "<b: x>"


@pytest.mark.parametrize(
    ("vote", "answers", "winner"),
    [
        ("normalised", ["No.", "Yes!", " yes"], "Yes!"),
        ("normalised", ["no", "yes", "maybe"], "no"),
        ("exact", ["Yes", "yes", "yes"], "yes"),
        ("exact", ["Yes", "yes", "YES"], "Yes"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_vote(vote: str, answers: list[str], winner: str, stream: bool) -> None:
    async with world(chains=parallel({"vote": vote})) as w:
        w.model.says = dict(zip("abc", answers, strict=True))
        if stream:
            reading = w.gateway.run("chain:c", messages=user("x"), stream=True)
            assert "".join([piece async for piece in reading]) == winner
            assert reading.usage == Usage(21, 9)
        else:
            assert await w.ask("chain:c", "x") == winner


async def test_a_vote_with_nobody_left() -> None:
    async with world(chains=parallel({"vote": "exact"}, needed="any")) as w:
        w.model.says = {"x": failing()}
        with pytest.raises(GatewayError, match="It is down"):
            await w.ask("chain:c", "x")
        w.model.says = {"^[ab]": failing()}
        assert await w.ask("chain:c", "x") == "<c: x>"


async def test_cancelling_a_run_cancels_every_branch() -> None:
    async with world(chains=parallel(ALL)) as w:
        task = w.env.tasks.spawn(w.ask("chain:c", "wait"))
        await until(lambda: w.model.running == 3)
        task.cancel()
        await until(task.done)
        assert w.model.cancelled == 3
        assert [outcome.kind for outcome in w.model.ended] == ["cancelled"] * 3


async def test_a_timeout_ends_every_branch() -> None:
    async with world(chains=parallel(ALL, timeout="20ms")) as w:
        with pytest.raises(GatewayError, match="chain:c took longer"):
            await w.ask("chain:c", "wait")
        assert w.model.cancelled == 3
