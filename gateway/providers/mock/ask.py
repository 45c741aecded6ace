"""What a request asks of a mock model, checked."""

from collections.abc import Sequence
from typing import Any

from gateway.providers.mock import messages, parameters, pieces
from gateway.providers.mock.tools import Tool, ToolChoice
from gateway.seam import Request

PROMPT_EXTRA = 3
"""Tokens that a message costs beside its text, as with OpenAI's models."""


class Ask:
    """One request. Making one raises `InvalidRequest` where OpenAI would refuse the body."""

    __slots__ = ("_body", "_counted", "include_usage", "messages", "stream", "text", "tools")

    def __init__(self, request: Request) -> None:
        body = self._body = request.body
        self.stream = request.stream
        self.messages = messages.checked(body.get("messages"))
        parameters.check(body, stream=self.stream)
        self.tools: ToolChoice | None = None
        """Which tools may or must be called; None where none may."""
        if body.get("tools") is not None or body.get("tool_choice") is not None:
            self.tools = ToolChoice.of(body)
        self.text = messages.last_user_text(self.messages)
        """The last user text."""
        self._counted: tuple[str | None, int] = (None, 0)
        options = body.get("stream_options")
        self.include_usage = request.wants_usage or bool(options and options.get("include_usage"))

    @property
    def choices(self) -> int:
        """How many answers are wanted."""
        return self._body.get("n") or 1

    @property
    def limit(self) -> int | None:
        """The most tokens that an answer may have."""
        return self._body.get("max_completion_tokens") or self._body.get("max_tokens")

    @property
    def stop(self) -> Sequence[str]:
        """The texts before which an answer stops."""
        stop = self._body.get("stop") or ()
        return (stop,) if isinstance(stop, str) else [text for text in stop if text]

    @property
    def logprobs(self) -> int | None:
        """How many alternatives each token's log probabilities show; None where none are wanted."""
        return (self._body.get("top_logprobs") or 0) if self._body.get("logprobs") else None

    @property
    def json(self) -> bool:
        """Whether the answer must be JSON."""
        wanted = self._body.get("response_format")
        return wanted is not None and wanted["type"] != "text"

    @property
    def schema(self) -> Any:
        """The JSON schema of the answer; None where there is none."""
        wanted = self._body.get("response_format") or {}
        return (wanted.get("json_schema") or {}).get("schema") if wanted.get("type") == "json_schema" else None

    @property
    def called(self) -> list[tuple[str, str]]:
        """The tools whose results end the conversation, and those results."""
        return messages.results(self.messages)

    @property
    def must_call(self) -> Sequence[Tool]:
        """The tools that the answer must call."""
        return self.tools.forced if self.tools is not None else ()

    def prompt_tokens(self) -> int:
        """What the conversation counts."""
        return sum([self.count(messages.text_of(message)) + PROMPT_EXTRA for message in self.messages])

    def count(self, text: str) -> int:
        """How many tokens a text has. An echo's is the last of the conversation, so that one is remembered."""
        if text is not self._counted[0]:
            self._counted = (text, pieces.count(text))
        return self._counted[1]
