"""The tools of a request: which a model may call, which it must, and calls of them."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from gateway.providers.mock.refusals import missing, refused, wrong_length, wrong_type, wrong_value
from gateway.providers.mock.schema_sample import SchemaError, sample

_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,128}")
_MODES = ("none", "auto", "required")
_MOST = 128


class ToolCall(NamedTuple):
    """One call of a tool; `source` is the JSON text of its arguments, or a custom tool's input."""

    name: str
    source: str
    kind: str = "function"


class Tool(NamedTuple):
    """A tool that the request offers."""

    place: str
    kind: str
    name: str
    schema: Any

    def call(self) -> ToolCall:
        """A call with sample arguments. Raises `InvalidRequest` where the tool's schema allows none."""
        if self.kind == "custom":
            return ToolCall(self.name, f"input of {self.name}", "custom")
        place = f"{self.place}.function.parameters"
        return ToolCall(self.name, sampled(place, {"type": "object"} if self.schema is None else self.schema))


class ToolChoice(NamedTuple):
    """Which tools may be called; `forced` are those of which the answer must call all."""

    tools: Sequence[Tool]
    forced: Sequence[Tool]

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "ToolChoice | None":
        """Read `tools`, `tool_choice` and `parallel_tool_calls`. Raises `InvalidRequest` where they are wrong."""
        tools = _tools(body.get("tools"))
        choice = body.get("tool_choice")
        if not tools:
            if choice in (None, "none", "auto"):
                return None
            raise refused("tool_choice", "'tool_choice' is only allowed when 'tools' are specified.")
        mode, tools = _choice(choice, tools)
        if body.get("parallel_tool_calls") is False:
            tools = tools[:1]
        return None if mode == "none" else cls(tools, tools if mode == "required" else ())


def sampled(param: str, schema: Any) -> str:
    """A value of the schema as JSON text. Raises `InvalidRequest` where there is none."""
    try:
        return msgspec.json.encode(sample(schema)).decode()
    except SchemaError as error:
        raise refused(param, f"Invalid schema for '{param}': {error}.") from error


def _tools(tools: Any) -> list[Tool]:
    if tools is None:
        return []
    if not isinstance(tools, list):
        raise wrong_type("tools", "an array of objects", tools)
    if len(tools) > _MOST:
        raise wrong_length("tools", f"maximum length {_MOST}", len(tools))
    return [_tool(f"tools[{number}]", tool) for number, tool in enumerate(tools)]


def _tool(place: str, tool: Any) -> Tool:
    if not isinstance(tool, dict):
        raise wrong_type(place, "an object", tool)
    kind = tool.get("type")
    if kind is None:
        raise missing(f"{place}.type")
    if kind not in ("function", "custom"):
        raise wrong_value(f"{place}.type", kind, ("function", "custom"))
    about = _member(place, tool, kind)
    schema = about.get("parameters") if kind == "function" else None
    if schema is not None and not isinstance(schema, dict):
        raise wrong_type(f"{place}.function.parameters", "an object", schema)
    return Tool(place, kind, _name(f"{place}.{kind}", about), schema)


def _choice(choice: Any, tools: list[Tool]) -> tuple[str, list[Tool]]:
    """The mode, and the tools that are left to it."""
    if choice is None or isinstance(choice, str):
        if choice is not None and choice not in _MODES:
            raise wrong_value("tool_choice", choice, _MODES)
        return choice or "auto", tools
    if not isinstance(choice, dict):
        raise wrong_type("tool_choice", "a string or an object", choice)
    kind = choice.get("type")
    if kind == "allowed_tools":
        return _allowed(_member("tool_choice", choice, kind), tools)
    if kind not in ("function", "custom"):
        raise wrong_value("tool_choice.type", kind, ("function", "custom", "allowed_tools"))
    return "required", [_named(f"tool_choice.{kind}", _member("tool_choice", choice, kind), tools)]


def _allowed(allowed: Mapping[str, Any], tools: list[Tool]) -> tuple[str, list[Tool]]:
    place = "tool_choice.allowed_tools"
    mode = allowed.get("mode")
    if mode not in ("auto", "required"):
        raise wrong_value(f"{place}.mode", mode, ("auto", "required"))
    names = allowed.get("tools")
    if not isinstance(names, list) or not names:
        raise wrong_type(f"{place}.tools", "an array of objects", names)
    kept = []
    for number, item in enumerate(names):
        where = f"{place}.tools[{number}]"
        if not isinstance(item, dict):
            raise wrong_type(where, "an object", item)
        kind = "custom" if item.get("type") == "custom" else "function"
        kept.append(_named(f"{where}.{kind}", _member(where, item, kind), tools))
    return str(mode), kept


def _member(place: str, holder: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    member = holder.get(name)
    if member is None:
        raise missing(f"{place}.{name}")
    if not isinstance(member, dict):
        raise wrong_type(f"{place}.{name}", "an object", member)
    return member


def _name(place: str, about: Mapping[str, Any]) -> str:
    name = about.get("name")
    if name is None:
        raise missing(f"{place}.name")
    if not isinstance(name, str):
        raise wrong_type(f"{place}.name", "a string", name)
    if not _NAME.fullmatch(name):
        found = f"Invalid '{place}.name': '{name[:100]}' does not match the pattern '^{_NAME.pattern}$'."
        raise refused(f"{place}.name", found)
    return name


def _named(place: str, about: Mapping[str, Any], tools: list[Tool]) -> Tool:
    name = _name(place, about)
    for tool in tools:
        if tool.name == name:
            return tool
    raise refused(f"{place}.name", f"Tool choice '{name}' not found in 'tools' parameter.")
