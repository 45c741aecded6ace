"""Log probabilities that look like a model's: the token itself is likely, each alternative less so than the last."""

from collections.abc import Iterable
from typing import Any

from gateway.wire.verbatim import encode

LOGPROB_BYTES = 70
"""About how much one token takes, and each of its alternatives."""

_OTHERS = (" the", " a", " of", " and", " to", " in", " is", " it", " on", " or", " as", " at", " by", " an", " be")


def logprobs(pieces: Iterable[str], alternatives: int) -> bytes:
    """The JSON text of a choice's `logprobs`, with so many alternatives for each token, itself among them."""
    return encode({"content": [_token(piece, alternatives) for piece in pieces], "refusal": None})


def _token(piece: str, alternatives: int) -> dict[str, Any]:
    chosen = _entry(piece, -0.01)
    others = [other for other in (*_OTHERS, *"abcdef") if other != piece]
    top = [_entry(other, -5.0 - rank) for rank, other in enumerate(others[: max(0, alternatives - 1)])]
    return chosen | {"top_logprobs": [chosen, *top] if alternatives else []}


def _entry(token: str, logprob: float) -> dict[str, Any]:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode())}
