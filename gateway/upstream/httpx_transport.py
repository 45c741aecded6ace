"""Both ways between httpx and us: our pool under httpx's client, any httpx transport under our interface.

Nobody imports this module but those who ask for it: httpx costs 6.6 MB.
"""

from collections.abc import AsyncIterator, Callable
from importlib.util import find_spec
from typing import cast

import httpx

from gateway.seam.errors import GatewayError, Unavailable, UpstreamError, UpstreamTimeout
from gateway.seam.settings import Duration
from gateway.seam.timeouts import Timeouts
from gateway.upstream.coding import BadCoding, Inflater
from gateway.upstream.contract import Client, Exchange
from gateway.upstream.failure import ConnectFailed, ConnectTimeout, Failure, client_closed, exhausted
from gateway.upstream.head import BadHead, check_field, content_coding
from gateway.upstream.origin import Origin
from gateway.upstream.settings import ClientSettings
from gateway.upstream.trust import tls_context

_FOREVER = Duration(24 * 3600)
_FRAMING = frozenset((b"content-length", b"transfer-encoding"))
_DECODED = frozenset((b"content-length", b"content-encoding", b"transfer-encoding"))


class NativeTransport(httpx.AsyncBaseTransport):
    """Our client in the place of httpx's connection pool: `httpx.AsyncClient(transport=NativeTransport(client))`.

    httpx's timeouts become ours: `connect` (or `pool`) bounds the wait for a connection, `read` the first byte and the
    silence after it. Bodies come decoded, so `content-encoding` and `content-length` are not shown. Errors come as
    httpx's own. Closing the transport closes the client.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request`; raises httpx's TransportError in its kinds, and ValueError for a header that breaks out."""
        url = request.url
        host = url.raw_host.decode("ascii").strip("[]")
        origin = Origin(url.scheme, host, url.port or (443 if url.scheme == "https" else 80), "", url.netloc)
        body = await request.aread()
        try:
            exchange = await self._client.send(origin, _request_head(request), body, _timeouts(request))
        except GatewayError as error:
            raise _as_httpx(error, request) from error
        headers = [(name, value) for name, value in exchange.headers if name not in _DECODED]
        return httpx.Response(exchange.status, headers=headers, stream=_Body(exchange, request))

    async def aclose(self) -> None:
        """Close the client."""
        await self._client.aclose()


class _Body(httpx.AsyncByteStream):
    def __init__(self, exchange: Exchange, request: httpx.Request) -> None:
        self._exchange = exchange
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while data := await self._exchange.read():
                yield data
        except GatewayError as error:
            raise _as_httpx(error, self._request) from error

    async def aclose(self) -> None:
        await self._exchange.aclose()


class HttpxClient:
    """The client's interface over any httpx transport (see contract.Client).

    Without `transport` it is httpx's own pool, with the settings' proxy, HTTP/2 and trust; `max_connections` then
    counts all hosts together. Tests hand in `httpx.MockTransport`, or respx's router in one.

    Raises ValueError where `http2` is asked for and the package h2 is not installed, or `ca_file` cannot be read.
    """

    def __init__(self, settings: ClientSettings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        if settings.http2 and find_spec("h2") is None:
            raise ValueError("http2 needs the package h2: pip install 'httpx[http2]'")
        self._settings = settings
        self._transport = transport or httpx.AsyncHTTPTransport(
            verify=tls_context(settings),
            http2=settings.http2,
            proxy=settings.proxy,
            trust_env=False,
            limits=httpx.Limits(max_connections=settings.max_connections, keepalive_expiry=settings.keepalive),
        )
        self._closed = False

    async def send(self, origin: Origin, head: bytes, body: bytes, timeouts: Timeouts) -> "HttpxExchange":
        """Send one request and return once the answer's head is there (see contract.Client)."""
        if self._closed:
            raise client_closed(origin.address)
        patience: dict[str, float | None] = {
            "connect": timeouts.connect,
            "pool": timeouts.connect,
            "read": timeouts.first_byte,
            "write": timeouts.first_byte,
        }
        request = _request(origin, head, body, patience)
        try:
            response = await self._transport.handle_async_request(request)
        except httpx.TransportError as error:
            raise self._as_ours(error, origin, timeouts, begun=False) from None
        patience["read"] = timeouts.idle  # httpx's transports look it up at each read
        try:
            return HttpxExchange(self, origin, response, timeouts, int(self._settings.max_body))
        except BadHead as error:
            await response.aclose()
            raise UpstreamError(f"{origin.address} sent an answer that cannot be read: {error}.") from None

    async def aclose(self) -> None:
        """Close the transport. Safe to call twice."""
        if not self._closed:
            self._closed = True
            await self._transport.aclose()

    def _as_ours(
        self, error: httpx.TransportError, origin: Origin, timeouts: Timeouts, begun: bool
    ) -> UpstreamError | Unavailable:
        # The error's own text may show a header, and so a key: its kind must do.
        address, kind = origin.address, type(error).__name__
        if isinstance(error, httpx.ConnectTimeout):
            return ConnectTimeout(f"Connecting to {address} took longer than {timeouts.connect:g} s (connect).")
        if isinstance(error, httpx.PoolTimeout):
            return exhausted(address, self._settings.max_connections, timeouts.connect)
        if isinstance(error, httpx.TimeoutException):
            if begun:
                return UpstreamTimeout(f"{address} fell silent for {timeouts.idle:g} s in mid-answer (idle).")
            return UpstreamTimeout(f"{address} did not begin to answer in {timeouts.first_byte:g} s (first_byte).")
        if isinstance(error, httpx.ConnectError | httpx.ProxyError):
            return ConnectFailed(f"Connecting to {address} failed ({kind}).")
        return UpstreamError(f"{address} broke off {'in mid-answer' if begun else 'without an answer'} ({kind}).")


class HttpxExchange:
    """An answer that comes by way of httpx (see contract.Exchange).

    After `finish()` the connection is given back only by `aclose()`: httpx closes nothing without awaiting.
    """

    until_close = False

    def __init__(
        self, client: HttpxClient, origin: Origin, response: httpx.Response, timeouts: Timeouts, max_body: int
    ) -> None:
        self.status = response.status_code
        self.headers = [(name.lower(), value) for name, value in response.headers.raw]
        self._client = client
        self._origin = origin
        self._response = response
        self._timeouts = timeouts
        self._max_body = max_body
        coding = content_coding(self.header(b"content-encoding") or b"")
        self._inflater = Inflater(coding) if coding is not None and self.header(b"content-length") != b"0" else None
        self._source = aiter(cast(httpx.AsyncByteStream, response.stream))
        self._finished = False
        self._failure: Failure | None = None

    def header(self, name: bytes) -> bytes | None:
        """The first value of the header `name` (lower case), or None."""
        return next((value for known, value in self.headers if known == name), None)

    async def read(self) -> bytes:
        """The next bytes, decoded; b"" at the clean end (see contract.Exchange)."""
        if self._failure is not None:
            raise self._failure.error()
        if self._finished:
            return b""
        inflater = self._inflater
        try:
            while True:
                if inflater is not None and inflater.waiting:
                    data = inflater.feed(b"")
                else:
                    raw = await anext(self._source, None)
                    if raw is None:
                        if inflater is not None and (data := inflater.drain()):
                            return data
                        await self.aclose()
                        return b""
                    data = raw if inflater is None else inflater.feed(raw)
                if data:
                    return data
        except httpx.TransportError as error:
            ours = self._client._as_ours(error, self._origin, self._timeouts, begun=True)
            self._failure = Failure(type(ours), ours.message)
        except BadCoding as error:
            message = f"The answer of {self._origin.address} does not decode: {error}."
            self._failure = Failure(UpstreamError, message)
        except BaseException:
            await self.aclose()
            raise
        await self.aclose()
        raise self._failure.error()

    async def flow(self, push: Callable[[bytes], bool]) -> bool:
        """Hand bytes to `push` as they come (see contract.Exchange)."""
        while data := await self.read():
            if not push(data):
                return False
        return True

    async def whole(self) -> bytes:
        """The entire body (see contract.Exchange)."""
        pieces: list[bytes] = []
        size = 0
        while piece := await self.read():
            size += len(piece)
            if size > self._max_body:
                await self.aclose()
                raise UpstreamError(
                    f"The answer of {self._origin.address} is larger than the {self._max_body} bytes that "
                    "upstream.max_body allows.",
                    retryable=False,
                )
            pieces.append(piece)
        return b"".join(pieces)

    def finish(self) -> None:
        """Nothing more will be read; `aclose()` gives the connection back."""
        self._finished = True

    async def aclose(self) -> None:
        """End the exchange. Safe to call twice."""
        self._finished = True
        await self._response.aclose()


def _request(origin: Origin, head: bytes, body: bytes, patience: dict[str, float | None]) -> httpx.Request:
    line, *fields = head.removesuffix(b"\r\n").split(b"\r\n")
    method, target, _ = line.split(b" ", 2)
    headers = [(name, value.strip()) for name, _, value in (field.partition(b":") for field in fields)]
    url = httpx.URL(scheme=origin.scheme, host=origin.host, port=origin.port, raw_path=target)
    return httpx.Request(
        method.decode("ascii"), url, headers=headers, content=body or None, extensions={"timeout": patience}
    )


def _request_head(request: httpx.Request) -> bytes:
    target = request.url.raw_path
    lines = [b"%b %b HTTP/1.1\r\n" % (request.method.encode("ascii"), target)]
    for name, value in request.headers.raw:
        if name.lower() not in _FRAMING:
            check_field(name, value)
            lines.append(b"%b: %b\r\n" % (name, value))
    return b"".join(lines)


def _timeouts(request: httpx.Request) -> Timeouts:
    given = request.extensions.get("timeout", {})
    connect, read = given.get("connect"), given.get("read")
    return Timeouts(
        connect=Duration(connect) if connect is not None else _FOREVER,
        first_byte=Duration(read) if read is not None else None,
        idle=Duration(read) if read is not None else _FOREVER,
    )


def _as_httpx(error: GatewayError, request: httpx.Request) -> httpx.TransportError:
    kinds: list[tuple[type[GatewayError], type[httpx.TransportError]]] = [
        (ConnectTimeout, httpx.ConnectTimeout),
        (ConnectFailed, httpx.ConnectError),
        (UpstreamTimeout, httpx.ReadTimeout),
        (Unavailable, httpx.PoolTimeout),
    ]
    for ours, theirs in kinds:
        if isinstance(error, ours):
            return theirs(error.message, request=request)
    return httpx.RemoteProtocolError(error.message, request=request)
