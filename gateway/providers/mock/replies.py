"""Fixed replies, as the settings give them."""

import re
from collections.abc import Sequence

import msgspec

from gateway.providers.mock.answer import Answer
from gateway.providers.mock.ask import Ask
from gateway.providers.mock.settings import FixedReply
from gateway.providers.mock.tools import ToolCall


class FixedReplies:
    """Those that may answer for one model, in their order."""

    __slots__ = ("_replies",)

    def __init__(self, replies: Sequence[FixedReply]) -> None:
        self._replies = [(re.compile(reply.when), reply, _answer(reply)) for reply in replies]

    def find(self, ask: Ask) -> Answer | None:
        """The first that fits."""
        for when, reply, answer in self._replies:
            if when.search(ask.text) and _is_due(reply, ask):
                return answer
        return None


def _is_due(reply: FixedReply, ask: Ask) -> bool:
    """Whether a reply follows what ends the conversation: a user's words, or a tool's results."""
    if reply.after is not None:
        return any(name == reply.after for name, _ in ask.called)
    return reply.tool is None or not ask.called


def _answer(reply: FixedReply) -> Answer:
    if reply.tool is None:
        return Answer(reply.say, reply.finish or "stop")
    call = ToolCall(reply.tool.name, msgspec.json.encode(reply.tool.arguments).decode())
    return Answer(reply.say, reply.finish or "tool_calls", (call,))
