# ruff: noqa: E501 (a table reads by its rows)
"""Chat requests for Messages targets: what is carried, what is mapped, what is dropped and named."""

import json
from typing import Any

import pytest

from gateway.seam import InvalidRequest, Request
from gateway.translate.chat_messages import CHAT_ON_MESSAGES, ChatOnMessages
from tests.translate.requests import ASK, MIDDLE, NEW, NEWEST, OLD, OTHER, Doc, to_messages

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
TOOL = {"type": "function", "function": {"name": "f", "parameters": SCHEMA}}
MADE = {"name": "f", "input_schema": SCHEMA}
FORMAT = {"type": "json_schema", "json_schema": {"name": "out", "schema": SCHEMA, "strict": True}}
OPEN = {"type": "object", "additionalProperties": {"type": "string"}}
OPEN_FORMAT = {"type": "json_schema", "json_schema": {"name": "out", "schema": OPEN}}

# model, what is asked, what is added to the plain request, what is dropped
PARAMETERS: list[tuple[str, Doc, Doc, list[str]]] = [
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
    (
        OLD,
        {"store": False, "modalities": ["text"], "logit_bias": {}, "metadata": {}, "seed": None, "tools": []},
        {},
        [],
    ),
    (OLD, {"response_format": {"type": "text"}, "parallel_tool_calls": True, "tool_choice": "auto"}, {}, []),
    # What Anthropic has no word for.
    (OLD, {"n": 2}, {}, ["n"]),
    (OLD, {"logprobs": True, "top_logprobs": 3}, {}, ["top_logprobs", "logprobs"]),
    (
        OLD,
        {"seed": 1, "frequency_penalty": 0.5, "presence_penalty": -1},
        {},
        ["frequency_penalty", "presence_penalty", "seed"],
    ),
    (OLD, {"logit_bias": {"5": 1}, "store": True, "metadata": {"a": "b"}}, {}, ["logit_bias", "store", "metadata"]),
    (OLD, {"audio": {"voice": "x"}, "modalities": ["text", "audio"]}, {}, ["audio", "modalities"]),
    (OLD, {"prediction": {"type": "content", "content": "x"}}, {}, ["prediction"]),
    (
        OLD,
        {"verbosity": "low", "web_search_options": {}, "prompt_cache_key": "k"},
        {},
        ["verbosity", "web_search_options", "prompt_cache_key"],
    ),
    (OLD, {"made_up": {"a": 1}, "bad\nname": 1}, {}, ["made_up", "*"]),
    # Thinking.
    (OLD, {"reasoning_effort": "low"}, {"thinking": {"type": "enabled", "budget_tokens": 2048}}, []),
    (
        OLD,
        {"reasoning_effort": "high", "max_tokens": 5000},
        {"thinking": {"type": "enabled", "budget_tokens": 4000}, "max_tokens": 5000},
        [],
    ),
    (OLD, {"reasoning_effort": "high", "max_tokens": 1024}, {"max_tokens": 1024}, ["reasoning_effort"]),
    (OLD, {"reasoning_effort": "none"}, {}, []),
    (
        OLD,
        {"reasoning_effort": "low", "temperature": 0.5, "top_p": 0.96, "top_k": 4},
        {"thinking": {"type": "enabled", "budget_tokens": 2048}, "top_p": 0.96},
        ["temperature", "top_k"],
    ),
    (
        OTHER,
        {"reasoning_effort": "max"},
        {"thinking": {"type": "enabled", "budget_tokens": 32768}, "max_tokens": 65536},
        [],
    ),
    (
        MIDDLE,
        {"reasoning_effort": "xhigh"},
        {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}},
        [],
    ),
    (
        NEW,
        {"reasoning_effort": "minimal"},
        {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "low"}},
        [],
    ),
    (
        NEW,
        {"reasoning_effort": "xhigh"},
        {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "xhigh"}},
        [],
    ),
    (MIDDLE, {"reasoning_effort": "none"}, {}, []),
    (NEW, {"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}, []),
    ("claude-sonnet-5-5", {"reasoning_effort": "none"}, {"thinking": {"type": "between_tools"}}, []),
    (NEWEST, {"reasoning_effort": "none"}, {"output_config": {"effort": "low"}}, ["reasoning_effort"]),
    (
        OLD,
        {"thinking": {"type": "enabled", "budget_tokens": 2000}},
        {"thinking": {"type": "enabled", "budget_tokens": 2000}},
        [],
    ),
    (
        OLD,
        {"thinking": {"type": "enabled", "budget_tokens": 2000}, "reasoning_effort": "low"},
        {"thinking": {"type": "enabled", "budget_tokens": 2000}},
        ["reasoning_effort"],
    ),
    (
        NEW,
        {"thinking": {"type": "adaptive"}, "reasoning_effort": "low"},
        {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}},
        [],
    ),
    # Tools.
    (OLD, {"tools": [TOOL]}, {"tools": [MADE]}, []),
    (OLD, {"tools": [TOOL], "tool_choice": "auto"}, {"tools": [MADE]}, []),
    (OLD, {"tools": [TOOL], "tool_choice": "required"}, {"tools": [MADE], "tool_choice": {"type": "any"}}, []),
    (OLD, {"tools": [TOOL], "tool_choice": "none"}, {"tools": [MADE], "tool_choice": {"type": "none"}}, []),
    (
        OLD,
        {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "f"}}},
        {"tools": [MADE], "tool_choice": {"type": "tool", "name": "f"}},
        [],
    ),
    (
        OLD,
        {"tools": [TOOL], "parallel_tool_calls": False},
        {"tools": [MADE], "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
        [],
    ),
    (
        OLD,
        {"tools": [TOOL], "tool_choice": "required", "parallel_tool_calls": False},
        {"tools": [MADE], "tool_choice": {"type": "any", "disable_parallel_tool_use": True}},
        [],
    ),
    (
        OLD,
        {"tools": [TOOL], "tool_choice": "none", "parallel_tool_calls": False},
        {"tools": [MADE], "tool_choice": {"type": "none"}},
        [],
    ),
    (OLD, {"tools": [TOOL], "parallel_tool_calls": True}, {"tools": [MADE]}, []),
    (NEWEST, {"tools": [TOOL], "tool_choice": "required"}, {"tools": [MADE]}, ["tool_choice"]),
    (
        OLD,
        {"tools": [TOOL], "tool_choice": "required", "reasoning_effort": "low"},
        {"tools": [MADE], "tool_choice": {"type": "any"}},
        ["reasoning_effort"],
    ),
    (
        NEW,
        {"tools": [TOOL], "tool_choice": "required", "reasoning_effort": "low"},
        {"tools": [MADE], "tool_choice": {"type": "any"}, "output_config": {"effort": "low"}},
        [],
    ),
    (
        OLD,
        {"tools": [{**TOOL, "cache_control": {"type": "ephemeral"}}]},
        {"tools": [{**MADE, "cache_control": {"type": "ephemeral"}}]},
        [],
    ),
    (
        OLD,
        {
            "tools": [
                {
                    "type": "function",
                    "function": {"name": "f", "description": "d", "strict": True, "parameters": SCHEMA},
                }
            ]
        },
        {"tools": [{**MADE, "description": "d", "strict": True}]},
        [],
    ),
    (
        OTHER,
        {"tools": [{"type": "function", "function": {"name": "f", "strict": True, "parameters": SCHEMA}}]},
        {"tools": [MADE]},
        ["tools[0].function.strict"],
    ),
    (
        OLD,
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"tools": [{"name": "f", "input_schema": {"type": "object", "properties": {}}}]},
        [],
    ),
    (OLD, {"tools": [{"type": "web_search"}, TOOL]}, {"tools": [MADE]}, ["tools[0]"]),
    (
        OLD,
        {
            "tools": [TOOL, {"type": "function", "function": {"name": "g", "parameters": SCHEMA}}],
            "tool_choice": {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "f"}}]},
            },
        },
        {"tools": [MADE], "tool_choice": {"type": "any"}},
        [],
    ),
    (
        OLD,
        {
            "tools": [{"type": "custom", "custom": {"name": "c", "description": "d", "format": {"type": "text"}}}],
            "tool_choice": {"type": "custom", "custom": {"name": "c"}},
        },
        {
            "tools": [
                {
                    "name": "c",
                    "description": "d",
                    "input_schema": {
                        "type": "object",
                        "properties": {"input": {"type": "string"}},
                        "required": ["input"],
                    },
                }
            ],
            "tool_choice": {"type": "tool", "name": "c"},
        },
        [],
    ),
    (
        OLD,
        {"tools": [{"type": "custom", "custom": {"name": "c", "format": {"type": "grammar", "grammar": {}}}}]},
        {
            "tools": [
                {
                    "name": "c",
                    "input_schema": {
                        "type": "object",
                        "properties": {"input": {"type": "string"}},
                        "required": ["input"],
                    },
                }
            ]
        },
        ["tools[0].custom.format"],
    ),
    (
        OLD,
        {"functions": [{"name": "f", "parameters": SCHEMA}], "function_call": {"name": "f"}},
        {"tools": [MADE], "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": True}},
        [],
    ),
    (
        OLD,
        {"functions": [{"name": "f", "parameters": SCHEMA}], "function_call": "none"},
        {"tools": [MADE], "tool_choice": {"type": "none"}},
        [],
    ),
    # The answer's form.
    (
        OLD,
        {"response_format": FORMAT},
        {"output_config": {"format": {"type": "json_schema", "schema": {**SCHEMA, "title": "out"}}}},
        [],
    ),
    (
        NEWEST,
        {"response_format": FORMAT, "reasoning_effort": "low"},
        {
            "thinking": {"type": "adaptive", "display": "summarized"},
            "output_config": {"format": {"type": "json_schema", "schema": {**SCHEMA, "title": "out"}}, "effort": "low"},
        },
        [],
    ),
    (
        OTHER,
        {"response_format": FORMAT},
        {
            "tools": [
                {
                    "name": "out",
                    "description": "Give the answer to the user as this tool's input.",
                    "input_schema": SCHEMA,
                }
            ],
            "tool_choice": {"type": "tool", "name": "out"},
        },
        [],
    ),
    (
        OTHER,
        {"response_format": FORMAT, "tools": [TOOL]},
        {
            "tools": [
                MADE,
                {
                    "name": "out",
                    "description": "Give the answer to the user as this tool's input.",
                    "input_schema": SCHEMA,
                },
            ],
            "tool_choice": {"type": "any"},
        },
        [],
    ),
    (
        OLD,
        {"response_format": OPEN_FORMAT},
        {
            "tools": [
                {
                    "name": "out",
                    "description": "Give the answer to the user as this tool's input.",
                    "input_schema": OPEN,
                }
            ],
            "tool_choice": {"type": "tool", "name": "out"},
        },
        [],
    ),
    (
        NEWEST,
        {"response_format": OPEN_FORMAT},
        {
            "output_config": {
                "format": {
                    "type": "json_schema",
                    "schema": {"type": "object", "additionalProperties": False, "title": "out"},
                }
            }
        },
        ["response_format.json_schema.schema.additionalProperties"],
    ),
    (
        OLD,
        {"response_format": {"type": "json_object"}},
        {
            "tools": [
                {
                    "name": "json",
                    "description": "Give the answer to the user as this tool's input.",
                    "input_schema": {"type": "object"},
                }
            ],
            "tool_choice": {"type": "tool", "name": "json"},
        },
        [],
    ),
    (NEWEST, {"response_format": {"type": "json_object"}}, {}, ["response_format"]),
    (OLD, {"response_format": {"type": "grammar", "grammar": "x"}}, {}, ["response_format.grammar"]),
]


@pytest.mark.parametrize(("model", "asked", "added", "dropped"), PARAMETERS, ids=lambda value: json.dumps(value)[:60])
def test_parameters(model: str, asked: Doc, added: Doc, dropped: list[str]) -> None:
    out, named = to_messages(model, **asked)
    plain, _ = to_messages(model)
    assert out == {**plain, **added}
    assert list(named) == dropped


USE = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
USED = {"type": "tool_use", "id": "call_1", "name": "f", "input": {"a": 1}}
CALLS = {"role": "assistant", "content": None, "tool_calls": [USE]}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "r"}
RESULTED = {"type": "tool_result", "tool_use_id": "call_1", "content": "r"}
ASKED = {"role": "user", "content": "q"}
CACHE = {"type": "ephemeral"}
PNG = {"type": "base64", "media_type": "image/png", "data": "iVBORw0="}
PDF = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}
THOUGHT = {"type": "thinking", "thinking": "t", "signature": "s"}


def part(kind: str, **fields: Any) -> Doc:
    return {"role": "user", "content": [{"type": kind, **fields}]}


def block(kind: str, **fields: Any) -> list[Doc]:
    return [{"role": "user", "content": [{"type": kind, **fields}]}]


# messages, system, turns, what is dropped
CONVERSATIONS: list[tuple[str, list[Doc], Any, list[Doc], list[str]]] = [
    ("one system message", [{"role": "system", "content": "s"}, ASKED], "s", ASK, []),
    (
        "several, joined",
        [{"role": "system", "content": "s"}, {"role": "developer", "content": [{"type": "text", "text": "d"}]}, ASKED],
        [{"type": "text", "text": "s"}, {"type": "text", "text": "d"}],
        ASK,
        [],
    ),
    (
        "hoisted",
        [ASKED, {"role": "system", "content": "s"}, ASKED],
        "s",
        [{"role": "user", "content": [{"type": "text", "text": "q"}] * 2}],
        [],
    ),
    (
        "roles merged",
        [ASKED, ASKED, {"role": "assistant", "content": "a"}, {"role": "assistant", "content": "b"}],
        None,
        [
            {"role": "user", "content": [{"type": "text", "text": "q"}] * 2},
            {"role": "assistant", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        ],
        [],
    ),
    ("names", [{**ASKED, "name": "Ann"}], None, ASK, ["messages[0].name"]),
    (
        "nothing said",
        [ASKED, {"role": "assistant", "content": ""}, ASKED],
        None,
        [{"role": "user", "content": [{"type": "text", "text": "q"}] * 2}],
        [],
    ),
    ("white space", [ASKED, {"role": "assistant", "content": " \n"}], None, ASK, ["messages[1].content"]),
    (
        "an image",
        [part("image_url", image_url={"url": "data:image/png;base64,iVBORw0=", "detail": "auto"})],
        None,
        block("image", source=PNG),
        [],
    ),
    (
        "its detail",
        [part("image_url", image_url={"url": "https://x/y.png", "detail": "low"})],
        None,
        block("image", source={"type": "url", "url": "https://x/y.png"}),
        ["messages[0].content[0].image_url.detail"],
    ),
    (
        "a document",
        [part("file", file={"file_data": "data:application/pdf;base64,JVBERi0=", "filename": "a.pdf"})],
        None,
        block("document", source=PDF, title="a.pdf"),
        [],
    ),
    (
        "a text file",
        [part("file", file={"file_data": "data:text/plain;base64,aGk="})],
        None,
        block("document", source={"type": "text", "media_type": "text/plain", "data": "hi"}),
        [],
    ),
    (
        "an image file",
        [part("file", file={"file_data": "data:image/png;base64,iVBORw0="})],
        None,
        block("image", source=PNG),
        [],
    ),
    ("a file of theirs", [ASKED, part("file", file={"file_id": "file_1"})], None, ASK, ["messages[1].content[0].file"]),
    (
        "audio",
        [ASKED, part("input_audio", input_audio={"data": "x", "format": "wav"})],
        None,
        ASK,
        ["messages[1].content[0].input_audio"],
    ),
    ("what is yet to come", [ASKED, part("song", verse="la")], None, ASK, ["messages[1].content[0]"]),
    (
        "cache marks",
        [part("text", text="q", cache_control=CACHE)],
        None,
        block("text", text="q", cache_control=CACHE),
        [],
    ),
    (
        "a message's cache mark",
        [{**ASKED, "cache_control": CACHE}],
        None,
        block("text", text="q", cache_control=CACHE),
        [],
    ),
    (
        "OpenAI's cache marks",
        [part("text", text="q", prompt_cache_breakpoint={"mode": "explicit", "ttl": "30m"})],
        None,
        block("text", text="q", cache_control={**CACHE, "ttl": "1h"}),
        [],
    ),
    (
        "a tool's use",
        [ASKED, CALLS, RESULT],
        None,
        [*ASK, {"role": "assistant", "content": [USED]}, {"role": "user", "content": [RESULTED]}],
        [],
    ),
    (
        "results come first",
        [ASKED, CALLS, RESULT, ASKED],
        None,
        [
            *ASK,
            {"role": "assistant", "content": [USED]},
            {"role": "user", "content": [RESULTED, {"type": "text", "text": "q"}]},
        ],
        [],
    ),
    (
        "a result of parts",
        [
            ASKED,
            CALLS,
            {
                **RESULT,
                "content": [
                    {"type": "text", "text": "r"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0="}},
                ],
            },
        ],
        None,
        [
            *ASK,
            {"role": "assistant", "content": [USED]},
            {
                "role": "user",
                "content": [{**RESULTED, "content": [{"type": "text", "text": "r"}, {"type": "image", "source": PNG}]}],
            },
        ],
        [],
    ),
    (
        "an empty result",
        [ASKED, CALLS, {**RESULT, "content": ""}],
        None,
        [
            *ASK,
            {"role": "assistant", "content": [USED]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1"}]},
        ],
        [],
    ),
    (
        "ids that Anthropic refuses",
        [ASKED, {**CALLS, "tool_calls": [{**USE, "id": "f:0"}]}, {**RESULT, "tool_call_id": "f:0"}],
        None,
        [
            *ASK,
            {"role": "assistant", "content": [{**USED, "id": "f_0"}]},
            {"role": "user", "content": [{**RESULTED, "tool_use_id": "f_0"}]},
        ],
        [],
    ),
    (
        "a custom tool",
        [
            ASKED,
            {**CALLS, "tool_calls": [{"id": "call_1", "type": "custom", "custom": {"name": "c", "input": "x"}}]},
            RESULT,
        ],
        None,
        [
            *ASK,
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "call_1", "name": "c", "input": {"input": "x"}}],
            },
            {"role": "user", "content": [RESULTED]},
        ],
        [],
    ),
    (
        "functions",
        [
            ASKED,
            {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": ""}},
            {"role": "function", "name": "f", "content": "r"},
        ],
        None,
        [
            *ASK,
            {"role": "assistant", "content": [{"type": "tool_use", "id": "call_1", "name": "f", "input": {}}]},
            {"role": "user", "content": [RESULTED]},
        ],
        [],
    ),
    (
        "arguments that are no object",
        [ASKED, {**CALLS, "tool_calls": [{**USE, "function": {"name": "f", "arguments": '{"a": 1'}}]}, RESULT],
        None,
        [
            *ASK,
            {"role": "assistant", "content": [{**USED, "input": {"INVALID_JSON": '{"a": 1'}}]},
            {"role": "user", "content": [RESULTED]},
        ],
        [],
    ),
    (
        "an answer as the SDK dumps it",
        [
            ASKED,
            {
                "role": "assistant",
                "content": "a",
                "refusal": None,
                "annotations": [],
                "audio": None,
                "function_call": None,
                "tool_calls": None,
            },
        ],
        None,
        [*ASK, {"role": "assistant", "content": "a"}],
        [],
    ),
    (
        "a refusal",
        [ASKED, {"role": "assistant", "content": None, "refusal": "no"}],
        None,
        [*ASK, {"role": "assistant", "content": "no"}],
        [],
    ),
    (
        "thoughts",
        [
            ASKED,
            {
                "role": "assistant",
                "content": "a",
                "reasoning_content": "t",
                "thinking_blocks": [{"index": 0, **THOUGHT}],
            },
        ],
        None,
        [*ASK, {"role": "assistant", "content": [THOUGHT, {"type": "text", "text": "a"}]}],
        [],
    ),
    (
        "redacted thoughts",
        [ASKED, {"role": "assistant", "content": "a", "thinking_blocks": [{"type": "redacted_thinking", "data": "x"}]}],
        None,
        [
            *ASK,
            {
                "role": "assistant",
                "content": [{"type": "redacted_thinking", "data": "x"}, {"type": "text", "text": "a"}],
            },
        ],
        [],
    ),
    (
        "unsigned thoughts",
        [ASKED, {"role": "assistant", "content": "a", "reasoning_content": "t"}],
        None,
        [*ASK, {"role": "assistant", "content": "a"}],
        ["messages[1].reasoning_content"],
    ),
    (
        "thoughts that a filter has changed",
        [ASKED, {"role": "assistant", "content": "a", "reasoning_content": "***", "thinking_blocks": [THOUGHT]}],
        None,
        [*ASK, {"role": "assistant", "content": "a"}],
        ["messages[1].thinking_blocks", "messages[1].reasoning_content"],
    ),
]


@pytest.mark.parametrize(
    ("messages", "system", "turns", "dropped"),
    [case[1:] for case in CONVERSATIONS],
    ids=[case[0] for case in CONVERSATIONS],
)
def test_conversations(messages: list[Doc], system: Any, turns: list[Doc], dropped: list[str]) -> None:
    out, named = to_messages(messages=messages)
    assert out.get("system") == system
    assert out["messages"] == turns
    assert list(named) == dropped


def test_system_turns_in_place() -> None:
    turn = {"role": "system", "content": "s"}
    for messages in ([ASKED, turn], [ASKED, turn, {"role": "assistant", "content": "a"}, ASKED]):
        out, _ = to_messages(NEW, messages=messages)
        assert [message["role"] for message in out["messages"]] == [message["role"] for message in messages]
        assert "system" not in out
    out, _ = to_messages(NEW, messages=[ASKED, {"role": "assistant", "content": "a"}, turn, ASKED])
    assert out["system"] == "s"


def test_a_conversation_that_used_tools_defines_them() -> None:
    out, _ = to_messages(messages=[ASKED, CALLS, RESULT])
    assert out["tools"] == [{"name": "f", "input_schema": {"type": "object"}}]
    assert out["tool_choice"] == {"type": "none"}


def test_a_loop_without_thoughts_goes_on_without() -> None:
    out, dropped = to_messages(messages=[ASKED, CALLS, RESULT], tools=[TOOL], reasoning_effort="high")
    assert "thinking" not in out
    assert dropped == ("reasoning_effort",)
    thinking = {**CALLS, "thinking_blocks": [THOUGHT]}
    out, dropped = to_messages(messages=[ASKED, thinking, RESULT], tools=[TOOL], reasoning_effort="high")
    assert out["thinking"]["type"] == "enabled"
    assert dropped == ()
    out, dropped = to_messages(MIDDLE, messages=[ASKED, CALLS, RESULT], tools=[TOOL], reasoning_effort="high")
    assert out["thinking"] == {"type": "adaptive"}


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
