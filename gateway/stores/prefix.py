"""What of a request's messages is kept already: chat clients send everything again, others only what is new."""

from collections.abc import Sequence
from typing import NamedTuple


class Place(NamedTuple):
    """Where a request's messages go: the first `keep` of the conversation stay, `sent[start:]` follow them."""

    keep: int
    start: int


def place(stored: Sequence[bytes], sent: Sequence[bytes], *, answered: bool) -> Place:
    """Compare by digests; `answered` says whether an assistant's message is among those sent.

    - All that is stored comes again: the rest is new.
    - Without any answer of the model among them, they are the newest turn of a client that sends nothing else.
    - They begin with what is stored last: a client that has forgotten its oldest messages; the rest is new.
    - They begin as the conversation does and then differ: it was edited, or an answer is to be given anew; what the
      client no longer has is replaced.
    - Nothing fits: the client's own history takes the place of what is stored.
    """
    common = _common(stored, sent)
    if common == len(stored):
        return Place(common, common)
    if not answered:
        return Place(len(stored), 0)
    overlap = _overlap(stored, sent)
    if overlap and overlap >= common:
        return Place(len(stored), overlap)
    return Place(common, common)


def _common(stored: Sequence[bytes], sent: Sequence[bytes]) -> int:
    """How many of both are the same at their beginning."""
    count = 0
    for mine, theirs in zip(stored, sent, strict=False):
        if mine != theirs:
            break
        count += 1
    return count


def _overlap(stored: Sequence[bytes], sent: Sequence[bytes]) -> int:
    """The most that `sent` begins with and `stored` ends with.

    The prefix function of Knuth, Morris and Pratt: time is linear also where all messages are the same.
    """
    tail = stored[-len(sent) :] if sent else ()
    line = [*sent, None, *tail]
    border = [0] * len(line)
    for at in range(1, len(line)):
        size = border[at - 1]
        while size and line[at] != line[size]:
            size = border[size - 1]
        border[at] = size + 1 if line[at] == line[size] else 0
    return border[-1] if line else 0
