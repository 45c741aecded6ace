"""How much of a conversation a model sees: its last turns, never half of one."""

from collections.abc import Callable, Sequence

from gateway.stores.message import INSTRUCTIONS, Message


def begin(messages: Sequence[Message], last: int | None, tokens: int | None, weigh: Callable[[bytes], int]) -> int:
    """Where the window begins: at a user message, so that no tool's result is without its call.

    `last` bounds the turns (one begins with each user message), `tokens` what `weigh` makes of them; the newest turn is
    whole, whatever it weighs.
    """
    starts = [place for place, one in enumerate(messages) if one.role == "user"]
    if not starts:
        return 0
    begins = 0
    if last is not None and len(starts) > last:
        begins = starts[-last]
    if tokens is not None:
        left, end = tokens, len(messages)
        fitting = starts[-1]
        for start in reversed(starts):
            begin_at = 0 if start == starts[0] else start
            left -= sum([weigh(one.source) for one in messages[begin_at:end]])
            if left < 0:
                break
            fitting, end = begin_at, start
        begins = max(begins, fitting)
    return begins


def seen(messages: Sequence[Message], begins: int) -> list[Message]:
    """The messages of a window; instructions that stand before it stay."""
    if not begins:
        return list(messages)
    return [one for at, one in enumerate(messages) if at >= begins or one.role in INSTRUCTIONS]
