import json
import logging
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from gateway.providers.mock import Mock
from gateway.seam import Call, GatewayError, ModelNotFound, Request, Tasks

HELLO = [{"role": "user", "content": "Hello big world"}]
TOOLS = [
    {
        "type": "function",
        "function": {"name": name, "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
    }
    for name in ("weather", "time")
]


async def test_echo_whole(client):
    before = int(time.time())
    answer = await client.whole(messages=HELLO)
    ChatCompletion.model_validate(answer, strict=True)
    assert before <= answer.pop("created") <= time.time()
    assert answer == {
        "id": "chatcmpl-mock000000000001",
        "object": "chat.completion",
        "model": "echo",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello big world", "refusal": None, "annotations": []},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 6,
            "completion_tokens": 3,
            "total_tokens": 9,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 0,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        },
        "service_tier": "default",
        "system_fingerprint": "fp_mock",
    }


async def test_echo_streamed(client):
    first, *content, finish, usage = await client.events(messages=HELLO)
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    assert [event["choices"][0]["delta"] for event in content] == [
        {"content": "Hello"},
        {"content": " big"},
        {"content": " world"},
    ]
    assert finish["choices"] == [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}]
    assert usage["choices"] == []
    assert usage["usage"]["total_tokens"] == 9
    for event in (first, *content, finish):
        ChatCompletionChunk.model_validate(event, strict=True)
        assert "usage" not in event
        assert event["id"] == first["id"]
    ChatCompletionChunk.model_validate(usage, strict=True)


async def test_events_say_that_usage_is_to_come_to_those_who_asked(client):
    events = await client.events(messages=HELLO, stream_options={"include_usage": True})
    assert [event["usage"] for event in events[:-1]] == [None] * 5


@pytest.mark.parametrize(
    ("model", "body"),
    [
        ("echo", {}),
        ("echo", {"n": 3}),
        ("echo", {"logprobs": True, "top_logprobs": 2, "n": 2}),
        ("lorem", {"max_tokens": 7}),
        ("tools", {"tools": TOOLS}),
        ("tools", {"tools": TOOLS, "n": 2}),
        ("tools", {"tools": [{"type": "custom", "custom": {"name": "shell"}}]}),
        ("echo", {"response_format": {"type": "json_object"}}),
        ("echo", {"messages": [{"role": "user", "content": ""}]}),
        ("echo", {"messages": [{"role": "user", "content": "ä 漢字\n\n" * 900}]}),
    ],
)
async def test_a_stream_folds_to_the_whole_answer(client, model, body):
    body = {"messages": HELLO} | body
    whole = await client.whole(model, **body)
    ChatCompletion.model_validate(whole)
    call = client.call(model, stream=True, **body)
    folded = json.loads((await (await client.provider(call)).whole()).raw)
    for choice in whole["choices"]:
        del choice["message"]["annotations"]  # OpenAI's streams bring none without a search
    for answer in (whole, folded):
        del answer["id"], answer["created"]
        for choice in answer["choices"]:
            for made in choice["message"].get("tool_calls", ()):
                del made["id"]
    assert folded == whole


async def test_an_unpaced_stream_comes_in_batches_of_about_64_kib(client):
    text = "word " * 4000
    reply = await client.provider(client.call(stream=True, messages=[{"role": "user", "content": text}]))
    sizes = [len(batch.raw) async for batch in reply]
    assert all(64 * 1024 <= size < 3 * 64 * 1024 for size in sizes[:-1])
    reply = await client.provider(client.call(stream=True, messages=HELLO))
    assert len([batch async for batch in reply]) == 1


async def test_ids_differ(client):
    assert (await client.whole(messages=HELLO))["id"] != (await client.whole(messages=HELLO))["id"]


async def test_the_targets_name_counts(client):
    reply = await client.provider(client.call("fast", target="echo", messages=HELLO))
    assert json.loads((await reply.whole()).raw)["model"] == "echo"


@pytest.mark.parametrize("model", ["nobody", ""])
async def test_unknown_models_are_not_found(client, model):
    with pytest.raises(ModelNotFound) as caught:
        await client.whole(model, messages=HELLO)
    assert (caught.value.status, caught.value.code) == (404, "model_not_found")


async def test_models_are_listed(client):
    names = ("echo", "lorem", "tools", "embed", "moderate")
    assert client.provider.models == names
    assert client.provider.surfaces == ("chat", "embeddings", "moderations")
    assert client.configure(models={"flaky": {"like": "echo"}}).models == (*names, "flaky")


async def test_open_counts_streams(client):
    read = await client.provider(client.call(stream=True, messages=HELLO))
    dropped = await client.provider(client.call(stream=True, messages=HELLO))
    begun = await client.provider(client.call("lorem", stream=True, messages=HELLO, max_tokens=2000))
    assert client.provider.open == 3
    await dropped.aclose()
    assert client.provider.open == 2
    await begun.__anext__()
    await begun.aclose()
    await begun.aclose()
    assert client.provider.open == 1
    await read.whole()
    assert client.provider.open == 0


async def test_answers_beyond_measure_are_refused(client):
    for body in ({"n": 128}, {"logprobs": True, "top_logprobs": 20}):
        with pytest.raises(GatewayError) as caught:
            await client.whole(messages=[{"role": "user", "content": "word " * 200_000}], **body)
        assert caught.value.status == 400


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)
_NAMES = """
role user assistant tool system content text type function name id tool_calls tool_call_id custom parameters json_schema
json_object schema required auto none mode tools allowed_tools properties items $ref # #/$defs/a anyOf allOf object
array string integer number pattern a+
"""
_WORDS = st.sampled_from(_NAMES.split())
_LIKELY = st.recursive(
    _JSON | _WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS, inner, max_size=5),
    max_leaves=12,
)
_MESSAGE = st.dictionaries(_WORDS, _LIKELY) | st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "tool"]), "content": st.text(max_size=5) | _LIKELY},
    optional={"tool_calls": _LIKELY, "tool_call_id": _LIKELY},
)
_PARAMETERS = """
frequency_penalty logit_bias logprobs max_completion_tokens max_tokens n parallel_tool_calls presence_penalty
response_format seed stop stream stream_options temperature tool_choice tools top_logprobs top_p user
"""
_BODIES = st.dictionaries(st.text(max_size=5) | _WORDS, _JSON, max_size=4) | st.fixed_dictionaries(
    {"messages": _LIKELY | st.lists(_MESSAGE, min_size=1, max_size=3)},
    optional=dict.fromkeys(_PARAMETERS.split(), _LIKELY),
)


def _tool_bodies() -> st.SearchStrategy[dict[str, Any]]:
    schemas = st.dictionaries(_WORDS, _LIKELY, max_size=5)
    function = st.fixed_dictionaries({"name": st.just("f"), "parameters": schemas})
    return st.fixed_dictionaries(
        {
            "messages": st.just(HELLO),
            "tools": st.lists(st.fixed_dictionaries({"type": st.just("function"), "function": function}), min_size=1),
        },
        optional={
            "response_format": st.fixed_dictionaries(
                {
                    "type": st.just("json_schema"),
                    "json_schema": st.fixed_dictionaries({"name": st.just("s"), "schema": schemas}),
                }
            )
        },
    )


@given(body=_BODIES | _tool_bodies(), model=st.sampled_from(["echo", "lorem", "tools"]), stream=st.booleans())
@settings(max_examples=400, deadline=None)
async def test_any_body_is_answered_or_refused(body, model, stream):
    provider = Mock()
    request = Request("chat", json.dumps(body).encode(), model=model, stream=stream)
    refused = None
    try:
        answer = (await (await provider(Call(request, Tasks(logging.getLogger("test"))))).whole()).raw
        ChatCompletion.model_validate_json(answer)
    except GatewayError as error:
        refused = error
    assert refused is None or (400 <= refused.status < 500 and refused.message)
    assert provider.open == 0
