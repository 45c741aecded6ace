"""Filler text, the same each time."""

MOST = 32_768
"""The most words that it writes."""

_TEXT = """
Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore et dolore magna
aliqua. Ut enim ad minim veniam, quis nostrud exercitation ullamco laboris nisi ut aliquip ex ea commodo consequat.
Duis aute irure dolor in reprehenderit in voluptate velit esse cillum dolore eu fugiat nulla pariatur. Excepteur sint
occaecat cupidatat non proident, sunt in culpa qui officia deserunt mollit anim id est laborum.
"""
_WORDS = _TEXT.split()


def filler(words: int) -> str:
    """So many words, over and over. None of them is so long that it would count as two."""
    rounds, rest = divmod(words, len(_WORDS))
    return " ".join(_WORDS * rounds + _WORDS[:rest])
