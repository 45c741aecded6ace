"""`moderate`: flags an input by the words in it, in the shape of OpenAI's moderations.

The shape: https://platform.openai.com/docs/api-reference/moderations/object.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from zlib import crc32

from gateway.providers.mock.refusals import missing, wrong_length, wrong_type, wrong_value
from gateway.wire.verbatim import encode

WORDS: dict[str, tuple[str, ...]] = {
    "harassment": ("idiot", "moron", "stupid"),
    "harassment/threatening": (),
    "hate": ("subhuman", "vermin"),
    "hate/threatening": (),
    "illicit": ("counterfeit", "shoplift"),
    "illicit/violent": ("bomb", "explosives"),
    "self-harm": ("suicide",),
    "self-harm/intent": (),
    "self-harm/instructions": (),
    "sexual": ("nude", "porn"),
    "sexual/minors": (),
    "violence": ("kill", "murder", "shoot", "stab"),
    "violence/graphic": ("dismember", "gore"),
}
"""The words that flag an input, by category, unless the settings say others."""
_OF_IMAGES = frozenset(
    {"self-harm", "self-harm/intent", "self-harm/instructions", "sexual", "violence", "violence/graphic"}
)
"""The categories that are told of images too."""
_PARTS = ("text", "image_url")
_WORD = re.compile(r"\w+")


class _Input(NamedTuple):
    """One thing to judge: its text and the addresses of its images; None where it has none."""

    text: str | None
    images: str | None


class Moderator:
    """Flags inputs by words; `words` stand in place of a category's own."""

    def __init__(self, words: Mapping[str, Sequence[str]]) -> None:
        self._words = {name: {word.casefold() for word in words.get(name, own)} for name, own in WORDS.items()}

    def moderation(self, body: Mapping[str, Any], answer_id: bytes, model: str) -> bytes:
        """The answer to a request, as one JSON text. Raises `InvalidRequest` where OpenAI would refuse the body."""
        results = [self._result(given) for given in _inputs(body.get("input"))]
        return encode({"id": f"modr-{answer_id.decode()}", "model": model, "results": results})

    def _result(self, given: _Input) -> dict[str, Any]:
        said, shown = _words(given.text), _words(given.images)
        categories, scores, applied = {}, {}, {}
        for name, words in self._words.items():
            of_images = name in _OF_IMAGES
            hits = len(words & (said | shown if of_images else said))
            categories[name] = hits > 0
            scores[name] = 1 - 0.1 ** (1 + hits) if hits else _low(name, given)
            applied[name] = ["text"] if given.text is not None else []
            if of_images and given.images is not None:
                applied[name].append("image")
        return {
            "flagged": any(categories.values()),
            "categories": categories,
            "category_scores": scores,
            "category_applied_input_types": applied,
        }


def _words(text: str | None) -> set[str]:
    return set(_WORD.findall(text.casefold())) if text else set()


def _low(category: str, given: _Input) -> float:
    """A score that flags nothing, the same for the same input."""
    source = f"{category} {given.text} {given.images}".encode(errors="replace")
    return (1 + crc32(source) % 1000) / 1_000_000


def _inputs(given: Any) -> list[_Input]:
    """What is to be judged: each text by itself, but parts of content together."""
    if isinstance(given, str):
        return [_Input(given, None)]
    if not isinstance(given, list):
        raise wrong_type("input", "a string or an array", given)
    if not given:
        raise wrong_length("input", "minimum length 1", 0)
    if isinstance(given[0], dict):
        return [_together(given)]
    for number, item in enumerate(given):
        if not isinstance(item, str):
            raise wrong_type(f"input[{number}]", "a string", item)
    return [_Input(text, None) for text in given]


def _together(parts: list[Any]) -> _Input:
    texts, images = [], []
    for number, part in enumerate(parts):
        place = f"input[{number}]"
        if not isinstance(part, dict):
            raise wrong_type(place, "an object", part)
        kind = part.get("type")
        if kind is None:
            raise missing(f"{place}.type")
        if kind == "text":
            texts.append(_string(part, "text", place))
        elif kind == "image_url":
            image = part.get("image_url")
            url = _string(image if isinstance(image, dict) else {}, "url", f"{place}.image_url")
            images.append("" if url.startswith("data:") else url)  # an image itself is not looked at
        else:
            raise wrong_value(f"{place}.type", kind, _PARTS)
    return _Input(" ".join(texts) if texts else None, " ".join(images) if images else None)


def _string(holder: Mapping[str, Any], name: str, place: str) -> str:
    value = holder.get(name)
    if value is None:
        raise missing(f"{place}.{name}")
    if not isinstance(value, str):
        raise wrong_type(f"{place}.{name}", "a string", value)
    return value
