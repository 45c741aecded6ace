# ruff: noqa: E501 (a table reads by its rows)
"""Chat requests for Messages targets: what is carried, what is mapped, what is dropped and named."""

import json
from contextlib import nullcontext, suppress

import pytest

from gateway.seam import InvalidRequest, Request
from gateway.translate.chat_messages import CHAT_ON_MESSAGES, ChatOnMessages
from tests.translate.requests import ASK, ASKED, CALLS, MIDDLE, NEW, NEWEST, OLD, OTHER, RESULT, Doc, to_messages

# model, what is asked, what is added to the plain request, what is dropped
# fmt: off
ROWS: list[tuple[str, Doc, Doc, list[str]]] = [
    (OLD, {"max_tokens": 7}, {"max_tokens": 7}, []),
    (OLD, {"max_completion_tokens": 7}, {"max_tokens": 7}, []),
    (OLD, {"max_completion_tokens": 7, "max_tokens": 9}, {"max_tokens": 7}, ["max_tokens"]),
    (OLD, {"temperature": 0.5}, {"temperature": 0.5}, []),
    (OLD, {"temperature": 1.5}, {"temperature": 1}, ["temperature"]),
    (OLD, {"temperature": 0.5, "top_p": 0.5}, {"temperature": 0.5}, ["top_p"]),
    (OLD, {"temperature": 1, "top_p": 0.5}, {"top_p": 0.5}, []),
    (OLD, {"temperature": 0.5, "top_p": 1}, {"temperature": 0.5}, []),
    ("claude-sonnet-4-0", {"temperature": 0.5, "top_p": 0.5}, {"temperature": 0.5, "top_p": 0.5}, []),
    (NEW, {"temperature": 0.5, "top_p": 0.5, "top_k": 3}, {}, ["temperature", "top_p", "top_k"]),
    (NEW, {"temperature": 1, "top_p": 1.0}, {}, []),
    (OLD, {"top_k": 3}, {"top_k": 3}, []),
    (OLD, {"stop": "x"}, {"stop_sequences": ["x"]}, []),
    (OLD, {"stop": ["x", " ", "y"]}, {"stop_sequences": ["x", "y"]}, ["stop[1]"]),
    (OLD, {"stop": "\n"}, {}, ["stop"]),
    (OLD, {"stop": None}, {}, []),
    (OLD, {"user": "u"}, {"metadata": {"user_id": "u"}}, []),
    (OLD, {"safety_identifier": "s"}, {"metadata": {"user_id": "s"}}, []),
    (OLD, {"safety_identifier": "s", "user": "u"}, {"metadata": {"user_id": "u"}}, ["safety_identifier"]),
    (OLD, {"service_tier": "auto"}, {"service_tier": "auto"}, []),
    (OLD, {"service_tier": "default"}, {"service_tier": "standard_only"}, []),
    (OLD, {"service_tier": "flex"}, {}, ["service_tier"]),
    (OLD, {"stream": True, "stream_options": {"include_usage": True}}, {"stream": True}, []),
    (OLD, {"cache_control": {"type": "ephemeral"}}, {"cache_control": {"type": "ephemeral"}}, []),
    # What says nothing that Anthropic lacks.
    (OLD, {"n": 1, "logprobs": False, "top_logprobs": 0, "frequency_penalty": 0, "presence_penalty": 0.0}, {}, []),
    (OLD, {"store": False, "modalities": ["text"], "logit_bias": {}, "metadata": {}, "seed": None, "tools": []}, {}, []),
    (OLD, {"response_format": {"type": "text"}, "parallel_tool_calls": True, "tool_choice": "auto"}, {}, []),
    # What Anthropic has no word for.
    (OLD, {"n": 2}, {}, ["n"]),
    (OLD, {"logprobs": True, "top_logprobs": 3}, {}, ["top_logprobs", "logprobs"]),
    (OLD, {"seed": 1, "frequency_penalty": 0.5, "presence_penalty": -1}, {}, ["frequency_penalty", "presence_penalty", "seed"]),
    (OLD, {"logit_bias": {"5": 1}, "store": True, "metadata": {"a": "b"}}, {}, ["logit_bias", "store", "metadata"]),
    (OLD, {"audio": {"voice": "x"}, "modalities": ["text", "audio"]}, {}, ["audio", "modalities"]),
    (OLD, {"prediction": {"type": "content", "content": "x"}}, {}, ["prediction"]),
    (OLD, {"verbosity": "low", "web_search_options": {}, "prompt_cache_key": "k"}, {}, ["verbosity", "web_search_options", "prompt_cache_key"]),
    (OLD, {"made_up": {"a": 1}, "bad\nname": 1}, {}, ["made_up", "*"]),
    # Thinking.
    (OLD, {"reasoning_effort": "low"}, {"thinking": {"type": "enabled", "budget_tokens": 2048}}, []),
    (OLD, {"reasoning_effort": "high", "max_tokens": 5000}, {"thinking": {"type": "enabled", "budget_tokens": 4000}, "max_tokens": 5000}, []),
    (OLD, {"reasoning_effort": "high", "max_tokens": 1024}, {"max_tokens": 1024}, ["reasoning_effort"]),
    (OLD, {"reasoning_effort": "none"}, {}, []),
    ("claude-3-5-haiku-latest", {"reasoning_effort": "low"}, {}, ["reasoning_effort"]),
    ("claude-3-5-haiku-latest", {"reasoning_effort": "none"}, {}, []),
    (OLD, {"reasoning_effort": "low", "temperature": 0.5, "top_p": 0.96, "top_k": 4}, {"thinking": {"type": "enabled", "budget_tokens": 2048}, "top_p": 0.96}, ["temperature", "top_k"]),
    (OTHER, {"reasoning_effort": "max"}, {"thinking": {"type": "enabled", "budget_tokens": 32768}, "max_tokens": 65536}, []),
    (MIDDLE, {"reasoning_effort": "xhigh"}, {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}, []),
    (NEW, {"reasoning_effort": "minimal"}, {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "low"}}, []),
    (NEW, {"reasoning_effort": "xhigh"}, {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "xhigh"}}, []),
    (MIDDLE, {"reasoning_effort": "none"}, {}, []),
    (NEW, {"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}, []),
    ("claude-sonnet-5-5", {"reasoning_effort": "none"}, {"thinking": {"type": "between_tools"}}, []),
    (NEWEST, {"reasoning_effort": "none"}, {"output_config": {"effort": "low"}}, ["reasoning_effort"]),
    (OLD, {"thinking": {"type": "enabled", "budget_tokens": 2000}}, {"thinking": {"type": "enabled", "budget_tokens": 2000}}, []),
    (OLD, {"thinking": {"type": "enabled", "budget_tokens": 2000}, "reasoning_effort": "low"}, {"thinking": {"type": "enabled", "budget_tokens": 2000}}, ["reasoning_effort"]),
    (NEW, {"thinking": {"type": "adaptive"}, "reasoning_effort": "low"}, {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}, []),
]
# fmt: on


@pytest.mark.parametrize(("model", "asked", "added", "dropped"), ROWS, ids=lambda value: json.dumps(value)[:60])
def test_rows(model: str, asked: Doc, added: Doc, dropped: list[str]) -> None:
    out, named = to_messages(model, **asked)
    plain, _ = to_messages(model)
    assert out == {**plain, **added}
    assert list(named) == dropped


def test_numbers_keep_their_source() -> None:
    schema = b'{"type":"object","properties":{"a":{"maximum":123456789012345678901234567890,"minimum":1.00}}}'
    raw = (
        b'{"messages":[{"role":"user","content":"q"},{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"f",'
        b'"arguments":"{\\"x\\": 1.00, \\"y\\":123456789012345678901234567890}"}}]},{"role":"tool","tool_call_id":"a",'
        b'"content":"r"}],"temperature":0.10,"tools":[{"type":"function","function":{"name":"f","parameters":%s}}]}'
        % schema
    )
    out = CHAT_ON_MESSAGES.request(Request("chat", raw, model=OLD)).request.raw
    assert schema in out
    assert b'{"x": 1.00, "y":123456789012345678901234567890}' in out
    assert b'"temperature":0.10' in out


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "x"}, "messages"),
        ({"messages": [1]}, "messages[0]"),
        ({"messages": [{}]}, "messages[0].role"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "system", "content": "s"}]}, "messages"),
        ({"messages": [{"role": "user", "content": 1}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content[0].image_url"),
        ({"messages": [ASKED, CALLS]}, "messages[1].tool_calls[0]"),
        ({"messages": [ASKED, CALLS, ASKED, RESULT]}, "messages[1].tool_calls[0]"),
        ({"messages": [ASKED, RESULT]}, "messages[1]"),
        ({"messages": [ASKED, CALLS, RESULT, RESULT]}, "messages[3]"),
        (
            {"messages": [ASKED, {"role": "assistant", "tool_calls": [{"id": "a"}]}]},
            "messages[1].tool_calls[0].function",
        ),
        ({"temperature": "hot"}, "temperature"),
        ({"max_tokens": 0}, "max_completion_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"stop": [1]}, "stop"),
        ({"reasoning_effort": "huge"}, "reasoning_effort"),
        ({"tool_choice": "sometimes"}, "tool_choice"),
        ({"tool_choice": 1}, "tool_choice"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
        ({"tools": {}}, "tools"),
        ({"stream": "yes"}, "stream"),
    ],
)
def test_what_is_wrong_in_itself(body: Doc, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        to_messages(**body)
    assert caught.value.param == param
    assert caught.value.status == 400


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b'"x"', b'{"messages":' + b"[" * 100_000])
def test_what_is_no_object(raw: bytes) -> None:
    with pytest.raises(InvalidRequest):
        CHAT_ON_MESSAGES.request(Request("chat", raw, model=OLD))


def test_the_form_and_headers_go_on() -> None:
    headers = [(b"openai-beta", b"x"), (b"anthropic-beta", b"y"), (b"traceparent", b"z")]
    raw = json.dumps({"messages": ASK, "stream": True}).encode()
    made = CHAT_ON_MESSAGES.request(Request("chat", raw, model=OLD, stream=True, headers=headers)).request
    assert made.stream
    assert list(made.headers) == headers[1:]


def test_the_most_tokens_where_the_call_sets_none() -> None:
    assert to_messages(OTHER)[0]["max_tokens"] == 4096
    assert to_messages("claude-3-5-haiku-latest")[0]["max_tokens"] == 8192
    raw = json.dumps({"messages": ASK}).encode()
    made = ChatOnMessages(max_tokens=123).request(Request("chat", raw, model=OLD)).request
    assert made.body["max_tokens"] == 123


OUTCOMES = {100: nullcontext(), 450: suppress(InvalidRequest), 5000: pytest.raises(InvalidRequest)}


def nested(depth: int) -> bytes:
    return b'{"type":"object","properties":{"a":' * depth + b"{}" + b"}}" * depth


@pytest.mark.parametrize("depth", OUTCOMES)
@pytest.mark.parametrize("model", [OLD, OTHER])
def test_schemas_nested_without_end(depth: int, model: str) -> None:
    raw = (
        b'{"messages":[{"role":"user","content":"q"}],"tools":[{"type":"function","function":{"name":"f","strict":true,'
        b'"parameters":%s}}],"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":%s}}}'
    )
    request = Request("chat", raw % (nested(depth), nested(depth)), model=model)
    with OUTCOMES[depth]:
        CHAT_ON_MESSAGES.request(request)
