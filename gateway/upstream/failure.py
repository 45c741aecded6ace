"""What can go wrong between a provider and us, as errors that the client will read."""

from gateway.seam.errors import Unavailable, UpstreamError, UpstreamTimeout


class ConnectFailed(UpstreamError):
    """No connection could be made: nothing was sent."""


class ConnectTimeout(UpstreamTimeout):
    """No connection was made in time: nothing was sent."""


def exhausted(address: str, limit: int, seconds: float) -> Unavailable:
    """All connections to `address` stayed busy for as long as one may wait."""
    return Unavailable(
        f"All {limit} connections to {address} stayed busy for {seconds:g} s: try again, or raise "
        "upstream.max_connections.",
        code="upstream_pool_exhausted",
        headers=[(b"retry-after", b"1")],
    )


def client_closed(address: str) -> Unavailable:
    """The gateway is going down."""
    return Unavailable(f"The gateway's client for {address} is closed.")


class Failure:
    """Why an exchange broke: kept as text, raised anew each time.

    A kept exception would hold the frames that it passed, they the exchange, and that the exception: a reference cycle.
    """

    __slots__ = ("kind", "message")

    def __init__(self, kind: type[UpstreamError] | type[Unavailable], message: str) -> None:
        self.kind = kind
        self.message = message

    def error(self) -> UpstreamError | Unavailable:
        """The error to raise."""
        return self.kind(self.message)
