"""Placeholder until main has gateway.config.words."""

import difflib
from collections.abc import Iterable


def near(name: str, known: Iterable[str]) -> str:
    plain = {each.lower().replace("-", "_"): each for each in known}
    close = difflib.get_close_matches(name[:60].lower().replace("-", "_"), plain, n=1, cutoff=0.6)
    return f"did you mean {plain[close[0]]!r}?" if close else ""
