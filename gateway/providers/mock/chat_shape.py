"""Answers as OpenAI's chat completions, whole and as events, built as bytes.

The shapes are those of https://platform.openai.com/docs/api-reference/chat/object and …/chat/streaming; the order of
their members is that of the answers that OpenAI sends.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from gateway.providers.mock import pieces
from gateway.providers.mock.answer import Answer
from gateway.providers.mock.logprobs import LOGPROB_BYTES, logprobs
from gateway.providers.mock.tools import ToolCall
from gateway.wire.sse import DONE
from gateway.wire.verbatim import encode

_USAGE = (
    b'{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d,'
    b'"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},'
    b'"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,'
    b'"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}'
)
_ANSWER = (
    b'{"id":"chatcmpl-%s","object":"chat.completion","created":%d,"model":%s,"choices":[%s],"usage":%s,'
    b'"service_tier":"default","system_fingerprint":"fp_mock"}'
)
_CHOICE = (
    b'{"index":%d,"message":{"role":"assistant","content":%s%s,"refusal":null,"annotations":[]},'
    b'"logprobs":%s,"finish_reason":"%s"}'
)
_OPENING = (
    b'data: {"id":"chatcmpl-%s","object":"chat.completion.chunk","created":%d,"model":%s,"service_tier":"default",'
    b'"system_fingerprint":"fp_mock","choices":['
)
_DELTA = b'{"index":%d,"delta":%s,"logprobs":null,"finish_reason":%s}'


class Shape(NamedTuple):
    """What all events of one answer share, and how to write them."""

    id: bytes
    created: int
    model: str
    choices: int
    answer: Answer
    prompt_tokens: int
    tokens: int
    logprobs: int | None
    include_usage: bool

    def size(self) -> int:
        """About how many bytes its content has."""
        written = len(self.answer.text or "") + sum([len(call.source) for call in self.answer.calls])
        if self.logprobs is not None:
            written += self.tokens * (self.logprobs + 1) * LOGPROB_BYTES
        return written * self.choices

    def whole(self) -> bytes:
        """The answer as one JSON text."""
        answer = self.answer
        content = b"null" if answer.text is None else encode(answer.text)
        shown = b"null" if self.logprobs is None else logprobs(_all_pieces(answer), self.logprobs)
        choices = []
        for index in range(self.choices):
            calls = b',"tool_calls":[%s]' % b",".join(self._calls(index)) if answer.calls else b""
            choices.append(_CHOICE % (index, content, calls, shown, answer.finish.encode()))
        return _ANSWER % (self.id, self.created, encode(self.model), b",".join(choices), self._usage())

    def opening(self) -> list[bytes]:
        """The events before any content: the role."""
        content = b"null" if self.answer.text is None else b'""'
        role = b'{"role":"assistant","content":%s,"refusal":null}' % content
        start, end = self._around()
        return [start + _DELTA % (index, role, b"null") + end for index in range(self.choices)]

    def content(self) -> Iterator[list[bytes]]:
        """The events of the content, one a token, some hundreds at a time."""
        if self.answer.text:
            for block in pieces.blocks(self.answer.text):
                yield self._texts(block)
        for number, call in enumerate(self.answer.calls):
            yield from self._call_events(number, call)

    def closing(self) -> list[bytes]:
        """The events after the content: why it stopped, what it used, and the end mark."""
        start, end = self._around()
        finish = b'"%s"' % self.answer.finish.encode()
        events = [start + _DELTA % (index, b"{}", finish) + end for index in range(self.choices)]
        return [*events, start + b'],"usage":%s}\n\n' % self._usage(), DONE]

    def _around(self) -> tuple[bytes, bytes]:
        """What stands before and behind the choice of an event."""
        # OpenAI's events say that usage is still to come only to those who asked for it.
        end = b'],"usage":null}\n\n' if self.include_usage else b"]}\n\n"
        return _OPENING % (self.id, self.created, encode(self.model)), end

    def _usage(self) -> bytes:
        output = self.tokens * self.choices
        return _USAGE % (self.prompt_tokens, output, self.prompt_tokens + output)

    def _texts(self, block: Sequence[str]) -> list[bytes]:
        start, end = self._around()
        if self.choices == 1 and self.logprobs is None:  # nearly always, so it is the fast one
            start += b'{"index":0,"delta":{"content":'
            end = b'},"logprobs":null,"finish_reason":null}' + end
            return [start + encode(piece) + end for piece in block]
        events = []
        for piece in block:
            shown = b"null" if self.logprobs is None else logprobs((piece,), self.logprobs)
            delta = b'"delta":{"content":%s},"logprobs":%s,"finish_reason":null}' % (encode(piece), shown)
            events += [start + b'{"index":%d,' % index + delta + end for index in range(self.choices)]
        return events

    def _call_events(self, number: int, call: ToolCall) -> Iterator[list[bytes]]:
        start, end = self._around()
        field = b"arguments" if call.kind == "function" else b"input"
        opened = b'{"tool_calls":[{"index":%d,"id":"%s","type":"%s","%s":{"name":%s,"%s":""}}]}'
        more = b'{"tool_calls":[{"index":%d,"%s":{"%s":%s}}]}'
        kind, name, each = call.kind.encode(), encode(call.name), range(self.choices)
        deltas = [(index, opened % (number, self._call_id(index, number), kind, kind, name, field)) for index in each]
        yield [start + _DELTA % (index, delta, b"null") + end for index, delta in deltas]
        for block in pieces.blocks(call.source):
            parts = [more % (number, kind, field, encode(piece)) for piece in block]
            yield [start + _DELTA % (index, part, b"null") + end for part in parts for index in each]

    def _calls(self, index: int) -> list[bytes]:
        written = []
        for number, call in enumerate(self.answer.calls):
            kind, field = call.kind.encode(), b"arguments" if call.kind == "function" else b"input"
            about = (self._call_id(index, number), kind, kind, encode(call.name), field, encode(call.source))
            written.append(b'{"id":"%s","type":"%s","%s":{"name":%s,"%s":%s}}' % about)
        return written

    def _call_id(self, index: int, number: int) -> bytes:
        return b"call_%s_%d_%d" % (self.id, index, number)


def _all_pieces(answer: Answer) -> list[str]:
    return [piece for block in pieces.blocks(answer.text or "") for piece in block]
