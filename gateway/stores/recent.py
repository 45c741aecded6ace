"""The ends of conversations that were in use lately: a turn whose conversation nobody else changed reads nothing."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

from gateway.stores.identity import Named
from gateway.stores.message import Message
from gateway.stores.window import begin

_MOST_BYTES = 8 * 2**20
_OVERHEAD = 300
"""Bytes that a message takes beside its text, about."""


class Recall(NamedTuple):
    """The last messages of a conversation, and how many were asked for."""

    turns: int | None
    bytes: int | None
    messages: Sequence[Message]

    def followed(self, following: Sequence[Message]) -> "Recall":
        """The same with more messages behind, and no more than are asked for."""
        messages = [*self.messages, *following]
        return self._replace(messages=messages[begin(messages, self.turns, self.bytes, len) :])


class Recent:
    """Recalls by conversation and version, the least used ones forgotten. What is of another version is not found."""

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._most = most_bytes
        self._bytes = 0
        self._kept: OrderedDict[Named, tuple[int, int, Recall]] = OrderedDict()

    def put(self, named: Named, version: int, recall: Recall) -> None:
        """Keep the end of a conversation as it is in that version."""
        self.forget(named)
        size = sum([len(one.source) + _OVERHEAD for one in recall.messages])
        self._kept[named] = version, size, recall
        self._bytes += size
        while self._bytes > self._most:
            self.forget(next(iter(self._kept)))

    def get(self, named: Named, version: int, turns: int | None, size: int | None) -> Sequence[Message] | None:
        """The messages, if they are known as they are in that version."""
        found = self._kept.get(named)
        if found is None or found[0] != version or found[2][:2] != (turns, size):
            return None
        self._kept.move_to_end(named)
        return found[2].messages

    def forget(self, named: Named) -> None:
        """Forget a conversation."""
        if (found := self._kept.pop(named, None)) is not None:
            self._bytes -= found[1]
