"""The dialects by surface."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from gateway.wire.chat import CHAT_ANSWER, CHAT_EVENT
from gateway.wire.chat_fold import fold, unfold
from gateway.wire.codec import Codec
from gateway.wire.sse import DONE, frame


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


DIALECTS = {"chat": Dialect(CHAT_EVENT, CHAT_ANSWER, fold, unfold, frame, DONE)}
