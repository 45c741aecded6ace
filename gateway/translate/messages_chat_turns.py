"""Anthropic's system prompt and turns as a chat's messages."""

from typing import Any

from gateway.seam.errors import InvalidRequest
from gateway.translate.chat_thoughts import MARK
from gateway.translate.fields import Fields, missing
from gateway.translate.messages_chat_parts import Part, cache_of, content_of, parts, plain
from gateway.wire.messages_fold import INVALID_JSON
from gateway.wire.verbatim import encode

Message = dict[str, Any]


class Messages:
    """The conversation as it is built, for a target whose model is called `model`."""

    def __init__(self, model: str, *, caches: bool) -> None:
        self.messages: list[Message] = []
        self._model = model
        self._caches = caches
        self._waiting: dict[str, str] = {}  # tool uses without a result: their paths by id

    def system(self, body: Fields) -> None:
        """The system prompt: the first message."""
        self._instruct(content_of(body, "system"))

    def add(self, turn: Fields) -> None:
        """One turn."""
        role = turn.needed("role")
        if "content" not in turn:
            raise missing(turn.at("content"))
        blocks = content_of(turn)
        match role:
            case "user":
                self._ask(blocks)
            case "assistant":
                self._orphans()
                self._answer(blocks)
            case "system":
                self._orphans()
                self._instruct(blocks)
            case _:
                raise InvalidRequest(
                    f"'{turn.at('role')}' must be user, assistant or system, found '{role[:40]}'.",
                    param=turn.at("role"),
                )

    def end(self) -> None:
        """All turns are there. Raises `InvalidRequest` where a tool's use has no result."""
        self._orphans()

    def _instruct(self, blocks: list[Fields]) -> None:
        content = [part for part in parts(blocks, caches=self._caches) if part.get("text") != ""]
        if content:
            self.messages.append({"role": "system", "content": plain(content)})

    def _ask(self, blocks: list[Fields]) -> None:
        """A user's turn: the results of tools are messages of their own, before what the user says."""
        rest = [block for block in blocks if block.peek("type") != "tool_result"]
        shown: list[Part] = []
        for block in blocks:
            if block.peek("type") == "tool_result":
                shown += self._result(block)
        self._orphans()
        content = shown + parts(rest, caches=self._caches)
        if content:
            self.messages.append({"role": "user", "content": plain(content)})

    def _result(self, block: Fields) -> list[Part]:
        """A tool's result as a message; what a tool's message cannot hold (images) is returned."""
        block.take("type")
        name = block.needed("tool_use_id")
        if self._waiting.pop(name, None) is None:
            raise InvalidRequest(
                f"'{block.path}' is the result of a tool use that does not stand in the turn directly before it: "
                f"'{name[:60]}'.",
                param=block.path,
            )
        block.forget("is_error", False)
        cache = cache_of(block, caches=self._caches)
        content = parts(content_of(block), caches=self._caches)
        texts = [part for part in content if part["type"] == "text"]
        others = [part for part in content if part["type"] != "text"]
        if others and not texts:
            texts = [{"type": "text", "text": "The result follows in the user's next message."}]
        message: Message = {"role": "tool", "tool_call_id": name, "content": plain(texts) if texts else ""}
        self.messages.append(message if cache is None else {**message, "cache_control": cache})
        return others

    def _answer(self, blocks: list[Fields]) -> None:
        thoughts: list[str] = []
        calls: list[dict[str, Any]] = []
        rest: list[Fields] = []
        for block in blocks:
            match block.peek("type"):
                case "thinking" | "redacted_thinking":
                    thoughts += self._thought(block)
                case "tool_use":
                    calls.append(self._use(block))
                case _:
                    rest.append(block)
        content = parts(rest, caches=self._caches)
        if not content and not calls:
            return
        message: Message = {"role": "assistant", "content": plain(content) if content else None}
        if thoughts:
            message["reasoning_content"] = "".join(thoughts)
        if calls:
            message["tool_calls"] = calls
        self.messages.append(message)

    def _thought(self, block: Fields) -> list[str]:
        """A thinking block goes back to the model that thought it, or to nobody."""
        if block.peek("signature") != MARK + self._model:
            block.take("type")
            block.give_up("")
            return []
        block.take("type")
        block.take("signature")
        return [block.needed("thinking")]

    def _use(self, block: Fields) -> dict[str, Any]:
        block.take("type")
        block.forget("caller", {"type": "direct"})
        name = block.needed("id")
        self._waiting[name] = block.path
        given = block.object("input") or {}
        wrapped = given.get(INVALID_JSON) if given.keys() == {INVALID_JSON} else None
        source = wrapped if isinstance(wrapped, str) else encode(given).decode()
        call = {"id": name, "type": "function", "function": {"name": block.needed("name"), "arguments": source}}
        cache = cache_of(block, caches=self._caches)
        return call if cache is None else {**call, "cache_control": cache}

    def _orphans(self) -> None:
        for path in self._waiting.values():
            raise InvalidRequest(
                f"Each tool use needs a result in the turn directly after it; '{path}' has none.", param=path
            )
