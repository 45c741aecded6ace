# ruff: noqa: E501 (a table reads by its rows)
"""The tools of a chat request, and the form of its answer, for Messages targets."""

import json

import pytest

from tests.translate.requests import MADE, NEW, NEWEST, OLD, OTHER, SCHEMA, TOOL, Doc, to_messages

# fmt: off
FORMAT = {"type": "json_schema", "json_schema": {"name": "out", "schema": SCHEMA, "strict": True}}
OPEN = {"type": "object", "additionalProperties": {"type": "string"}}
OPEN_FORMAT = {"type": "json_schema", "json_schema": {"name": "out", "schema": OPEN}}


# model, what is asked, what is added to the plain request, what is dropped
ROWS: list[tuple[str, Doc, Doc, list[str]]] = [
    # Tools.
    (OLD, {"tools": [TOOL]}, {"tools": [MADE]}, []),
    (OLD, {"tools": [TOOL], "tool_choice": "auto"}, {"tools": [MADE]}, []),
    (OLD, {"tools": [TOOL], "tool_choice": "required"}, {"tools": [MADE], "tool_choice": {"type": "any"}}, []),
    (OLD, {"tools": [TOOL], "tool_choice": "none"}, {"tools": [MADE], "tool_choice": {"type": "none"}}, []),
    (OLD, {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "f"}}}, {"tools": [MADE], "tool_choice": {"type": "tool", "name": "f"}}, []),
    (OLD, {"tools": [TOOL], "parallel_tool_calls": False}, {"tools": [MADE], "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}, []),
    (OLD, {"tools": [TOOL], "tool_choice": "required", "parallel_tool_calls": False}, {"tools": [MADE], "tool_choice": {"type": "any", "disable_parallel_tool_use": True}}, []),
    (OLD, {"tools": [TOOL], "tool_choice": "none", "parallel_tool_calls": False}, {"tools": [MADE], "tool_choice": {"type": "none"}}, []),
    (OLD, {"tools": [TOOL], "parallel_tool_calls": True}, {"tools": [MADE]}, []),
    (NEWEST, {"tools": [TOOL], "tool_choice": "required"}, {"tools": [MADE]}, ["tool_choice"]),
    (OLD, {"tools": [TOOL], "tool_choice": "required", "reasoning_effort": "low"}, {"tools": [MADE], "tool_choice": {"type": "any"}}, ["reasoning_effort"]),
    (NEW, {"tools": [TOOL], "tool_choice": "required", "reasoning_effort": "low"}, {"tools": [MADE], "tool_choice": {"type": "any"}, "output_config": {"effort": "low"}}, []),
    (OLD, {"tools": [{**TOOL, "cache_control": {"type": "ephemeral"}}]}, {"tools": [{**MADE, "cache_control": {"type": "ephemeral"}}]}, []),
    (OLD, {"tools": [{"type": "function", "function": {"name": "f", "description": "d", "strict": True, "parameters": SCHEMA}}]}, {"tools": [{**MADE, "description": "d", "strict": True}]}, []),
    (OTHER, {"tools": [{"type": "function", "function": {"name": "f", "strict": True, "parameters": SCHEMA}}]}, {"tools": [MADE]}, ["tools[0].function.strict"]),
    (OLD, {"tools": [{"type": "function", "function": {"name": "f"}}]}, {"tools": [{"name": "f", "input_schema": {"type": "object", "properties": {}}}]}, []),
    (OLD, {"tools": [{"type": "web_search"}, TOOL]}, {"tools": [MADE]}, ["tools[0]"]),
    (OLD, {"tools": [TOOL, {"type": "function", "function": {"name": "g", "parameters": SCHEMA}}], "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "f"}}]}}}, {"tools": [MADE], "tool_choice": {"type": "any"}}, []),
    (
        OLD,
        {"tools": [{"type": "custom", "custom": {"name": "c", "description": "d", "format": {"type": "text"}}}], "tool_choice": {"type": "custom", "custom": {"name": "c"}}},
        {"tools": [{"name": "c", "description": "d", "input_schema": {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}}], "tool_choice": {"type": "tool", "name": "c"}},
        [],
    ),
    (OLD, {"tools": [{"type": "custom", "custom": {"name": "c", "format": {"type": "grammar", "grammar": {}}}}]}, {"tools": [{"name": "c", "input_schema": {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}}]}, ["tools[0].custom.format"]),
    (OLD, {"functions": [{"name": "f", "parameters": SCHEMA}], "function_call": {"name": "f"}}, {"tools": [MADE], "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": True}}, []),
    (OLD, {"functions": [{"name": "f", "parameters": SCHEMA}], "function_call": "none"}, {"tools": [MADE], "tool_choice": {"type": "none"}}, []),
    (OLD, {"tools": [TOOL], "tool_choice": {"name": "f"}}, {"tools": [MADE], "tool_choice": {"type": "tool", "name": "f"}}, []),
    (OLD, {"tools": [TOOL], "thinking": {"type": "enabled", "budget_tokens": 40000}}, {"tools": [MADE], "thinking": {"type": "enabled", "budget_tokens": 40000}, "max_tokens": 80000}, []),
    (OLD, {"tools": [TOOL], "tool_choice": "required", "thinking": {"type": "enabled", "budget_tokens": 2000}}, {"tools": [MADE], "tool_choice": {"type": "any"}}, ["thinking"]),
    (NEW, {"tools": [TOOL], "tool_choice": "required", "thinking": {"type": "adaptive"}}, {"tools": [MADE], "tool_choice": {"type": "any"}}, ["thinking"]),
    # The answer's form.
    (OTHER, {"response_format": {"type": "json_schema", "json_schema": {"name": "f", "schema": {"anyOf": [SCHEMA]}, "description": "d"}}, "tools": [TOOL]}, {"tools": [MADE, {"name": "f_out", "description": "d", "input_schema": {"type": "object", "anyOf": [SCHEMA]}}], "tool_choice": {"type": "any"}}, []),
    (OTHER, {"response_format": FORMAT, "tools": [TOOL], "tool_choice": "none"}, {"tools": [{"name": "out", "description": "Give the answer to the user as this tool's input.", "input_schema": SCHEMA}], "tool_choice": {"type": "tool", "name": "out"}}, []),
    (OTHER, {"response_format": FORMAT, "tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "f"}}}, {"tools": [MADE, {"name": "out", "description": "Give the answer to the user as this tool's input.", "input_schema": SCHEMA}], "tool_choice": {"type": "tool", "name": "f"}}, []),
    (OLD, {"response_format": {"type": "json_schema", "json_schema": {"name": "out", "description": "d", "schema": {**SCHEMA, "title": "T", "description": "e"}}}}, {"output_config": {"format": {"type": "json_schema", "schema": {**SCHEMA, "title": "T", "description": "e"}}}}, ["response_format.json_schema.name", "response_format.json_schema.description"]),
    (OLD, {"response_format": {"type": "json_schema"}}, {}, ["response_format"]),
    (OLD, {"response_format": FORMAT}, {"output_config": {"format": {"type": "json_schema", "schema": {**SCHEMA, "title": "out"}}}}, []),
    (NEWEST, {"response_format": FORMAT, "reasoning_effort": "low"}, {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"format": {"type": "json_schema", "schema": {**SCHEMA, "title": "out"}}, "effort": "low"}}, []),
    (OTHER, {"response_format": FORMAT}, {"tools": [{"name": "out", "description": "Give the answer to the user as this tool's input.", "input_schema": SCHEMA}], "tool_choice": {"type": "tool", "name": "out"}}, []),
    (OTHER, {"response_format": FORMAT, "tools": [TOOL]}, {"tools": [MADE, {"name": "out", "description": "Give the answer to the user as this tool's input.", "input_schema": SCHEMA}], "tool_choice": {"type": "any"}}, []),
    (OLD, {"response_format": OPEN_FORMAT}, {"tools": [{"name": "out", "description": "Give the answer to the user as this tool's input.", "input_schema": OPEN}], "tool_choice": {"type": "tool", "name": "out"}}, []),
    (NEWEST, {"response_format": OPEN_FORMAT}, {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object", "additionalProperties": False, "title": "out"}}}}, ["response_format.json_schema.schema.additionalProperties"]),
    (OLD, {"response_format": {"type": "json_object"}}, {"tools": [{"name": "json", "description": "Give the answer to the user as this tool's input.", "input_schema": {"type": "object"}}], "tool_choice": {"type": "tool", "name": "json"}}, []),
    (NEWEST, {"response_format": {"type": "json_object"}}, {}, ["response_format"]),
    (OLD, {"response_format": {"type": "grammar", "grammar": "x"}}, {}, ["response_format.grammar"]),
]
# fmt: on


@pytest.mark.parametrize(("model", "asked", "added", "dropped"), ROWS, ids=lambda value: json.dumps(value)[:60])
def test_rows(model: str, asked: Doc, added: Doc, dropped: list[str]) -> None:
    out, named = to_messages(model, **asked)
    plain, _ = to_messages(model)
    assert out == {**plain, **added}
    assert list(named) == dropped
