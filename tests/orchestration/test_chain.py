"""Chains: what each step is asked, in which order, and what comes of it."""

import json
from typing import Any

import pytest

from gateway.seam import GatewayError, InvalidRequest, Usage
from tests.orchestration.scripted import failing, until, user, world


def sequence(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"c": {"type": "sequential", "steps": list(steps), **more}}


async def test_a_simple_chain_sends_its_prompt_and_nothing_of_the_conversation() -> None:
    chain = {"type": "simple", "model": "m", "system": "Be {{ inputs.tone }}.", "prompt": "Say: {{ input }}"}
    async with world(chains={"c": chain}) as w:
        messages = [*user("first"), {"role": "assistant", "content": "x"}, *user("last")]
        assert await w.ask("chain:c", messages=messages, inputs={"tone": "kind"}) == "<Say: last>"
        assert w.model.asked[0]["messages"] == [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "Say: last"},
        ]
        assert "inputs" not in w.model.asked[0]


async def test_without_a_prompt_the_callers_messages_go_on_as_they_are() -> None:
    messages = [
        {"role": "system", "content": "s"},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "u"}}]},
    ]
    async with world(chains={"c": {"type": "simple", "model": "m"}}) as w:
        await w.ask("chain:c", messages=messages)
        assert w.model.asked[0]["messages"] == messages
        assert list(w.model.asked[0]) == ["model", "messages"]


async def test_the_last_users_text_is_the_input() -> None:
    pieces = [
        {"type": "text", "text": "a"},
        {"type": "image_url", "image_url": {"url": "u"}},
        {"type": "text", "text": "b"},
    ]
    messages = [{"role": "user", "content": pieces}, {"role": "assistant", "content": "x"}]
    async with world(chains={"c": {"type": "simple", "template": "{{ input }}|{{ messages | length }}"}}) as w:
        assert await w.ask("chain:c", messages=messages) == "ab|2"
        assert await w.ask("chain:c", messages=[]) == "|0"
        assert w.model.asked == []


async def test_messages_of_ones_own() -> None:
    given = [{"role": "developer", "content": "d"}, {"role": "user", "content": "u {{ input }}"}]
    async with world(chains={"c": {"type": "simple", "model": "m", "messages": given}}) as w:
        await w.ask("chain:c", "x")
        assert w.model.asked[0]["messages"] == [given[0], {"role": "user", "content": "u x"}]


async def test_params_and_metadata_are_names() -> None:
    template = "{{ params.temperature }} {{ metadata.team }}"
    async with world(chains={"c": {"type": "simple", "template": template}}) as w:
        assert await w.ask("chain:c", temperature=0.5, metadata={"team": "red"}) == "0.5 red"
        with pytest.raises(GatewayError, match=r"metadata\.team is not defined"):
            await w.ask("chain:c", temperature=0.5)


async def test_a_sequence_passes_outputs_on_in_order() -> None:
    steps = [
        {"name": "a", "model": "m", "prompt": "1 {{ input }}"},
        {"name": "b", "model": "m2", "prompt": "2 {{ a }}", "save": "better"},
        {"name": "c", "model": "m", "prompt": "3 {{ better }} {{ a }}"},
    ]
    async with world(chains=sequence(*steps)) as w:
        answer = await w.gateway.run("chain:c", messages=user("x"))
        assert w.model.prompts == ["1 x", "2 <1 x>", "3 <2 <1 x>> <1 x>"]
        assert [call.target.model for call in w.model.calls if call.target] == ["m", "m2", "m"]
        assert answer.usage == Usage(21, 9)
        assert answer.document["usage"] == {"prompt_tokens": 21, "completion_tokens": 9, "total_tokens": 30}
        assert not answer.estimated
        assert (answer.provider, answer.model) == ("gateway", "chain:c")


async def test_the_callers_parameters_reach_the_last_step_only() -> None:
    steps = [
        {"name": "a", "model": "m", "prompt": "1", "params": {"temperature": 0.9}},
        {"name": "b", "model": "m", "prompt": "{{ a }}", "params": {"temperature": 0.1, "extra": {"top_k": 3}}},
    ]
    given = {"temperature": 0.5, "tools": [{"type": "function", "function": {"name": "f"}}], "stop": ["x"]}
    async with world(chains=sequence(*steps)) as w:
        await w.ask("chain:c", **given, unknown={"deep": 1.0})
        first, last = w.model.asked
        assert {name: first[name] for name in first if name not in ("model", "messages")} == {"temperature": 0.9}
        assert last["temperature"] == 0.1
        assert (last["tools"], last["stop"], last["unknown"]) == (given["tools"], ["x"], {"deep": 1.0})
        assert last["top_k"] == 3


async def test_one_length_takes_the_place_of_the_other() -> None:
    chain = {"type": "simple", "model": "m", "params": {"max_tokens": 5}}
    async with world(chains={"c": chain}) as w:
        await w.ask("chain:c", max_completion_tokens=99)
        assert w.model.asked[0]["max_tokens"] == 5
        assert "max_completion_tokens" not in w.model.asked[0]


async def test_numbers_of_the_caller_keep_their_source() -> None:
    from gateway.seam import Call, Request

    raw = b'{"model":"chain:c","messages":[],"seed":12345678901234567890123,"temperature":1.00}'
    async with world(chains={"c": {"type": "simple", "model": "m"}}) as w:
        reply = await w.env.run(Call(Request("chat", raw, model="chain:c"), w.env.tasks))
        await reply.whole()
        sent = w.model.calls[0].request.raw
        assert b'"seed":12345678901234567890123' in sent
        assert b'"temperature":1.00' in sent


async def test_structured_output_is_read() -> None:
    steps = [
        {"name": "r", "model": "m", "prompt": "score", "response_format": {"score": "integer", "why": ["string"]}},
        {"name": "t", "template": "{{ r.score + 1 }} {{ r.why[0] }}"},
    ]
    async with world(chains=sequence(*steps)) as w:
        w.model.says["score"] = '{"score": 3, "why": ["bad"]}'
        answer = await w.gateway.run("chain:c", messages=user("x"))
        assert answer.text == "4 bad"
        assert answer.usage == Usage(7, 3)
        sent = w.model.asked[0]["response_format"]
        assert sent["type"] == "json_schema"
        assert sent["json_schema"]["strict"] is True
        assert sent["json_schema"]["schema"]["required"] == ["score", "why"]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("not json", "it is no JSON"),
        ('{"score": "3"}', "score must be of type integer"),
        ("{}", "it lacks 'score'"),
        ('{"score": 3, "more": 1}', "it has 'more', which is not of the schema"),
        ("[]", "it must be of type object"),
    ],
)
async def test_structured_output_that_does_not_fit(said: str, told: str) -> None:
    step = {"name": "r", "model": "m", "prompt": "score", "response_format": {"score": "integer"}}
    async with world(chains=sequence(step, {"name": "t", "template": "{{ r.score }}"})) as w:
        w.model.says["score"] = said
        with pytest.raises(GatewayError, match=told) as caught:
            await w.ask("chain:c")
        assert (caught.value.status, caught.value.code) == (502, "answer_misshapen")
        assert caught.value.message.startswith("Step 'r' of chain:c: The answer of m does not fit response_format")


async def test_what_does_not_fit_is_asked_again() -> None:
    step = {"name": "r", "model": "m", "prompt": "score", "response_format": {"score": "integer"}}
    step["retry"] = {"attempts": 3, "wait": 0}
    said = iter(["no", '{"score": 1.5}', '{"score": 2}'])
    async with world(chains=sequence(step, {"name": "t", "template": "{{ r.score }}"})) as w:
        w.model.says["score"] = lambda body: next(said)
        answer = await w.gateway.run("chain:c", messages=user("x"))
        assert answer.text == "2"
        assert answer.usage == Usage(21, 9)


async def test_a_final_refusal_is_not_asked_again() -> None:
    step = {"name": "r", "model": "m", "prompt": "p", "retry": {"attempts": 5, "wait": 0}}
    async with world(chains=sequence(step)) as w:
        w.model.says["p"] = failing(400, "no")
        with pytest.raises(GatewayError, match="Step 'r' of chain:c: no") as caught:
            await w.ask("chain:c")
        assert caught.value.status == 400
        assert len(w.model.asked) == 1


@pytest.mark.parametrize("status", [400, 403, 429, 500, 503])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_step_fails_with_its_true_status(status: int, stream: bool) -> None:
    steps = [{"name": "a", "model": "m", "prompt": "1"}, {"name": "b", "model": "m", "prompt": "2"}]
    async with world(chains=sequence(*steps)) as w:
        w.model.says["1"] = failing(status)
        with pytest.raises(GatewayError, match="Step 'a' of chain:c: It is down") as caught:
            await w.gateway.run("chain:c", messages=user("x"), stream=stream)
        assert caught.value.status == status
        assert len(w.model.asked) == 1


async def test_a_model_that_is_not_there_is_not_the_callers_mistake() -> None:
    from gateway.seam import ModelNotFound

    async with world(chains={"c": {"type": "simple", "model": "m"}}) as w:
        w.model.says["Hi"] = ModelNotFound("m")
        with pytest.raises(GatewayError) as caught:
            await w.ask("chain:c")
        assert not isinstance(caught.value, ModelNotFound)
        assert (caught.value.status, caught.value.code) == (502, "step_model_not_found")


async def test_a_failure_that_may_pass_is_passed_over() -> None:
    steps = [
        {"name": "a", "model": "m", "prompt": "1", "on_error": "continue"},
        {"name": "b", "model": "m", "prompt": "2", "default": "none"},
        {"name": "t", "template": "{{ a | default('?') }} {{ b }}"},
    ]
    async with world(chains=sequence(*steps)) as w:
        w.model.says["[12]"] = failing()
        assert await w.ask("chain:c") == "? none"
        w.model.says = {"1": failing()}
        assert await w.ask("chain:c") == "? <2>"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_default_answers_for_the_last_step(stream: bool) -> None:
    chain = {"type": "simple", "model": "m", "default": "Sorry."}
    async with world(chains={"c": chain}) as w:
        w.model.says["Hi"] = failing()
        if stream:
            async with w.gateway.run("chain:c", messages=user("Hi"), stream=True) as pieces:
                assert [piece async for piece in pieces] == ["Sorry."]
        else:
            assert await w.ask("chain:c") == "Sorry."


async def test_a_step_is_bounded_in_time() -> None:
    steps = [{"name": "a", "model": "m", "prompt": "wait", "timeout": "20ms"}, {"name": "b", "model": "m"}]
    async with world(chains=sequence(*steps)) as w:
        with pytest.raises(GatewayError, match=r"Step 'a' of chain:c: It took longer than 0.02 s") as caught:
            await w.ask("chain:c")
        assert (caught.value.status, caught.value.code) == (504, "step_timeout")
        assert w.model.cancelled == 1


@pytest.mark.parametrize("own", [True, False])
async def test_a_run_is_bounded_in_time(own: bool) -> None:
    step = {"name": "a", "model": "m", "prompt": "wait"}
    chains = sequence(step, timeout="20ms") if own else sequence(step)
    async with world(chains=chains, orchestrator={"default_timeout": "20ms"}) as w:
        told = "its timeout" if own else "orchestrator.default_timeout"
        with pytest.raises(GatewayError, match=f"chain:c took longer than 0.02 s, {told}") as caught:
            await w.ask("chain:c")
        assert (caught.value.status, caught.value.code) == (504, "run_timeout")
        assert w.model.cancelled == 1


async def test_a_conversation_keeps_its_last_turns() -> None:
    chain = {"type": "conversational", "model": "m", "system": "You teach {{ inputs.what }}.", "memory": {"last": 2}}
    messages = [
        {"role": "system", "content": "caller's"},
        *user("1"),
        {"role": "assistant", "content": "one"},
        *user("2"),
        {"role": "assistant", "tool_calls": [{"id": "t", "type": "function", "function": {"name": "f"}}]},
        {"role": "tool", "tool_call_id": "t", "content": "r"},
        {"role": "assistant", "content": "two"},
        *user("3"),
    ]
    async with world(chains={"c": chain}) as w:
        assert await w.ask("chain:c", messages=messages, inputs={"what": "maths"}) == "<3>"
        assert w.model.asked[0]["messages"] == [
            {"role": "system", "content": "You teach maths."},
            messages[0],
            *messages[3:],
        ]


async def test_the_first_branch_that_fits_is_taken() -> None:
    branches = [
        {"when": "'refund' in input", "model": "m", "prompt": "R {{ input }}"},
        {"when": "'re' in input", "model": "m", "prompt": "re {{ input }}"},
        {"otherwise": True, "template": "none"},
    ]
    async with world(chains={"c": {"type": "conditional", "branches": branches}}) as w:
        assert await w.ask("chain:c", "refund") == "<R refund>"
        assert await w.ask("chain:c", "read") == "<re read>"
        assert await w.ask("chain:c", "x") == "none"


async def test_chains_of_chains() -> None:
    chains = {
        "inner": {"type": "simple", "model": "m", "prompt": "in {{ input }} {{ inputs.tone }}"},
        "c": {
            "type": "sequential",
            "steps": [
                {"name": "a", "chain": "inner"},
                {"name": "b", "chain": "inner", "input": "({{ a }})", "inputs": {"tone": "own {{ inputs.tone }}"}},
            ],
        },
    }
    async with world(chains=chains) as w:
        answer = await w.gateway.run("chain:c", messages=user("x"), inputs={"tone": "kind"}, temperature=0.5)
        assert w.model.prompts == ["in x kind", "in (<in x kind>) own kind"]
        assert answer.usage == Usage(14, 6)
        assert answer.document["usage"]["total_tokens"] == 20
        assert ["temperature" in body for body in w.model.asked] == [False, True]
        w.model.says["in x"] = failing()
        with pytest.raises(GatewayError, match="Step 'a' of chain:c: Step 'answer' of chain:inner: It is down"):
            await w.ask("chain:c", "x", inputs={"tone": "kind"})


async def test_a_missing_input_is_told_by_its_name() -> None:
    async with world(chains={"c": {"type": "simple", "template": "{{ inputs.doc }}"}}) as w:
        with pytest.raises(GatewayError, match=r"inputs\.doc is not defined") as caught:
            await w.ask("chain:c")
        assert caught.value.status == 400
        with pytest.raises(InvalidRequest, match="'inputs' must be an object"):
            await w.ask("chain:c", inputs=[1])


async def test_cancelling_a_run_cancels_its_step() -> None:
    steps = [{"name": "a", "model": "m", "prompt": "1"}, {"name": "b", "model": "m", "prompt": "wait"}]
    async with world(chains=sequence(*steps)) as w:
        task = w.env.tasks.spawn(w.ask("chain:c"))
        await until(lambda: w.model.running == 1 and len(w.model.asked) == 2)
        task.cancel()
        await until(task.done)
        assert w.model.cancelled == 1
        assert [outcome.kind for outcome in w.model.ended] == ["ok", "cancelled"]


async def test_the_last_step_streams_as_it_comes() -> None:
    steps = [{"name": "a", "model": "m", "prompt": "1"}, {"name": "b", "model": "m", "prompt": "2"}]
    async with world(chains=sequence(*steps)) as w:
        w.model.says["2"] = "now slow"
        async with w.gateway.run("chain:c", messages=user("x"), stream=True) as pieces:
            assert await anext(pieces) == "now"
            assert await anext(pieces) == " "
            w.model.go.set()
            assert [piece async for piece in pieces] == ["slow"]
            assert pieces.usage == Usage(14, 6)
            answer = await pieces.answer()
        assert answer.document["usage"]["total_tokens"] == 20
        assert [body.get("stream") for body in w.model.asked] == [None, True]
        assert json.loads(answer.raw)["id"] == "chatcmpl-1"
