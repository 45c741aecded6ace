"""HTTP in, Call down; Reply up, HTTP out. Doors never translate between dialects."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from operator import attrgetter
from typing import NamedTuple

from gateway.api.answers import Receive, Scope, Send, openai_error
from gateway.api.ids import request_id
from gateway.api.visit import ID_HEADERS, STREAM_HEADERS, BodyPatience, Visit
from gateway.config.schema import Server
from gateway.routing.catalog import Catalog
from gateway.seam import (
    Batch,
    Call,
    GatewayError,
    Handler,
    Inbound,
    InvalidRequest,
    ModelNotFound,
    Reply,
    Request,
    Tasks,
    owned,
    unfold,
)

UNCHANGED: Callable[[Batch], bytes] = attrgetter("raw")
"""A writer of batches as they are."""
_log = logging.getLogger("gateway")
_LAST_WORD = 0.5
"""Seconds that a client may take to read why its answer is cut when the server stops."""
_FORWARDED = (b"openai-beta", b"anthropic-version", b"anthropic-beta", b"traceparent")


class House(NamedTuple):
    """What every door opens into: the request ring, the models, the settings, the owner of tasks."""

    enter: Handler
    catalog: Catalog
    server: Server
    tasks: Tasks
    default_model: str | None = None
    """What serves requests that name no model."""
    moderation_model: str | None = None
    """What serves moderations that name no model."""


class Door:
    """An ASGI endpoint of one surface. A dialect says how it reads requests, pings, and tells errors."""

    ping: bytes
    id_headers: Sequence[bytes] = ID_HEADERS
    """The headers of an answer that hold the request's id."""

    def __init__(self, house: House) -> None:
        self.house = house
        self._body_patience = BodyPatience(house.server.body_timeout)
        self._forwarded = frozenset({*_FORWARDED, *(name.lower().encode() for name in house.server.forward_headers)})

    # ---- what a dialect says

    def read(self, body: bytes) -> Request:
        """The request that a body holds. Raises `InvalidRequest`."""
        raise NotImplementedError

    @property
    def default_model(self) -> str | None:
        """What serves requests that name no model."""
        return self.house.default_model

    def prepare(self, request: Request, reply: Reply) -> None:
        """Add to the answer what its form at this door needs."""

    def hold(self, visit: Visit, request: Request) -> None:  # noqa: ARG002 (a dialect may open its stream by it)
        """Say how a streamed answer is kept alive that does not come yet."""
        stream = self.house.server.stream
        visit.hold(stream.hold, stream.ping, self.ping)

    def writer(self, request: Request, *, opened: bool) -> Callable[[Batch], bytes]:
        """What makes each batch of one stream the bytes that this client wants; `opened` where pings went before."""
        raise NotImplementedError

    def status(self, error: GatewayError) -> int:
        """The status of an answer that is an error."""
        return error.status

    def error(self, error: GatewayError, request_id: bytes) -> bytes:  # noqa: ARG002 (a dialect may show it)
        """An error as the body of an answer."""
        return openai_error(error)

    def error_event(self, error: GatewayError, request_id: bytes) -> bytes:
        """An error as the last event of a stream."""
        raise NotImplementedError

    # ---- what all doors do

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request."""
        house = self.house
        call_id = request_id()
        visit = Visit(scope, receive, send, house.tasks, call_id, self.id_headers)
        reply = call = None
        try:
            body = await visit.body(house.server.max_body, self._body_patience)
            if body is None:
                return
            request = self.read(body)
            call = visit.call = self._call(request, scope, call_id)
            visit.watch()
            if request.stream:
                self.hold(visit, call.request)
            reply = await owned(house.enter, call)
            self.prepare(request, reply)
            if request.stream:
                await self._stream(visit, request, reply)
            else:
                chunk = await reply.whole()
                await visit.answer(reply.head.status, chunk.raw, list(reply.head.headers.items()))
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not visit.gone:
                await self._stop(visit, call)
            elif task is None or task.uncancel() > 0:
                raise
        except GatewayError as error:
            await self._fail(visit, error, call)
        except Exception:
            _log.exception("request %s failed inside the gateway", call_id)
            trouble = GatewayError(f"The gateway failed on this request; its log has more under {call_id}.")
            await self._fail(visit, trouble, call)
        finally:
            visit.over()
            if reply is not None:
                await reply.aclose()

    def _call(self, request: Request, scope: Scope, call_id: str) -> Call:
        headers = scope["headers"]
        request.headers = [header for header in headers if header[0] in self._forwarded]
        if not request.model:
            if self.default_model is None:
                raise InvalidRequest(
                    "You must provide a 'model' parameter; GET /v1/models lists the models.",
                    param="model",
                    code="missing_required_parameter",
                )
            request = request.copy(model=self.default_model)
        call = Call(request, self.house.tasks, id=call_id)
        client = scope.get("client")
        call.put(Inbound(headers, client[0] if client else None))
        return call

    async def _stream(self, visit: Visit, request: Request, reply: Reply) -> None:
        first: Batch | None = None

        def keep(batch: Batch) -> bool:
            nonlocal first
            if batch.whole:  # the target had no stream to give
                batch = Batch.of([event for chunk in batch.chunks for event in unfold(chunk)])
            first = batch
            return False

        def push(batch: Batch) -> bool:
            data = write(batch)
            return not data or send(data)

        ended = await reply.flow(keep)
        write = self.writer(request, opened=visit.opened)
        data = b"" if first is None else write(first)
        await self._begin(visit, reply)
        send = visit.push
        if data:
            send(data)
        while not ended:
            await visit.drained()
            ended = await reply.flow(push)
        await visit.drained()
        await visit.end()

    async def _begin(self, visit: Visit, reply: Reply) -> None:
        await visit.start(reply.head.status, [*STREAM_HEADERS, *reply.head.headers.items()])

    async def _stop(self, visit: Visit, call: Call | None) -> None:
        """The server gives up a request whose client is still there: say so, unless the client reads too slowly."""
        error = GatewayError(
            "The gateway stops before this answer is whole; ask again.",
            status=503,
            code="shutting_down",
            headers=[(b"connection", b"close")],
        )
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORD):
                await self._fail(visit, error, call)

    async def _fail(self, visit: Visit, error: GatewayError, call: Call | None) -> None:
        if isinstance(error, ModelNotFound):
            error = self.house.catalog.explain(error, call.caller if call is not None else None)
        if visit.started:
            await visit.write(self.error_event(error, visit.id))
            await visit.end()
            return
        headers: list[tuple[bytes, bytes]] = list(error.headers)
        if error.provider is not None:
            headers.append((b"x-gateway-provider", error.provider.encode()))
        await visit.answer(self.status(error), self.error(error, visit.id), headers)


def param_of(message: str) -> tuple[str, str | None]:
    """A validation error's message, and the parameter that it names, apart."""
    text, _, path = message.partition(" - at `$")
    return text, path.rstrip("`").lstrip(".") or None
