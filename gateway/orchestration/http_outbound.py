"""Sends the requests of `http` steps, redirects included, and reads what is answered within bounds."""

from typing import NamedTuple

from gateway.orchestration.http_reach import Reach, Refused
from gateway.orchestration.http_request import Sent
from gateway.seam import GatewayError, Timeouts, UpstreamError
from gateway.upstream import ClientSettings, Exchange
from gateway.upstream.native import NativeClient

CONNECTIONS = 100
"""To one host, from one process; who needs one more waits its turn."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PASSING = frozenset({408, 425, 429})
_EXCERPT = 200


class Terms(NamedTuple):
    """What is asked of an answer. `expect` are statuses, `max_size` is in bytes."""

    timeouts: Timeouts
    max_size: int
    follow: int
    expect: frozenset[int]


class Answer(NamedTuple):
    """What came: its content type, and its body, decoded."""

    kind: str
    body: bytes


class Outbound:
    """A client of its own, which connects where `reach` lets it, and knows no proxy."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._client = NativeClient(ClientSettings(max_connections=CONNECTIONS), reach.dial)

    async def fetch(self, sent: Sent, terms: Terms) -> Answer:
        """Send a request, follow its redirects, and read the answer.

        Raises `Refused` where it, or a redirect, leads where no step may go, `UpstreamError` where the answer is not as
        `terms` has it, and what `Client.send` raises.
        """
        left = terms.follow
        while True:
            self._reach.check(sent.to.site)
            exchange = await self._client.send(sent.to.origin, sent.head(), sent.body, terms.timeouts)
            try:
                if exchange.status in terms.expect:
                    kind = (exchange.header(b"content-type") or b"").decode("latin-1")
                    return Answer(kind, await _read(exchange, terms.max_size, sent.to.origin.address))
                location = exchange.header(b"location")
                if not terms.follow or exchange.status not in _REDIRECTS or location is None:
                    raise await _failed(exchange, sent)
                if not left:
                    raise _wrong(sent, f"redirects more than {terms.follow} times (follow)")
                sent = _redirected(sent, exchange.status, location)
                left -= 1
            finally:
                await exchange.aclose()

    async def aclose(self) -> None:
        """Close every connection."""
        await self._client.aclose()


def _redirected(sent: Sent, status: int, location: bytes) -> Sent:
    try:
        return sent.redirected(status, location.decode("latin-1"))
    except ValueError as error:
        raise Refused(f"{sent.to.origin.address} redirects to where nothing may be sent: {error}.") from None


async def _read(exchange: Exchange, max_size: int, address: str) -> bytes:
    """The whole body, if it is no longer than that."""
    pieces: list[bytes] = []
    size = 0
    while piece := await exchange.read():
        size += len(piece)
        if size > max_size:
            told = f"The answer of {address} is larger than {max_size} bytes (max_size)."
            raise UpstreamError(told, code="http_too_large", retryable=False)
        pieces.append(piece)
    return b"".join(pieces)


async def _failed(exchange: Exchange, sent: Sent) -> UpstreamError:
    """The error for a status that is not expected, with the beginning of what came with it."""
    begun = b""
    try:
        while len(begun) < _EXCERPT and (piece := await exchange.read()):
            begun += piece
    except GatewayError:  # the status is what counts
        pass
    text = sent.without_secrets(begun[: 16 * _EXCERPT].decode(errors="replace"))  # before it is cut short
    text = " ".join("".join([sign if sign.isprintable() else " " for sign in text]).split())[:_EXCERPT]
    status = exchange.status
    return _wrong(sent, f"answered {status}" + (f": {text}" if text else ""), status in _PASSING or status >= 500)


def _wrong(sent: Sent, what: str, passing: bool = False) -> UpstreamError:
    return UpstreamError(f"{sent.to.origin.address} {what}", code="http_status", retryable=passing)
