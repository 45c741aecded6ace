"""How far an answer is read before it counts as one."""

from gateway.seam import Batch, Call, Given, Reply, UpstreamError

LOOK_AHEAD = 64 * 1024
"""Bytes of a stream that are read at most in search of its first content."""


async def until_content(call: Call, reply: Reply) -> Reply:
    """Read a stream up to its first content, so that an error before it can still be answered by another try.

    Role deltas, empty blocks and pings come before errors inside a 200; they are no content. Raises what the stream
    raises.
    """
    read: list[Batch] = []
    size = 0

    def look(batch: Batch) -> bool:
        nonlocal size
        read.append(batch)
        size += len(batch.raw)
        return size <= LOOK_AHEAD and not batch.whole and not _has_content(batch)

    try:
        await reply.flow(look)
    except BaseException:  # an event that does not decode leaves the rest unread
        await reply.aclose()
        raise
    return Reply(call, Given(read, reply), reply.head, surface=reply.surface, inner=reply)


def _has_content(batch: Batch) -> bool:
    for chunk in batch:  # noqa: SIM110 (a generator costs a microsecond)
        if chunk.has_content:
            return True
    return False


async def entire(call: Call, reply: Reply) -> Reply:
    """Read all of an answer that is wanted whole, folded where it was streamed. Raises what reading it raises."""
    here = reply.here
    if here is not None and _readable(here):
        return reply
    chunk = await reply.whole()
    return Reply(call, Given((Batch.of((chunk,)),)), reply.head, surface=reply.surface, inner=reply)


def _readable(batch: Batch) -> bool:
    """Whether a look at it finds what it should; else reading it tells what is wrong, while another try can answer."""
    try:
        _ = batch.usage
    except UpstreamError:
        return False
    return True
