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
        self._replies = [(re.compile(reply.when), reply.tool is not None, _answer(reply)) for reply in replies]

    def find(self, ask: Ask) -> Answer | None:
        """The first that fits."""
        for when, calls, answer in self._replies:
            if when.search(ask.text) and not (calls and ask.called):
                return answer
        return None


def _answer(reply: FixedReply) -> Answer:
    if reply.tool is None:
        return Answer(reply.say, reply.finish or "stop")
    call = ToolCall(reply.tool.name, msgspec.json.encode(reply.tool.arguments).decode())
    return Answer(reply.say, reply.finish or "tool_calls", (call,))
