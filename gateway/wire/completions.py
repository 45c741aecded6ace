"""OpenAI's legacy text completions, whole and as events (https://platform.openai.com/docs/api-reference/completions)."""

from typing import ClassVar

import msgspec
from msgspec import Raw, Struct

from gateway.wire.choices import ChoicesCodec, numbered
from gateway.wire.codec import Codec
from gateway.wire.parts import Key, Part
from gateway.wire.sse import frame
from gateway.wire.verbatim import NULL, Object, encode, integer, open_object, open_objects


class _Choice(Struct, gc=False):
    index: int | None = None
    text: str | None = None
    finish_reason: str | None = None


class _Document(Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: Raw = NULL


_decode = msgspec.json.Decoder(_Document).decode


class _Completions(ChoicesCodec):
    surface: ClassVar[str] = "completions"

    def event(self) -> Codec:
        return COMPLETIONS_EVENT

    def view(self, source: bytes) -> _Document:
        return _decode(source)

    def parts(self, doc: _Document) -> list[Part]:
        texts: dict[int, str] = {}
        for position, choice in enumerate(doc.choices or ()):
            if choice.text:
                index = numbered(position, choice)
                texts[index] = texts.get(index, "") + choice.text  # one event may continue a choice twice
        return [Part(index, "text", 0, text) for index, text in texts.items()]

    def has_content(self, doc: _Document) -> bool:
        return any(choice.text for choice in doc.choices or ())

    def replace(self, raw: bytes, key: Key, text: str) -> bytes:
        doc: Object = dict(open_object(self.source(raw)))
        choices: list[Object] = list(open_objects(doc["choices"]))
        for position, choice in enumerate(choices):
            if integer(choice.get("index"), position) != key.choice:
                continue
            choice["text"] = text
            text = ""  # what one event continues twice is one text, and stands where it began
            if "logprobs" in choice:  # they spell the old text out, token by token
                choice["logprobs"] = NULL
        doc["choices"] = choices
        return self.dump(doc)

    def like(self, raw: bytes, key: Key, text: str) -> bytes:
        doc: Object = dict(open_object(self.source(raw)))
        for name in ("usage", "obfuscation"):
            doc.pop(name, None)
        doc["choices"] = [{"index": key.choice, "text": text, "logprobs": None, "finish_reason": None}]
        return frame(encode(doc))


class CompletionsEvent(_Completions):
    """One event of a stream of text completions."""

    whole: ClassVar[bool] = False


class CompletionsAnswer(_Completions):
    """A whole text completion."""

    whole: ClassVar[bool] = True


COMPLETIONS_EVENT = CompletionsEvent()
COMPLETIONS_ANSWER = CompletionsAnswer()
