"""A chat request's tools, and the shape that its answer must have, for a Messages target."""

import re
from typing import Any, NamedTuple

from gateway.translate.chat_messages_parts import cached
from gateway.translate.chat_messages_turns import CUSTOM_INPUT
from gateway.translate.claude import Claude
from gateway.translate.fields import Fields, Reading
from gateway.translate.schema import is_open, supported

Tool = dict[str, Any]

_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]")
_CUSTOM = {"type": "object", "properties": {CUSTOM_INPUT: {"type": "string"}}, "required": [CUSTOM_INPUT]}


class Shape(NamedTuple):
    """What a translated answer must look like beyond a plain one."""

    custom: frozenset[str] = frozenset()
    """The names of tools that take a text instead of JSON."""
    answer: str = ""
    """The name of the tool whose input is the answer's content; empty where there is none."""
    legacy: bool = False
    """Whether a tool's use is told as the deprecated `function_call`."""


class Tools:
    """The tools of a request, the choice among them, and the format of the answer; `shape` says what they ask for."""

    def __init__(self, body: Fields, model: Claude, used: dict[str, None]) -> None:
        self.tools: list[Tool] = []
        self.choice: dict[str, Any] = {}
        self.format: dict[str, Any] | None = None
        self._model = model
        self._custom: set[str] = set()
        self._answer = ""
        self._legacy = "functions" in body
        for tool in body.items("tools"):
            self._add(tool)
        for function in body.items("functions"):
            self._add_function(function, None)
        self._choose(body)
        self._answer_as(body)
        if not self.tools and used:
            # A conversation that used tools must define them; without any in the request none may be used again.
            self.tools = [{"name": name, "input_schema": {"type": "object"}} for name in used]
            self.choice = {"type": "none"}
        if not self.tools:
            self.choice = {}

    @property
    def shape(self) -> Shape:
        """What the answer must look like."""
        return Shape(frozenset(self._custom), self._answer, self._legacy)

    @property
    def forced(self) -> bool:
        """Whether some tool must be used."""
        return self.choice.get("type") in ("any", "tool")

    def _add(self, tool: Fields) -> None:
        kind = tool.needed("type")
        function, custom = tool.fields("function"), tool.fields("custom")
        cache = cached(tool)
        if function is not None:
            self._add_function(function, cache)
        elif custom is not None:
            name = custom.needed("name")
            custom.forget("format", {"type": "text"})
            self._custom.add(name)
            described = custom.text("description")
            self._append({"name": name, "description": described, "input_schema": _CUSTOM, "cache_control": cache})
        else:
            tool.give_up(kind)

    def _add_function(self, function: Fields, cache: Any) -> None:
        strict = function.flag("strict")
        if strict and not self._model.schemas:
            function.drop("strict")
            strict = None
        parameters = function.object("parameters") or {"properties": {}}
        path = function.at("parameters")
        if strict:
            parameters = supported(parameters, path, function.reading.drop)
        own = cached(function)
        self._append(
            {
                "name": function.needed("name"),
                "description": function.text("description"),
                "input_schema": parameters if parameters.get("type") == "object" else {"type": "object", **parameters},
                "strict": strict or None,
                "cache_control": cache or own,
            }
        )

    def _append(self, tool: Tool) -> None:
        self.tools.append({name: value for name, value in tool.items() if value is not None})

    def _choose(self, body: Fields) -> None:
        parallel = body.flag("parallel_tool_calls")
        choice = body.take("tool_choice")
        by_name = body.take("function_call")
        if choice is None and by_name is not None:
            choice = by_name if isinstance(by_name, str) else {"function": by_name}
        if isinstance(choice, str):
            self._choose_word(body, choice)
        elif isinstance(choice, dict):
            self._choose_named(Fields(body.reading, choice, "tool_choice"))
        elif choice is not None:
            raise body.wrong("tool_choice", "a string or an object")
        if self.forced and not self._model.forced:
            body.drop("tool_choice")
            self.choice = {}
        if (parallel is False or self._legacy) and self.choice.get("type") != "none":
            self.choice = {**(self.choice or {"type": "auto"}), "disable_parallel_tool_use": True}

    def _choose_word(self, body: Fields, word: str) -> None:
        kinds = {"auto": "auto", "required": "any", "any": "any", "none": "none"}
        if word not in kinds:
            raise body.wrong("tool_choice", "none, auto, required or an object that names a tool")
        self.choice = {"type": kinds[word]} if word != "auto" else {}

    def _choose_named(self, choice: Fields) -> None:
        allowed = choice.fields("allowed_tools")
        if allowed is not None:
            names = [_name(tool) for tool in allowed.items("tools")]
            self.tools = [tool for tool in self.tools if tool["name"] in names]
            self.choice = {"type": "any"} if allowed.text("mode") == "required" else {}
            choice.take("type")
            return
        self.choice = {"type": "tool", "name": _name(choice)}

    def _answer_as(self, body: Fields) -> None:
        wanted = body.fields("response_format")
        kind = wanted.needed("type") if wanted is not None else "text"
        if wanted is None or kind == "text":
            return
        if kind == "json_object":
            self._answer_by_tool(body, "json", {"type": "object"}, None)
            return
        described = wanted.fields("json_schema")
        if described is None:
            wanted.give_up(kind)
            return
        name = described.needed("name")
        described.flag("strict")
        schema = described.object("schema") or {"type": "object"}
        description = described.text("description")
        if self._model.schemas and not (is_open(schema) and self._model.forced):
            schema = supported(schema, described.at("schema"), described.reading.drop)
            schema = _told(schema, described, "title", "name", name)
            self.format = {"type": "json_schema", "schema": _told(schema, described, "description", None, description)}
        else:
            self._answer_by_tool(body, name, schema, description)

    def _answer_by_tool(self, body: Fields, name: str, schema: dict[str, Any], description: str | None) -> None:
        """Have the answer given as the input of a tool that must be used."""
        if not self._model.forced:
            body.drop("response_format")
            return
        taken = {tool["name"] for tool in self.tools}
        name = _NOT_IN_NAMES.sub("_", name)[:64]
        while name in taken:
            name = f"{name[:60]}_out"
        others = self.choice.get("type") != "none" and bool(self.tools)
        if self.choice.get("type") == "none":
            self.tools = []
        self._answer = name
        said = description or "Give the answer to the user as this tool's input."
        if schema.get("type") != "object":
            schema = {"type": "object", **schema}
        self.tools.append({"name": name, "description": said, "input_schema": schema})
        if self.choice.get("type") != "tool":
            only = {"disable_parallel_tool_use": True} if "disable_parallel_tool_use" in self.choice else {}
            self.choice = {"type": "any"} | only if others else {"type": "tool", "name": name}


def _name(choice: Fields) -> str:
    """The tool that a choice names: under its type, or plainly."""
    kind = choice.text("type") or "function"
    named = choice.fields(kind) or choice.fields("function")
    if named is None:
        return choice.needed("name")
    return named.needed("name")


def _told(schema: dict[str, Any], described: Fields, word: str, field: str | None, text: str | None) -> dict[str, Any]:
    """The schema with a text that OpenAI has beside it under `word`; dropped where another stands there."""
    if text is None or schema.get(word) == text:
        return schema
    if word in schema:
        described.drop(field or word)
        return schema
    return {**schema, word: text}


def shape_of(reading: Reading, model: Claude) -> Shape:
    """What the answer to a request must look like."""
    return Tools(reading.body, model, {}).shape
