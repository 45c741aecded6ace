"""Text completions on a target that speaks chat: the prompt is one user message, the answer's text a completion.

The shapes: https://platform.openai.com/docs/api-reference/completions and …/chat.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from gateway.seam.call import Call
from gateway.seam.chunk import Chunk
from gateway.seam.errors import GatewayError, InvalidRequest, UpstreamError
from gateway.seam.reply import Reply
from gateway.seam.request import Request
from gateway.translate.contract import Translated
from gateway.wire.completions import COMPLETIONS_ANSWER, COMPLETIONS_EVENT
from gateway.wire.sse import frame
from gateway.wire.verbatim import (
    INVALID,
    NULL,
    Object,
    encode,
    integer,
    is_null,
    open_array,
    open_object,
    open_objects,
    sheltered,
)

_text_of = msgspec.json.Decoder(str).decode
_NOTHING = (b"null", b'""', b"false", b"[]")
"""Values of a parameter that ask for nothing."""
_PARAMS = {"top_logprobs": "logprobs", "max_completion_tokens": "max_tokens"}
"""What chat calls a parameter of this surface."""


class CompletionsOnChat:
    """The translation. A text that was refused is the completion's; a model's reasoning does not go back."""

    front = "completions"
    back = "chat"

    def request(self, request: Request) -> Translated:
        """The request as a chat of one message.

        What chat has no word for is dropped and named: `suffix`, `best_of` where it asks for more than `n`, `logprobs`
        where `echo` asks for those of the prompt too. Raises `InvalidRequest` unless there is one prompt, of text.
        """
        try:
            body: Object = dict(open_object(request.raw))
            prompt = _prompt(body.pop("prompt", NULL))
            dropped = [name for name in ("suffix", "messages") if bytes(body.pop(name, NULL)) not in _NOTHING]
            if bytes(body.pop("best_of", NULL)) not in (b"null", bytes(body.get("n", b"1"))):
                dropped.append("best_of")
            echo = bytes(body.pop("echo", NULL)) not in _NOTHING
            logprobs = integer(body.pop("logprobs", NULL), -1)
        except INVALID as error:
            raise InvalidRequest(f"The body is not valid JSON: {error}", code="invalid_json") from error
        except ValueError as error:
            message = "Invalid type for 'logprobs': expected an integer."
            raise InvalidRequest(message, param="logprobs", code="invalid_type") from error
        if echo and logprobs >= 0:
            dropped.append("logprobs")
        elif logprobs >= 0:
            body |= {"logprobs": True, "top_logprobs": logprobs}
        body["messages"] = [{"role": "user", "content": prompt}]
        back = Request(
            self.back,
            encode(body),
            model=request.model,
            stream=request.stream,
            wants_usage=request.wants_usage,
            headers=request.headers,
        )
        return Translated(back, tuple(dropped))

    def reply(self, call: Call, reply: Reply) -> Reply:
        """The chat's answer as a completion, behind the prompt where `echo` asks for it."""
        body = open_object(call.request.raw) if b'"echo"' in call.request.raw else {}
        echo = bytes(body.get("echo", NULL)) not in _NOTHING
        reply.pipe(_Completing(_inside(_prompt(body["prompt"])) if echo else b""))
        return Reply(call, reply, reply.head, surface=self.front, inner=reply)

    def error(self, error: GatewayError) -> GatewayError:
        """The chat's error, with the parameter's name here."""
        if error.param is not None:
            whole = error.param.partition("[")[0]
            error.param = "prompt" if whole == "messages" else _PARAMS.get(error.param, error.param)
        return error


COMPLETIONS_ON_CHAT = CompletionsOnChat()


def _prompt(source: Raw) -> Raw:
    """The one prompt, as JSON. Raises `InvalidRequest` where there is another number of them, or it is no text."""
    prompts = open_array(source) if bytes(memoryview(source)[:1]) == b"[" else [source]
    if len(prompts) > 1 and all(bytes(memoryview(prompt)[:1]) == b'"' for prompt in prompts):
        raise _unsupported(f"takes one prompt a call; send a request for each of the {len(prompts)} prompts")
    if len(prompts) != 1 or bytes(memoryview(prompts[0])[:1]) != b'"':
        raise _unsupported("takes text; send the prompt as a string, not as tokens")
    return prompts[0]


def _unsupported(what: str) -> InvalidRequest:
    return InvalidRequest(f"The model speaks chat, and {what}.", param="prompt", code="unsupported_value")


def _inside(string: Any) -> bytes:
    """A string's source text without its quotes; of null, nothing. Raises ValueError where it is no string."""
    source = bytes(string)
    if source[:1] != b'"' and source != b"null":
        raise ValueError("a text is no string")
    return source[1:-1] if source != b"null" else b""


class _Completing:
    """A filter of chat events, or of a whole answer, into those of a text completion.

    `prompt`, as the source of a JSON string without its quotes, goes in front of each choice's text.
    """

    def __init__(self, prompt: bytes) -> None:
        self._prompt = prompt
        self._written: dict[int, int] = {}
        """By choice that has begun: the characters of its tokens so far, by their log probabilities."""

    def feed(self, chunk: Chunk) -> Sequence[Chunk]:
        source = chunk.codec.source(chunk.raw)
        if not source:  # a comment, the end mark
            return (Chunk(chunk.raw, COMPLETIONS_EVENT),)
        try:
            events = sheltered(lambda sources: self._completed(sources[0], whole=chunk.whole), (source,))
        except (*INVALID, LookupError, ValueError) as error:
            raise UpstreamError(f"The provider sent what is no chat answer: {error}") from error
        if chunk.whole:
            return [Chunk(event, COMPLETIONS_ANSWER) for event in events]
        return [Chunk(frame(event), COMPLETIONS_EVENT) for event in events]

    def end(self) -> Sequence[Chunk]:
        return ()

    def _completed(self, source: bytes, *, whole: bool) -> list[bytes]:
        """The event, if anything is left of it: one that only tells the role has no counterpart."""
        document: Object = dict(open_object(source))
        given = document.get("choices", NULL)
        written = dict(self._written)  # kept only where all of it succeeds: it may be tried again
        choices = []
        for position, choice in enumerate([] if is_null(given) else open_objects(given)):
            index = integer(choice.pop("index", None), position)
            delta, message = choice.pop("delta", NULL), choice.pop("message", NULL)
            text = _said(message if is_null(delta) else delta)
            if not (whole or text or not is_null(choice.get("finish_reason", NULL))):
                continue
            before = written.get(index)
            if before is None:
                text = self._prompt + text
            logprobs, written[index] = _logprobs(choice.pop("logprobs", NULL), before or 0)
            choices.append({"text": Raw(b'"%s"' % text), "index": index, "logprobs": logprobs, **choice})
        if not choices and not is_null(given) and bytes(given) != b"[]" and is_null(document.get("usage", NULL)):
            return []
        document.pop("obfuscation", None)  # padding that was of the other event's length
        events = [encode(document | {"object": "text_completion", "choices": choices})]
        self._written = written
        return events


def _said(message: Raw) -> bytes:
    """The source of a message's text: its content, or its refusal."""
    if is_null(message):
        return b""
    members = open_object(message)
    content = members.get("content", NULL)
    if bytes(memoryview(content)[:1]) == b"[":
        pieces = [piece for piece in open_objects(content) if bytes(piece.get("type", b'"text"')) == b'"text"']
        return b"".join([_inside(piece.get("text", NULL)) for piece in pieces])
    return _inside(content) or _inside(members.get("refusal", NULL))


def _logprobs(source: Raw, offset: int) -> tuple[Any, int]:
    """Chat's log probabilities in the legacy shape, and the offset behind them; `offset` is in characters."""
    content = NULL if is_null(source) else open_object(source).get("content", NULL)
    if is_null(content):
        return None, offset
    tokens, offsets, numbers, top = [], [], [], []
    for item in open_objects(content):
        tokens.append(item["token"])
        numbers.append(item["logprob"])
        offsets.append(offset)
        offset += len(_text_of(item["token"]))
        others = item.get("top_logprobs", NULL)
        top.append({} if is_null(others) else _alternatives(open_objects(others)))
    shown = top if any(top) else None
    return {"tokens": tokens, "token_logprobs": numbers, "top_logprobs": shown, "text_offset": offsets}, offset


def _alternatives(items: Sequence[Mapping[str, Raw]]) -> dict[str, Raw]:
    """Alternatives by token; of two that are spelt alike (parts of one character) the likelier one, which is first."""
    found: dict[str, Raw] = {}
    for item in items:
        found.setdefault(_text_of(item["token"]), item["logprob"])
    return found
