"""The tools that a step names: those of the `tools:` block, and functions that are named in place."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from gateway.orchestration.arguments import INPUT, Arguments, Typed, described, is_open, schema_of, signed, takes
from gateway.orchestration.settings import Tool


def tool_name(named: str) -> str:
    """What a model knows a tool by: its name in the block, or that of its function."""
    return named.rpartition(":")[2]


def tool_settings(named: str, tools: Mapping[str, Tool]) -> Tool:
    """The tool that a step names. Raises LookupError where there is none."""
    if named in tools:
        return tools[named]
    if ":" in named:
        return Tool(function=named)
    raise LookupError(named)


def place_of(named: str, tools: Collection[str], place: str) -> str:
    """Where a tool is written: in the block, or where the step names its function."""
    return f"tools.{named}" if named in tools else place


def arguments_of(tool: Tool, function: Callable[..., Any] | None) -> Arguments:
    """What a model must give to a tool; `function` is what it calls, None for anything else.

    What `args` says is not the model's to choose. Raises TypeError where the function's annotations do not say.
    """
    if tool.parameters is not None:
        return described(schema_of(tool.parameters))
    if function is None or is_open(function):
        return INPUT
    return signed(function, tool.args)


def passed(arguments: Arguments, function: Callable[..., Any] | None) -> Typed:
    """What makes of a model's arguments those that a function takes, of its types; None takes all."""
    if function is None:
        return dict
    taken = takes(function)
    return lambda given: {name: value for name, value in arguments.typed(given).items() if taken(name)}
