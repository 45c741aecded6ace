"""`embed`: vectors that are the same for the same text, and near each other for texts that share words and spelling.

Words and runs of three letters are hashed into the vector's places (the hashing trick: Weinberger et al., "Feature
Hashing for Large Scale Multitask Learning", 2009), which is then normalised.
"""

import asyncio
import math
from array import array
from collections.abc import Mapping
from typing import Any
from zlib import crc32

from gateway.providers.mock import pieces
from gateway.providers.mock.refusals import out_of_range, refused, wrong_length, wrong_type, wrong_value
from gateway.wire.embeddings import packed
from gateway.wire.verbatim import encode

DIMENSIONS = 256
MOST_DIMENSIONS = 3072
MOST_INPUTS = 2048
MOST_NUMBERS = 2**21
"""How many numbers an answer may have, all its vectors together."""
MOST_LETTERS = 2000
"""Characters of a text of which runs of letters are taken; from there on, words alone tell texts apart."""
_WORD, _RUN = 2.0, 1.0
_FORMS = ("float", "base64")

Input = str | list[int]


async def embeddings(body: Mapping[str, Any], model: str) -> bytes:
    """The answer to a request, as one JSON text. Raises `InvalidRequest` where OpenAI would refuse the body."""
    inputs = _inputs(body.get("input"))
    dimensions = _dimensions(body.get("dimensions"))
    if len(inputs) * dimensions > MOST_NUMBERS:
        raise refused("dimensions", "The vectors that this asks for would be too large for the mock provider.")
    form = body.get("encoding_format") or "float"
    if form not in _FORMS:
        raise wrong_value("encoding_format", form, _FORMS)
    data = []
    for index, given in enumerate(inputs):
        numbers = vector(given if isinstance(given, str) else " ".join(map(str, given)), dimensions)
        data.append(
            {"object": "embedding", "index": index, "embedding": packed(numbers) if form == "base64" else numbers}
        )
        await asyncio.sleep(0)  # many texts are much work: others get their turns
    tokens = sum([pieces.count(given) if isinstance(given, str) else len(given) for given in inputs])
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return encode({"object": "list", "data": data, "model": model, "usage": usage})


def vector(text: str, dimensions: int) -> list[float]:
    """A text's vector, of length one; its numbers are those of 32-bit floats."""
    places = [0.0] * dimensions
    text = text.casefold()
    for word in text.split():
        _add(places, word, _WORD)
    letters = f" {text[:MOST_LETTERS]} "
    for start in range(len(letters) - 2):
        _add(places, letters[start : start + 3], _RUN)
    length = math.sqrt(sum([number * number for number in places]))
    if not length:  # what was added may have cancelled out
        places[0] = length = 1.0
    return array("f", [number / length for number in places]).tolist()


def _add(places: list[float], feature: str, weight: float) -> None:
    number = crc32(feature.encode(errors="replace"))
    places[number % len(places)] += weight if number & 0x8000_0000 else -weight


def _inputs(given: Any) -> list[Input]:
    if isinstance(given, str) or _is_tokens(given):
        given = [given]
    if not isinstance(given, list):
        raise wrong_type("input", "a string or an array", given)
    if not given or len(given) > MOST_INPUTS:
        raise wrong_length("input", f"1 to {MOST_INPUTS} items", len(given))
    for number, item in enumerate(given):
        if not isinstance(item, str) and not _is_tokens(item):
            raise wrong_type(f"input[{number}]", "a string or an array of tokens", item)
        if not item:
            raise refused(f"input[{number}]", f"'input[{number}]' must not be empty.")
    return given


def _is_tokens(given: Any) -> bool:
    return isinstance(given, list) and bool(given) and all(type(token) is int for token in given)


def _dimensions(given: Any) -> int:
    if given is None:
        return DIMENSIONS
    if type(given) is not int:
        raise wrong_type("dimensions", "an integer", given)
    if given < 1:
        raise out_of_range("dimensions", given, least=1)
    if given > MOST_DIMENSIONS:
        raise out_of_range("dimensions", given, most=MOST_DIMENSIONS)
    return given
