"""Chains and graphs as models, as clients meet them: on the wire, and through the official SDKs."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
import yaml

from gateway.testing import Received, Wire, completion, events
from tests.doors import Doors, anthropic_error_of, error_of, events_of, named_events_of, opened, text_of

RESEARCH = yaml.safe_load((Path(__file__).parents[2] / "config/examples/research.yaml").read_text())
CONFIG = {
    "models": {
        "m": "up/m",
        "assistant": {"targets": [{"to": "chain:polish"}], "aliases": ["claude-assistant"]},
        "thinker": "mock/echo",
        "fast": "up/m",
    },
    "chains": {
        "polish": {
            "type": "sequential",
            "steps": [
                {"name": "draft", "model": "m", "prompt": "Draft: {{ input }}"},
                {"name": "final", "model": "m", "prompt": "Final: {{ draft }} {{ inputs.tone | default('') }}"},
            ],
        },
        "text": {"type": "simple", "template": "Said of {{ input }}"},
        "thoughts": {
            "type": "sequential",
            "include_steps": "reasoning",
            "steps": [{"name": "a", "chain": "polish"}, {"name": "b", "model": "m", "prompt": "B"}],
        },
    },
    "graphs": {"research": RESEARCH["graphs"]["research"]},
    "providers": {"mock": RESEARCH["providers"]["mock"] | {"pace": 0}},
}


async def script(request: Received, wire: Wire) -> None:
    """Answers whole, or as a stream of three pieces."""
    if request.json.get("stream"):
        await wire.stream(events("One ", "two ", "three."))
    else:
        await wire.json(completion(f"<{request.json['messages'][-1]['content']}>"))


@pytest.fixture(scope="module")
def _opened() -> Iterator[Doors]:
    with opened(CONFIG) as doors:
        yield doors


@pytest.fixture
def doors(_opened: Doors) -> Iterator[Doors]:
    _opened.upstream.script = script
    _opened.upstream.received.clear()
    _opened.upstream.left = 0
    yield _opened
    _opened.quiet()


def sent(doors: Doors) -> list[Any]:
    return [request.json for request in doors.upstream.received]


# ---- whole and streamed


def test_a_whole_answer(doors: Doors) -> None:
    answer = doors.chat("chain:polish", temperature=0.5)
    assert answer.status_code == 200
    document = answer.json()
    assert document["choices"][0]["message"]["content"] == "<Final: <Draft: Hello?> >"
    assert document["usage"] == {"prompt_tokens": 14, "completion_tokens": 6, "total_tokens": 20}
    assert document["model"] == "upstream-model", "the body of the model that answered, but for its usage"
    assert answer.headers["x-gateway-model"] == "chain:polish"
    assert answer.headers["x-gateway-provider"] == "gateway"
    first, last = sent(doors)
    assert first == {"model": "m", "messages": [{"role": "user", "content": "Draft: Hello?"}]}
    assert (last["temperature"], "stream" in last) == (0.5, False)


def test_a_streamed_answer(doors: Doors) -> None:
    answer = doors.chat("chain:polish", stream=True, stream_options={"include_usage": True})
    documents = events_of(answer.content)
    assert text_of(answer.content) == "One two three."
    assert documents[-1] == "[DONE]"
    assert documents[-2]["usage"] == {"prompt_tokens": 14, "completion_tokens": 6, "total_tokens": 20}
    assert answer.headers["x-gateway-model"] == "chain:polish"
    without = doors.chat("chain:polish", stream=True)
    assert all("usage" not in event for event in events_of(without.content) if event != "[DONE]")


def test_a_text_is_sent_as_role_content_and_finish(doors: Doors) -> None:
    answer = doors.chat("chain:text", stream=True, stream_options={"include_usage": True})
    *chunks, usage, done = events_of(answer.content)
    assert [chunk["choices"][0]["delta"] for chunk in chunks] == [
        {"role": "assistant", "content": "", "refusal": None},
        {"content": "Said of Hello?"},
        {},
    ]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None, None, "stop"]
    assert len({chunk["id"] for chunk in [*chunks, usage]}) == 1
    assert {chunk["model"] for chunk in chunks} == {"chain:text"}
    assert (usage["choices"], usage["usage"]["total_tokens"]) == ([], 0)
    assert done == "[DONE]"
    whole = doors.chat("chain:text").json()
    assert whole["choices"][0]["message"] == {"role": "assistant", "content": "Said of Hello?", "refusal": None}
    assert whole["model"] == "chain:text"


# ---- what no provider must see


@pytest.mark.parametrize("stream", [False, True])
def test_what_is_the_gateways_goes_to_no_provider(doors: Doors, stream: bool) -> None:
    more = {"stream_options": {"include_steps": True, "include_usage": True, "other": 1}} if stream else {}
    doors.chat("chain:polish", {"x-gateway-include-steps": "true"}, inputs={"tone": "kind"}, stream=stream, **more)
    for request in doors.upstream.received:
        assert "inputs" not in request.json
        assert b"include_steps" not in request.body
        assert not any("x-gateway" in name for name in request.headers)
    assert sent(doors)[1]["messages"][0]["content"] == "Final: <Draft: Hello?> kind"
    if stream:
        assert sent(doors)[1]["stream_options"] == {"include_usage": True, "other": 1}


# ---- steps


@pytest.mark.parametrize("way", ["options", "header"])
def test_steps_are_shown_to_who_asks(doors: Doors, way: str) -> None:
    options = {"stream_options": {"include_steps": True}} if way == "options" else {}
    headers = {"x-gateway-include-steps": "true"} if way == "header" else {}
    answer = doors.chat("chain:polish", headers, stream=True, **options)
    documents = events_of(answer.content)
    shown = [event for event in documents if "gateway" in event]
    assert [(event["gateway"]["step"], event["gateway"]["status"]) for event in shown] == [
        ("draft", "started"),
        ("draft", "done"),
        ("final", "started"),
        ("final", "done"),
    ]
    assert documents[:3] == shown[:3]
    for event in shown:
        assert event["object"] == "chat.completion.chunk"
        assert event["model"] == "chain:polish"
        assert event["choices"] == [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": None}]
    assert [isinstance(event["gateway"].get("ms"), int) for event in shown] == [False, True, False, True]
    assert text_of(answer.content) == "One two three."
    assert documents[-1] == "[DONE]"
    assert answer.headers["x-gateway-model"] == "chain:polish"


def test_steps_may_be_shown_as_thoughts(doors: Doors) -> None:
    answer = doors.chat("chain:thoughts", {"x-gateway-include-steps": "1"}, stream=True)
    thoughts = "".join(
        event["choices"][0]["delta"].get("reasoning_content") or ""
        for event in events_of(answer.content)
        if event != "[DONE]" and event["choices"]
    )
    assert thoughts.startswith("a …\na/draft …\na/draft: done after 0.")
    assert thoughts.endswith(" s\nb …\nb: done after 0.0 s\n")
    assert text_of(answer.content) == "One two three."


def test_an_answer_that_is_whole_shows_no_steps(doors: Doors) -> None:
    assert "gateway" not in doors.chat("chain:polish", {"x-gateway-include-steps": "true"}).json()


async def refuse(request: Received, wire: Wire) -> None:
    await wire.json({"error": {"message": "Too many.", "type": "rate", "param": None, "code": "slow"}}, 429)


def test_a_step_that_fails_has_its_true_status_unless_steps_are_shown(doors: Doors) -> None:
    doors.upstream.script = refuse
    for stream in (False, True):
        answer = doors.chat("chain:polish", stream=stream)
        assert answer.status_code == 429
        assert error_of(answer.content)["message"] == "Step 'draft' of chain:polish: Too many."
    shown = doors.chat("chain:polish", stream=True, stream_options={"include_steps": True})
    assert shown.status_code == 200
    *steps, last = events_of(shown.content)
    assert [event["gateway"]["status"] for event in steps] == ["started", "failed"]
    assert last["error"]["message"] == "Step 'draft' of chain:polish: Too many."


# ---- names, keys


def test_they_are_listed_and_found(doors: Doors) -> None:
    listed = {model["id"]: model["owned_by"] for model in doors.client.get("/v1/models").json()["data"]}
    assert listed["chain:polish"] == listed["graph:research"] == "gateway"
    for path in ("chain:polish", "graph%3Aresearch"):
        assert doors.client.get(f"/v1/models/{path}").status_code == 200
    answer = doors.chat("chain:polihs")
    assert answer.status_code == 404
    assert "Did you mean 'chain:polish'" in error_of(answer.content)["message"]


def test_a_key_is_judged_by_the_name_that_it_asks_for() -> None:
    keys = [
        {"name": "one", "key": "sk-one", "models": ["chain:polish"]},
        {"name": "two", "key": "sk-two", "models": ["m"]},
        {"name": "three", "key": "sk-three", "models": ["assistant"]},
    ]
    with opened({**CONFIG, "auth": {"keys": keys}}) as doors:
        doors.upstream.script = script

        def status(key: str, model: str) -> int:
            return doors.chat(model, {"authorization": f"Bearer sk-{key}"}).status_code

        def listed(key: str) -> list[str]:
            answer = doors.client.get("/v1/models", headers={"authorization": f"Bearer sk-{key}"})
            return [model["id"] for model in answer.json()["data"]]

        assert [status("one", model) for model in ("chain:polish", "m", "chain:text")] == [200, 404, 404]
        assert [status("two", model) for model in ("chain:polish", "m")] == [404, 200]
        assert status("three", "assistant") == 200
        assert (listed("one"), listed("two")) == (["chain:polish"], ["m"])


@pytest.mark.parametrize("name", ["assistant", "claude-assistant"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_model_may_lead_to_a_chain(doors: Doors, name: str, stream: bool) -> None:
    answer = doors.chat(name, stream=stream, inputs={"tone": "kind"})
    assert answer.headers["x-gateway-model"] == "chain:polish"
    assert answer.headers["x-gateway-provider"] == "gateway"
    assert len(doors.upstream.received) == 2
    if not stream:
        assert answer.json()["usage"]["total_tokens"] == 20


# ---- bad input


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"inputs": [1]}, "inputs"),
        ({"inputs": "x"}, "inputs"),
        ({"inputs": "é" * 100}, "inputs"),
        ({"inputs": True}, "inputs"),
        ({"stream_options": 3}, None),
        ({"messages": {}}, "messages"),
    ],
)
@pytest.mark.parametrize("model", ["chain:polish", "graph:research"])
def test_bad_input_is_told(doors: Doors, model: str, more: dict[str, Any], param: str | None) -> None:
    answer = doors.chat(model, **more)
    assert answer.status_code == 400
    assert error_of(answer.content)["type"] == "invalid_request_error"
    if param:
        assert error_of(answer.content)["param"] == param
    assert doors.upstream.received == []


@pytest.mark.parametrize("member", ["inputs", "metadata", "tools", "messages"])
def test_bodies_that_are_nested_too_deep_are_told(doors: Doors, member: str) -> None:
    deep = '{"a":' * 100_000 + "1" + "}" * 100_000
    body = f'{{"model":"chain:text","messages":[],"{member}":{deep}}}'.encode()
    assert doors.post(body).status_code == 400


@pytest.mark.parametrize(
    "messages", [[], [1], [None], [{}], [{"role": 1}], [{"role": "user"}], [{"role": "user", "content": 3}]]
)
def test_messages_of_any_shape(doors: Doors, messages: list[Any]) -> None:
    assert doors.chat("chain:text", messages=messages).json()["choices"][0]["message"]["content"] == "Said of "


def test_what_a_caller_sends_is_no_template(doors: Doors) -> None:
    evil = "{{ inputs.secret }} {% for x in y %}"
    answer = doors.chat("chain:text", messages=[{"role": "user", "content": evil}], inputs={"secret": "s"})
    assert answer.json()["choices"][0]["message"]["content"] == f"Said of {evil}"


def test_other_surfaces_are_refused(doors: Doors) -> None:
    answer = doors.client.post("/v1/embeddings", json={"model": "chain:polish", "input": "x"})
    assert answer.status_code == 400
    assert error_of(answer.content)["code"] == "unsupported_surface"


# ---- other dialects


@pytest.mark.parametrize("stream", [False, True])
def test_text_completions(doors: Doors, stream: bool) -> None:
    body = {"model": "chain:polish", "prompt": "Hello?", "stream": stream, "inputs": {"tone": "kind"}}
    answer = doors.client.post("/v1/completions", json=body)
    assert answer.status_code == 200
    assert sent(doors)[1]["messages"][0]["content"] == "Final: <Draft: Hello?> kind"
    if stream:
        texts = [event["choices"][0]["text"] for event in events_of(answer.content) if event != "[DONE]"]
        assert "".join(texts) == "One two three."
    else:
        assert answer.json()["choices"][0]["text"] == "<Final: <Draft: Hello?> kind>"
    assert "x-gateway-dropped" not in answer.headers


def test_messages(doors: Doors) -> None:
    answer = doors.messages("chain:polish", inputs={"tone": "kind"})
    assert answer.json()["content"] == [{"type": "text", "text": "<Final: <Draft: Hello?> kind>"}]
    assert answer.json()["usage"]["input_tokens"] == 14
    assert answer.headers["x-gateway-model"] == "chain:polish"
    streamed = doors.messages("chain:polish", {"x-gateway-include-steps": "true"}, stream=True)
    names = [name for name, _ in named_events_of(streamed.content)]
    assert names[0] == "message_start"
    assert names[-1] == "message_stop"
    doors.upstream.script = refuse
    status, kind, message = anthropic_error_of(doors.messages("chain:polish"))
    assert (status, kind) == (429, "rate_limit_error")
    assert "Step 'draft' of chain:polish" in message


# ---- the official SDKs


def test_openais_sdk_streams_a_graph(doors: Doors) -> None:
    """The first token of the last step is there before that step ends."""
    go = asyncio.Event()

    async def paced(request: Received, wire: Wire) -> None:
        if not request.json.get("stream"):
            return await script(request, wire)
        first, second, *rest = events("It ", "began.")
        await wire.open()
        await wire.chunk(first + second)
        await go.wait()
        for event in rest:
            await wire.chunk(event)
        return await wire.end()

    doors.upstream.script = paced
    with openai.OpenAI(base_url=f"{doors.url}/v1", api_key="none", max_retries=0) as client:
        stream = client.chat.completions.create(
            model="graph:research",
            messages=[{"role": "user", "content": "Why?"}],
            stream=True,
            stream_options={"include_usage": True},
        )
        texts = []
        usage = None
        for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                texts.append(chunk.choices[0].delta.content)
                if len(texts) == 1:
                    assert doors.upstream.open == 1
                    doors.upstream.background.call(go.set)
            usage = chunk.usage or usage
        assert texts == ["It ", "began."]
        assert usage is not None
        assert usage.total_tokens > 30, "three steps of the upstream's, beside those of the mock"


def test_a_client_that_leaves_cancels_all(doors: Doors) -> None:
    async def hanging(request: Received, wire: Wire) -> None:
        await wire.left()

    doors.upstream.script = hanging
    with doors.raw() as raw:
        body = {"model": "graph:research", "messages": [{"role": "user", "content": "Why?"}], "stream": True}
        raw.post(json.dumps(body).encode())
        doors.upstream.background.until(lambda: doors.upstream.open == 2)
    doors.upstream.background.until(lambda: doors.upstream.open == 0)
    assert doors.upstream.left == 2
    doors.quiet()


@pytest.mark.parametrize("shown", [False, True])
def test_a_client_that_leaves_in_the_last_step_cancels_it(doors: Doors, shown: bool) -> None:
    async def hanging(request: Received, wire: Wire) -> None:
        if not request.json.get("stream"):
            return await script(request, wire)
        await wire.open()
        await wire.chunk(b"".join(events("One ")[:2]))
        return await wire.left()

    doors.upstream.script = hanging
    with openai.OpenAI(base_url=f"{doors.url}/v1", api_key="none", max_retries=0) as client:
        options: Any = {"stream_options": {"include_steps": True}} if shown else {}
        messages: Any = [{"role": "user", "content": "x"}]
        stream = client.chat.completions.create(
            model="chain:polish", messages=messages, stream=True, extra_body=options
        )
        assert next(chunk for chunk in stream if chunk.choices[0].delta.content)
        stream.close()
    doors.upstream.background.until(lambda: doors.upstream.open == 0)
    assert doors.upstream.left == 1


def test_anthropics_sdk_streams_a_chain(doors: Doors) -> None:
    with anthropic.Anthropic(base_url=doors.url, api_key="none", max_retries=0) as client:
        with client.messages.stream(
            model="chain:polish", max_tokens=50, messages=[{"role": "user", "content": "Hello?"}]
        ) as stream:
            assert list(stream.text_stream) == ["One ", "two ", "three."]
            message = stream.get_final_message()
        assert message.stop_reason == "end_turn"
        assert message.usage.output_tokens == 6
        assert sent(doors)[1]["max_tokens"] == 50
        whole = client.messages.create(
            model="graph:research", max_tokens=50, messages=[{"role": "user", "content": "Hello?"}]
        )
        assert whole.content[0].type == "text"
        ids = [model.id for model in client.models.list()]
        assert "chain:polish" in ids


@pytest.mark.parametrize("shown", [False, True])
def test_openais_sdk_accumulates_a_stream(doors: Doors, shown: bool) -> None:
    with openai.OpenAI(base_url=f"{doors.url}/v1", api_key="none", max_retries=0) as client:
        headers = {"x-gateway-include-steps": "true"} if shown else {}
        with client.chat.completions.stream(
            model="chain:polish", messages=[{"role": "user", "content": "x"}], extra_headers=headers
        ) as stream:
            stream.until_done()
            final = stream.get_final_completion()
        assert final.choices[0].message.content == "One two three."
        assert final.choices[0].finish_reason == "stop"


def test_pings_hold_a_run_that_takes_long() -> None:
    go = asyncio.Event()

    async def late(request: Received, wire: Wire) -> None:
        await go.wait()
        await script(request, wire)

    with opened(CONFIG | {"server": {"stream": {"hold": "20ms", "ping": "20ms"}}}) as doors, doors.raw() as raw:
        doors.upstream.script = late
        raw.post(json.dumps({"model": "chain:polish", "messages": [], "stream": True}).encode())
        raw.until(b": ping")
        doors.upstream.background.call(go.set)
        raw.until(b"[DONE]")
