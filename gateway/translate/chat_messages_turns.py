"""A chat's messages as Anthropic's system prompt and turns."""

import re
from typing import Any

from msgspec import Raw

from gateway.seam.errors import InvalidRequest
from gateway.translate.chat_messages_parts import Block, blocks, cached, text_blocks
from gateway.translate.claude import Claude
from gateway.translate.fields import Fields
from gateway.wire.messages_fold import INVALID_JSON
from gateway.wire.verbatim import INVALID, open_object

POSITION = "position"
"""Where a thinking block stood in its answer, told where it did not lead."""
CUSTOM_INPUT = "input"
"""The member of a tool's input that holds a custom tool's text."""

_NOT_IN_IDS = re.compile(r"[^a-zA-Z0-9_-]")
_ROLES = "system, developer, user, assistant, tool or function"


class Turns:
    """The conversation as it is built: consecutive messages of one role make one turn, and tool uses wait for results.

    Anthropic wants the results of a turn's tool uses at the beginning of the turn directly after it.
    """

    def __init__(self, model: Claude) -> None:
        self.system: list[Block] = []
        self.turns: list[dict[str, Any]] = []
        self.tools: dict[str, None] = {}
        """The names of the tools that were used, in order."""
        self.unsigned_loop = False
        """Whether the turn that a tool's result continues has no thoughts to continue."""
        self._model = model
        self._waiting: dict[str, str] = {}  # tool uses without a result: their paths by id
        self._called = ""  # the id of the last deprecated function call

    def add(self, message: Fields, following: str) -> None:
        """One message; `following` is the role of the next, empty at the end."""
        role = message.needed("role")
        if self._waiting and role not in ("tool", "function"):
            self._orphans()
        match role:
            case "system" | "developer":
                self._instruct(message, following)
            case "user":
                self._extend("user", self._cached(message, blocks(message)))
            case "assistant":
                self._answer(message)
            case "tool":
                self._result(message, message.needed("tool_call_id"))
            case "function":
                message.take("name")
                self._result(message, self._called)
            case _:
                raise InvalidRequest(
                    f"'{message.at('role')}' must be {_ROLES}, found '{role[:40]}'.", param=message.at("role")
                )

    def end(self) -> None:
        """All messages are there. Raises `InvalidRequest` where the conversation cannot be had."""
        if self._waiting:
            self._orphans()
        if not self.turns:
            raise InvalidRequest(
                "'messages' must hold a user's or an assistant's message that says something: this model's provider "
                "takes no conversation of system messages alone.",
                param="messages",
            )

    def _instruct(self, message: Fields, following: str) -> None:
        """A system message: hoisted, or in its place where the model knows of that and the place is one."""
        found = self._cached(message, blocks(message))
        behind_user = bool(self.turns) and self.turns[-1]["role"] == "user"
        if self._model.system_turns and behind_user and following in ("", "assistant") and found:
            self.turns.append({"role": "system", "content": found})
        else:
            self.system += found

    def _answer(self, message: Fields) -> None:
        thoughts = self._thoughts(message)
        made = blocks(message)
        refusal = message.text("refusal")
        if refusal is not None:
            made += text_blocks(refusal, message.at("refusal"), message)
        for number, call in enumerate(message.items("tool_calls")):
            made.append(self._use(call, f"{message.at('tool_calls')}[{number}]"))
        call_by_name = message.fields("function_call")
        if call_by_name is not None:
            self._called = f"call_{len(self.turns)}"
            self._waiting[self._called] = call_by_name.path
            made.append(self._used(self._called, call_by_name.needed("name"), call_by_name.text("arguments")))
        for number, thought in enumerate(thoughts):
            made.insert(thought.pop(POSITION, number), thought)
        self.unsigned_loop = bool(self._waiting) and made[0]["type"] not in ("thinking", "redacted_thinking")
        self._extend("assistant", self._cached(message, made))

    def _thoughts(self, message: Fields) -> list[Block]:
        """Thinking blocks go back verbatim or not at all: a filter may have changed what they were shown as."""
        shown = [name for name in ("reasoning_content", "reasoning") if name in message]
        told = [message.text(name) for name in shown]
        given: list[Block] = []
        for thought in message.items("thinking_blocks"):
            thought.take("index")
            place = thought.integer(POSITION)
            block = {name: thought.take(name) for name in _THOUGHT if name in thought}
            given.append(block if place is None else {**block, POSITION: max(0, place)})
        signed = all(thought.get("signature") or thought.get("data") for thought in given)
        text = "".join([str(thought.get("thinking", "")) for thought in given])
        if given and signed and all(reasoning == text for reasoning in told):
            return given
        if given:
            message.drop("thinking_blocks")
        for name in shown:
            message.drop(name)
        return []

    def _use(self, call: Fields, path: str) -> Block:
        call.take("index")
        call.take("type")
        name = _NOT_IN_IDS.sub("_", call.needed("id"))
        self._waiting[name] = path
        custom = call.fields("custom")
        if custom is not None:
            text = custom.text(CUSTOM_INPUT) or ""
            return {
                "type": "tool_use",
                "id": name,
                "name": self._tool(custom.needed("name")),
                "input": {CUSTOM_INPUT: text},
            }
        function = call.fields("function")
        if function is None:
            raise InvalidRequest(f"'{call.at('function')}' is missing.", param=call.at("function"))
        used = self._used(name, function.needed("name"), function.text("arguments"))
        cache = cached(call)
        return used if cache is None else {**used, "cache_control": cache}

    def _used(self, name: str, tool: str, arguments: str | None) -> Block:
        return {"type": "tool_use", "id": name, "name": self._tool(tool), "input": input_of(arguments or "")}

    def _tool(self, name: str) -> str:
        self.tools[name] = None
        return name

    def _result(self, message: Fields, called: str) -> None:
        name = _NOT_IN_IDS.sub("_", called)
        if name not in self._waiting:
            raise InvalidRequest(
                f"'{message.path}' is the result of a tool call that does not stand directly before it: "
                f"no assistant message there calls '{called[:60]}'.",
                param=message.path,
            )
        del self._waiting[name]
        result: Block = {"type": "tool_result", "tool_use_id": name}
        cache = cached(message)
        content = message.take("content")
        if isinstance(content, str):
            if content:
                result["content"] = content
        else:
            inner = blocks(Fields(message.reading, {"content": content}, message.path))
            if inner:
                result["content"] = inner
        if cache is not None:
            result["cache_control"] = cache
        self._extend("user", [result])

    def _cached(self, message: Fields, made: list[Block]) -> list[Block]:
        cache = cached(message)
        if cache is not None and made:
            made[-1] = {**made[-1], "cache_control": cache}
        return made

    def _extend(self, role: str, made: list[Block]) -> None:
        if not made:
            return
        if self.turns and self.turns[-1]["role"] == role:
            self.turns[-1]["content"] += made
        else:
            self.turns.append({"role": role, "content": made})

    def _orphans(self) -> None:
        paths = list(self._waiting.values())
        raise InvalidRequest(
            f"Each tool call needs a result in the messages directly after it; '{paths[0]}' has none.", param=paths[0]
        )


_THOUGHT = ("type", "thinking", "signature", "data")


def input_of(arguments: str) -> Any:
    """A tool's arguments as an object: their source, or wrapped where they are no object."""
    if not arguments.strip():
        return {}
    source = arguments.encode()
    try:
        open_object(source)
    except INVALID:
        return {INVALID_JSON: arguments}
    return Raw(source)
