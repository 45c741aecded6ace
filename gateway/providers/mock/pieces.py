"""Texts cut into what a model would call tokens: a word with the space before it, long words in several."""

import re
from collections.abc import Iterator

BLOCK = 2048
"""Characters that are cut at a time, so that a text of any length costs no more memory; about 64 KiB of events."""

_PIECE = re.compile(r"\s*+\S{1,16}|\s++")


def blocks(text: str) -> Iterator[list[str]]:
    """The text's pieces, some hundreds at a time; joined they are the text."""
    for start in range(0, len(text), BLOCK):
        yield _PIECE.findall(text, start, start + BLOCK)


def count(text: str) -> int:
    """How many pieces the text has."""
    if len(text) <= BLOCK:
        return len(_PIECE.findall(text))
    return sum(len(block) for block in blocks(text))
