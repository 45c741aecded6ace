"""The turns of a tool loop as one answer: one id, one role, one finish, one usage, and no call of the gateway's tools.

Source: https://platform.openai.com/docs/api-reference/chat/streaming
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw

from gateway.seam import Batch, Chunk, UpstreamError, Usage
from gateway.seam.reply import unfold
from gateway.wire.chat import CHAT_EVENT
from gateway.wire.sse import DONE, frame
from gateway.wire.verbatim import INVALID, NULL, Object, encode, inside, is_null, mend, open_object, open_objects

_SAME = ("id", "created", "model")
"""What all events of a stream have in common."""
_TEXTS = ("content", "reasoning_content", "reasoning")
_SIGNED = ("thinking_blocks", "reasoning_details")
"""Reasoning that its provider takes back in its own turn only: of later turns the client gets the text alone."""
_BETWEEN = b"\\n\\n"


class _Delta(msgspec.Struct, gc=False):
    tool_calls: Raw = NULL


class _Choice(msgspec.Struct, gc=False):
    index: int | None = None
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Event(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: Raw = NULL


_look = msgspec.json.Decoder(_Event).decode


class Joined:
    """A filter of the events of all turns. What must be seen of the first turn passes as it came.

    `held`: the answer must be of a shape, so that it is the last turn's alone; its events wait for that turn's end.
    """

    def __init__(self, *, held: bool) -> None:
        self._held: list[Chunk] | None = [] if held else None
        self._first = True
        self._common: Object = {}
        self._begun = False
        self._apart: set[str] = set()
        """The texts that go on after an earlier turn's."""
        self._last: Object = {}
        """The members of the turn's last event, without its choices and usage."""
        self._finish: Object | None = None
        self._usage: Raw = NULL

    def feed(self, batch: Batch) -> list[Chunk]:
        """What the client sees of a batch. Raises `UpstreamError` where it does not decode."""
        events = [event for chunk in batch.chunks for event in (unfold(chunk) if chunk.whole else (chunk,))]
        if self._held is not None:
            self._held += events
            return []
        return [seen for event in events for seen in self._seen(event)]

    def next_turn(self, message: Object) -> None:
        """The turn whose message this is was not the last one."""
        if self._held is not None:
            self._held = []
            return
        for name in _TEXTS:
            text = message.get(name, NULL)
            if bytes(text)[:1] == b'"' and (said := inside(text)):
                (self._apart.discard if said.endswith((b"\\n", b" ")) else self._apart.add)(name)
        self._first, self._last, self._finish, self._usage = False, {}, None, NULL

    def end(self, calls: Sequence[Object], usage: Usage) -> list[Chunk]:
        """The end of the stream after the last turn, with the client's `calls`, and the `usage` of all turns."""
        out = [seen for event in self._held or () for seen in self._seen(event)]
        if calls:
            numbered = [{**call, "index": number} for number, call in enumerate(calls)]
            out.append(self._event({"index": 0, "delta": {"tool_calls": numbered}, "finish_reason": NULL}))
        finish = self._finish or ({"index": 0} if calls else None)
        if finish is not None:
            reason = finish.get("finish_reason", NULL)
            if calls:
                reason = "tool_calls"
            elif bytes(reason) == b'"tool_calls"':  # of calls that nobody is to see
                reason = "stop"
            out.append(self._event(finish | {"delta": {}, "finish_reason": reason}))
        if not is_null(self._usage):
            trailer = {**self._last, **self._common, "choices": [], "usage": self._usage}
            out.append(Chunk(frame(encode(trailer)), CHAT_EVENT).with_usage(usage))
        return [*out, Chunk(DONE, CHAT_EVENT)]

    def _seen(self, event: Chunk) -> list[Chunk]:
        source = event.codec.source(event.raw)
        if not source:
            return []
        try:
            return self._read(event, source)
        except INVALID as error:
            mended = mend(source)
            try:
                if mended != source:
                    return self._read(Chunk(frame(mended), CHAT_EVENT), mended)
            except INVALID:
                pass
            raise UpstreamError(f"The provider sent an event that is no chat chunk: {error}") from error

    def _read(self, event: Chunk, source: bytes) -> list[Chunk]:
        look = _look(source)
        if self._first and self._begun and look.choices and is_null(look.usage) and all(map(_is_plain, look.choices)):
            return [event]
        document = open_object(source)
        choices = [dict(choice) for choice in open_objects(document.pop("choices", b"[]"))]
        usage = document.pop("usage", NULL)
        if not is_null(usage):
            self._usage = usage
        self._last = document
        for choice in choices[:1]:
            return self._choice(choice)
        return []

    def _choice(self, choice: Object) -> list[Chunk]:
        delta: Object = dict(open_object(choice.pop("delta", b"{}")))
        delta.pop("tool_calls", None)
        if not is_null(choice.get("finish_reason", NULL)):
            self._finish = {name: value for name, value in choice.items() if name != "logprobs"}
        if not self._first:
            for name in _SIGNED:
                delta.pop(name, None)
        if self._begun:
            delta.pop("role", None)
            delta = {name: value for name, value in delta.items() if bytes(value) not in (b"null", b'""')}
        if not delta:
            return []
        for name in self._apart.intersection(delta):
            if bytes(delta[name])[:1] == b'"':
                delta[name] = Raw(b'"' + _BETWEEN + bytes(delta[name])[1:])
                self._apart.discard(name)
        return [self._event({**choice, "delta": delta, "finish_reason": NULL})]

    def _event(self, choice: dict[str, Any]) -> Chunk:
        if not self._begun:
            self._begun = True
            self._common = {name: self._last[name] for name in _SAME if name in self._last}
        return Chunk(frame(encode({**self._last, **self._common, "choices": [choice]})), CHAT_EVENT)


def _is_plain(choice: _Choice) -> bool:
    """Whether a choice's event brings nothing but what the client may see."""
    return choice.finish_reason is None and not (choice.delta is not None and not is_null(choice.delta.tool_calls))
