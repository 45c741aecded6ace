"""OpenAI's embeddings (https://platform.openai.com/docs/api-reference/embeddings): their two forms, and joining them.

A vector stands as a list of numbers (`float`) or as the base64 of its numbers as little-endian 32-bit floats.
"""

import re
import sys
from array import array
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import msgspec
from msgspec import Raw

from gateway.wire.textless import TextlessCodec
from gateway.wire.verbatim import NULL, Object, encode, integer, is_null, open_object, open_objects, splice


class EmbeddingsAnswer(TextlessCodec):
    """A whole answer: a vector for each input."""

    surface: ClassVar[str] = "embeddings"


EMBEDDINGS_ANSWER = EmbeddingsAnswer()

_FIRST = re.compile(rb'"embedding"\s*:\s*(.)')
_numbers = msgspec.json.Decoder(list[float]).decode
_string = msgspec.json.Decoder(str).decode
_decode = msgspec.json.Decoder().decode


def in_base64(source: bytes) -> bytes:
    """The answer with its vectors in base64; the same bytes where they are, going by the first.

    Raises what `verbatim.INVALID` lists, and ValueError.
    """
    return _formed(source, b"[", lambda vector: packed(_numbers(vector)))


def in_numbers(source: bytes) -> bytes:
    """The answer with its vectors as lists of numbers; the same bytes where they are, going by the first.

    Raises what `verbatim.INVALID` lists, and ValueError.
    """
    return _formed(source, b'"', lambda vector: unpacked(_string(vector)))


def packed(numbers: Sequence[float]) -> str:
    """A vector in base64."""
    vector = array("f", numbers)
    if sys.byteorder == "big":
        vector.byteswap()
    return b64encode(vector.tobytes()).decode()


def unpacked(text: str) -> list[float]:
    """A vector that came in base64. Raises ValueError where it is none."""
    vector = array("f")
    vector.frombytes(b64decode(text, validate=True))
    if sys.byteorder == "big":
        vector.byteswap()
    return vector.tolist()


def _formed(source: bytes, other: bytes, change: Callable[[Raw], Any]) -> bytes:
    found = _FIRST.search(source)
    if found is None or found[1] != other:
        return source
    items: list[Object] = list(open_objects(open_object(source)["data"]))
    for item in items:
        vector = item.get("embedding", NULL)
        if bytes(memoryview(vector)[:1]) == other:
            item["embedding"] = change(vector)
    return splice(source, {"data": encode(items)})


def joined(answers: Sequence[bytes], sizes: Sequence[int]) -> bytes:
    """The answers to the parts of one request, as one; `sizes` are the numbers of inputs of each part.

    Raises ValueError where a part has another number of vectors than of inputs, and what `verbatim.INVALID` lists.
    """
    items: list[Object] = []
    usage: Any = None
    for answer, size in zip(answers, sizes, strict=True):
        document = open_object(answer)
        data: list[Object] = list(open_objects(document["data"]))
        if len(data) != size:
            raise ValueError(f"{len(data)} embeddings came for {size} inputs")
        start = len(items)
        for position, item in enumerate(data):
            item["index"] = start + integer(item.get("index"), position)
        items += sorted(data, key=lambda item: item["index"])
        report = document.get("usage", NULL)
        usage = usage if is_null(report) else _sum(usage, _decode(report))
    members = {"data": encode(items)}
    return splice(answers[0], members if usage is None else members | {"usage": encode(usage)})


def _sum(old: Any, new: Any) -> Any:
    """Two reports of usage added: their numbers, however deep."""
    if isinstance(old, dict) and isinstance(new, dict):
        return old | {name: _sum(old.get(name), value) for name, value in new.items()}
    if isinstance(old, int | float) and isinstance(new, int | float):
        return old + new
    return old if new is None else new
