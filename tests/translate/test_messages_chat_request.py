# ruff: noqa: E501 (a table reads by its rows)
"""Anthropic's requests for chat targets: what is carried, what is mapped, what is dropped and named."""

import hashlib
import json
from contextlib import nullcontext, suppress

import pytest

from gateway.seam import InvalidRequest, Request
from gateway.translate.messages_chat import MESSAGES_ON_CHAT, MessagesOnChat
from tests.translate.requests import ASK, CACHE, MADE, SCHEMA, TOOL, USED, Doc, to_chat, translated

FORMAT = {"type": "json_schema", "schema": {**SCHEMA, "title": "an out"}}
FORMATTED = {
    "type": "json_schema",
    "json_schema": {"name": "an_out", "schema": {**SCHEMA, "title": "an out"}, "strict": True},
}
PLAIN, REASONS = "gpt-4o", "gpt-5"

# fmt: off
# model, what is asked, what is added to the plain request, what is dropped
ROWS: list[tuple[str, Doc, Doc, list[str]]] = [
    (PLAIN, {"max_tokens": 7}, {"max_tokens": 7}, []),
    (PLAIN, {"temperature": 0.5, "top_p": 0.5}, {"temperature": 0.5, "top_p": 0.5}, []),
    (PLAIN, {"stop_sequences": ["a", "b"]}, {"stop": ["a", "b"]}, []),
    (PLAIN, {"stop_sequences": []}, {}, []),
    (PLAIN, {"metadata": {"user_id": "u"}}, {"user": "u"}, []),
    (PLAIN, {"metadata": {"user_id": "u" * 65}}, {"user": hashlib.sha256(b"u" * 65).hexdigest()}, []),
    (PLAIN, {"metadata": {"user_id": None}}, {}, []),
    (PLAIN, {"service_tier": "auto"}, {"service_tier": "auto"}, []),
    (PLAIN, {"service_tier": "standard_only"}, {"service_tier": "default"}, []),
    (PLAIN, {"service_tier": "later"}, {}, ["service_tier"]),
    (PLAIN, {"stream": True}, {"stream": True}, []),
    (PLAIN, {"stream": False}, {}, []),
    # What chat has no word for.
    (PLAIN, {"top_k": 3}, {}, ["top_k"]),
    (PLAIN, {"container": "c", "mcp_servers": [{"url": "x"}], "context_management": {"edits": []}}, {}, ["container", "mcp_servers", "context_management"]),
    (PLAIN, {"cache_control": CACHE, "inference_geo": "eu", "speed": "fast", "made_up": 1}, {}, ["cache_control", "inference_geo", "speed", "made_up"]),
    (PLAIN, {"metadata": {"user_id": "u", "more": 1}}, {"user": "u"}, ["metadata.more"]),
    # Thinking.
    (REASONS, {"thinking": {"type": "enabled", "budget_tokens": 2048}}, {"reasoning_effort": "low"}, []),
    (REASONS, {"thinking": {"type": "enabled", "budget_tokens": 8000}}, {"reasoning_effort": "medium"}, []),
    (REASONS, {"thinking": {"type": "enabled", "budget_tokens": 31999}}, {"reasoning_effort": "high"}, []),
    (REASONS, {"thinking": {"type": "adaptive"}}, {}, []),
    (REASONS, {"thinking": {"type": "adaptive", "display": "omitted"}, "output_config": {"effort": "xhigh"}}, {"reasoning_effort": "xhigh"}, []),
    (REASONS, {"output_config": {"effort": "low"}}, {"reasoning_effort": "low"}, []),
    (REASONS, {"thinking": {"type": "disabled"}}, {}, []),
    (PLAIN, {"thinking": {"type": "enabled", "budget_tokens": 2048}}, {}, ["thinking"]),
    (PLAIN, {"thinking": {"type": "disabled"}}, {}, []),
    (PLAIN, {"output_config": {"effort": "low"}}, {}, ["output_config.effort"]),
    # Tools.
    (PLAIN, {"tools": [MADE]}, {"tools": [TOOL]}, []),
    (PLAIN, {"tools": [{**MADE, "type": "custom", "description": "d", "strict": True}]}, {"tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA, "strict": True}}]}, []),
    (PLAIN, {"tools": [{**MADE, "cache_control": CACHE, "eager_input_streaming": True}]}, {"tools": [TOOL]}, ["tools[0].cache_control", "tools[0].eager_input_streaming"]),
    (PLAIN, {"tools": [{"type": "web_search_20250305", "name": "web_search"}, MADE]}, {"tools": [TOOL]}, ["tools[0]"]),
    (PLAIN, {"tools": [{"type": "bash_20250124", "name": "bash"}], "tool_choice": {"type": "tool", "name": "bash"}}, {}, ["tools[0]", "tool_choice.name"]),
    (PLAIN, {"tools": [MADE], "tool_choice": {"type": "auto"}}, {"tools": [TOOL], "tool_choice": "auto"}, []),
    (PLAIN, {"tools": [MADE], "tool_choice": {"type": "any"}}, {"tools": [TOOL], "tool_choice": "required"}, []),
    (PLAIN, {"tools": [MADE], "tool_choice": {"type": "none"}}, {"tools": [TOOL], "tool_choice": "none"}, []),
    (PLAIN, {"tools": [MADE], "tool_choice": {"type": "tool", "name": "f"}}, {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "f"}}}, []),
    (PLAIN, {"tools": [MADE], "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}, {"tools": [TOOL], "tool_choice": "auto", "parallel_tool_calls": False}, []),
    (PLAIN, {"tools": [MADE], "tool_choice": {"type": "any", "disable_parallel_tool_use": False}}, {"tools": [TOOL], "tool_choice": "required"}, []),
    (PLAIN, {"tools": [{"name": "f", "input_schema": {"type": "object", "properties": {"a": {}}}, "strict": True}]}, {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"a": {}}}}}]}, ["tools[0].strict"]),
    # The answer's form.
    (PLAIN, {"output_config": {"format": FORMAT}}, {"response_format": FORMATTED}, []),
    (PLAIN, {"output_format": FORMAT}, {"response_format": FORMATTED}, []),
    (PLAIN, {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object", "properties": {"a": {}}, "additionalProperties": False}}}}, {"response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "object", "properties": {"a": {}}, "additionalProperties": False}}}}, []),
    (PLAIN, {"output_config": {"format": {"type": "grammar", "grammar": "x"}}}, {}, ["output_config.format.grammar"]),
]
# fmt: on


@pytest.mark.parametrize(("model", "asked", "added", "dropped"), ROWS, ids=lambda value: json.dumps(value)[:60])
def test_rows(model: str, asked: Doc, added: Doc, dropped: list[str]) -> None:
    out, named = to_chat(model, **asked)
    plain, _ = to_chat(model)
    assert out == {**plain, **added}
    assert list(named) == dropped


def test_the_limits_name() -> None:
    for model in ("gpt-5", "o3-mini", "openai/gpt-5.1", "chatgpt-latest", "gpt-6"):
        out, _ = to_chat(model)
        assert out["max_completion_tokens"] == 100
        assert "max_tokens" not in out
    for model in ("gpt-4o", "gpt-oss-120b", "llama", "foo1"):
        assert to_chat(model)[0]["max_tokens"] == 100


def test_a_target_that_knows_cache_control() -> None:
    text = {"type": "text", "text": "q", "cache_control": CACHE}
    use = [{"role": "assistant", "content": [{**USED, "cache_control": CACHE}]}]
    result = {"type": "tool_result", "tool_use_id": "call_1", "content": "r", "cache_control": CACHE}
    body = {
        "max_tokens": 1,
        "system": [text],
        "tools": [{**MADE, "cache_control": CACHE}],
        "messages": [{"role": "user", "content": [text]}, *use, {"role": "user", "content": [result]}],
    }
    out, dropped = translated(MessagesOnChat(cache_control=True), body)
    assert dropped == ()
    assert out["messages"][0]["content"] == [text]
    assert out["messages"][1]["content"] == [text]
    assert out["messages"][2]["tool_calls"][0]["cache_control"] == CACHE
    assert out["messages"][3]["cache_control"] == CACHE
    assert out["tools"] == [{**TOOL, "cache_control": CACHE}]
    out, dropped = translated(MESSAGES_ON_CHAT, body)
    assert b"cache_control" not in json.dumps(out).encode()
    assert len(dropped) == 5


def test_numbers_keep_their_source() -> None:
    raw = (
        b'{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f",'
        b'"input":{"x":1.00,"y":123456789012345678901234567890}}]},{"role":"user","content":[{"type":"tool_result",'
        b'"tool_use_id":"a"}]}],"temperature":0.10}'
    )
    out = MESSAGES_ON_CHAT.request(Request("messages", raw, model="m")).request.raw
    assert rb'"{\"x\":1.00,\"y\":123456789012345678901234567890}"' in out
    assert b'"temperature":0.10' in out


def test_the_form_and_headers_go_on() -> None:
    headers = [(b"anthropic-version", b"x"), (b"anthropic-beta", b"y"), (b"openai-beta", b"o"), (b"traceparent", b"z")]
    raw = json.dumps({"messages": ASK, "stream": True}).encode()
    made = MESSAGES_ON_CHAT.request(Request("messages", raw, model="m", stream=True, headers=headers)).request
    assert made.stream
    assert not made.wants_usage  # so that the provider asks for it, where it may
    assert "stream_options" not in made.body
    assert list(made.headers) == headers[2:]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": None}, "messages"),
        ({"messages": 1}, "messages"),
        ({"messages": ["x"]}, "messages[0]"),
        ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 1}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "messages[0].content[0].source"),
        ({"messages": [{"role": "assistant", "content": [USED]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "assistant", "content": [USED]}, *ASK]}, "messages[0].content[0]"),
        ({"messages": [{"role": "assistant", "content": [USED]}] * 2}, "messages[0].content[0]"),
        (
            {"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "x"}]}]},
            "messages[0].content[0]",
        ),
        ({"tool_choice": {"type": "sometimes"}, "tools": [MADE]}, "tool_choice.type"),
        ({"tools": [{}]}, "tools[0].name"),
        ({"system": 1}, "system"),
        ({"stop_sequences": "x"}, "stop_sequences"),
        ({"thinking": {}}, "thinking.type"),
    ],
)
def test_what_is_wrong_in_itself(body: Doc, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        to_chat(**body)
    assert caught.value.param == param
    assert caught.value.status == 400


OUTCOMES = {100: nullcontext(), 450: suppress(InvalidRequest), 5000: pytest.raises(InvalidRequest)}


@pytest.mark.parametrize("depth", OUTCOMES)
def test_schemas_nested_without_end(depth: int) -> None:
    schema = b'{"type":"object","properties":{"a":' * depth + b"{}" + b"}}" * depth
    raw = b'{"messages":[],"output_config":{"format":{"type":"json_schema","schema":%s}}}' % schema
    with OUTCOMES[depth]:
        MESSAGES_ON_CHAT.request(Request("messages", raw, model="m"))
