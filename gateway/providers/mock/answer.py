"""What the built-in models answer."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from gateway.providers.mock.ask import Ask
from gateway.providers.mock.lorem import MOST, filler
from gateway.providers.mock.tools import Tool, ToolCall, sampled
from gateway.wire.verbatim import INVALID

DEFAULT_WORDS = 60
"""How much `lorem` writes where the request sets no limit."""


class Answer(NamedTuple):
    """What a model said, which tools it called, and why it stopped."""

    text: str | None
    finish: str = "stop"
    calls: tuple[ToolCall, ...] = ()

    def tokens(self, count: Callable[[str], int]) -> int:
        """What it counts, its texts counted by `count`."""
        tokens = count(self.text) if self.text else 0
        return tokens + sum([1 + count(call.source) for call in self.calls]) if self.calls else tokens


Model = Callable[[Ask], Answer]


def answer(model: Model, ask: Ask) -> Answer:
    """What `model` answers: the tools that it must call go first, and JSON is given where JSON is asked for."""
    if ask.must_call:
        return _calls(ask.must_call)
    said = model(ask)
    if said.calls:
        return said
    if ask.json:
        return Answer(_json(ask, said.text or ""))
    for stop in ask.stop:
        if stop in (said.text or ""):
            said = Answer((said.text or "").partition(stop)[0])
    return said


def echo(ask: Ask) -> Answer:
    """The last user text again, whatever `max_tokens` says."""
    return Answer(ask.text)


def lorem(ask: Ask) -> Answer:
    """Filler: as many words as `max_tokens` allows, which cuts it, else 60."""
    if ask.limit is None:
        return Answer(filler(DEFAULT_WORDS))
    return Answer(filler(min(ask.limit, MOST)), "length" if ask.limit <= MOST else "stop")


def tools(ask: Ask) -> Answer:
    """Calls of the request's tools; once their results are there, a text that quotes them."""
    results = ask.called
    if results:
        return Answer("\n".join([f"{name} answered: {text}" for name, text in results]))
    if ask.tools is None:
        return Answer("There is no tool that I may call.")
    return _calls(ask.tools.tools)


MODELS: dict[str, Model] = {"echo": echo, "lorem": lorem, "tools": tools}


def _calls(wanted: Sequence[Tool]) -> Answer:
    return Answer(None, "tool_calls", tuple([tool.call() for tool in wanted]))


def _json(ask: Ask, text: str) -> str:
    if ask.schema is not None:
        return sampled("response_format.json_schema.schema", ask.schema)
    try:
        msgspec.json.decode(text, type=dict)
    except INVALID:
        return msgspec.json.encode({"answer": text}).decode()
    return text
