"""What is wrong with a tool."""

from collections.abc import Iterator
from typing import Any

from gateway.config.problems import ConfigError, Problem
from gateway.orchestration.arguments import INPUT, Schema, parameters_problems
from gateway.orchestration.names import ANYTHING, TEXT, Names, Shape
from gateway.orchestration.settings import Tool
from gateway.orchestration.step_tools import name_problems, signature_problems
from gateway.orchestration.toolbox import arguments_of
from gateway.orchestration.works import Known, work_problems


def tool_problems(name: str, tool: Tool, place: str, known: Known) -> Iterator[Problem]:
    """Everything that is wrong with a tool by itself."""
    yield from name_problems(name, place)
    wrong = [] if tool.parameters is None else list(parameters_problems(tool.parameters, f"{place}.parameters"))
    if tool.function is not None and tool.parameters is None:
        wrong += signature_problems(tool, f"{place}.function", known.function)
    yield from wrong
    if wrong:  # what a model gives is not known, so nothing can be said of who reads it
        return
    schema = _schema(tool, place, known)
    properties: dict[str, Any] = dict(schema.get("properties", {}))
    required = set(schema.get("required", ()))
    shapes = {one: _shape(properties[one]) for one in properties}
    names = Names(required, properties, shapes)
    yield from work_problems(tool, place, names, known, supplied=required)
    if tool.model is not None and tool.prompt is None and tool.messages is None and "input" not in properties:
        expected = "`prompt`, `messages`, or a parameter called `input`"
        yield Problem(place, "nothing says what the model is asked", expected, "none of them", "add `prompt`")


def _schema(tool: Tool, place: str, known: Known) -> Schema:
    if tool.function is None:
        return arguments_of(tool, None).schema
    try:
        return arguments_of(tool, known.function(tool.function, f"{place}.function")).schema
    except ConfigError:  # the function is not there, which is told with the others
        return INPUT.schema


def _shape(schema: Any) -> Shape:
    return TEXT if isinstance(schema, dict) and schema.get("type") == "string" else ANYTHING
