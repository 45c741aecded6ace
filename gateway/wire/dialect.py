"""The dialects by surface."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from gateway.wire import chat_fold, completions_fold, messages_fold
from gateway.wire.chat import CHAT_ANSWER, CHAT_EVENT
from gateway.wire.codec import Codec
from gateway.wire.completions import COMPLETIONS_ANSWER, COMPLETIONS_EVENT
from gateway.wire.embeddings import EMBEDDINGS_ANSWER
from gateway.wire.messages import MESSAGES_ANSWER, MESSAGES_EVENT
from gateway.wire.moderations import MODERATIONS_ANSWER
from gateway.wire.sse import DONE, frame
from gateway.wire.textless import alone
from gateway.wire.token_count import TOKEN_COUNT_ANSWER


class Dialect(NamedTuple):
    """All that the seam needs to know of one surface's answers."""

    event: Codec
    answer: Codec
    fold: Callable[[Iterable[bytes]], bytes]
    """The JSON texts of a stream's events into one answer's."""
    unfold: Callable[[bytes], Iterable[bytes]]
    """One answer's JSON text into those of events."""
    frame: Callable[[bytes], bytes]
    """One JSON text as an event."""
    done: bytes
    """The event that ends a stream; empty where the dialect has none beside its own last event."""


def _textless(codec: Codec) -> Dialect:
    return Dialect(codec, codec, alone, lambda source: (source,), bytes, b"")


DIALECTS = {
    "chat": Dialect(CHAT_EVENT, CHAT_ANSWER, chat_fold.fold, chat_fold.unfold, frame, DONE),
    "completions": Dialect(
        COMPLETIONS_EVENT, COMPLETIONS_ANSWER, completions_fold.fold, completions_fold.unfold, frame, DONE
    ),
    "messages": Dialect(
        MESSAGES_EVENT, MESSAGES_ANSWER, messages_fold.fold, messages_fold.unfold, messages_fold.frame, b""
    ),
    "embeddings": _textless(EMBEDDINGS_ANSWER),
    "moderations": _textless(MODERATIONS_ANSWER),
    "count_tokens": _textless(TOKEN_COUNT_ANSWER),
}
TEXTLESS = frozenset({"embeddings", "moderations", "count_tokens"})
"""Surfaces whose answers carry no texts: their length tells nothing of output tokens that nobody reported."""
