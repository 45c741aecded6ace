"""How long a provider may take."""

from gateway.seam.settings import Duration, Settings


class Timeouts(Settings):
    """The time limits of one attempt, in seconds.

    `connect` bounds the wait for a connection, `first_byte` any answer's first byte (for a whole answer that is
    usually the whole generation; unset, `total` bounds it), `first_token` a stream's wait for its first content,
    `idle` the silence between two reads, `total` a whole answer, and a stream's wait for first content. A stream that
    brings content is never cut for its length.
    """

    connect: Duration = Duration(5)
    first_byte: Duration | None = None
    first_token: Duration = Duration(60)
    idle: Duration = Duration(60)
    total: Duration = Duration(600)
