"""Rings: middlewares around a handler."""

from collections.abc import Awaitable, Sequence

from gateway.seam.call import Call, Outcome
from gateway.seam.protocols import Handler, Middleware
from gateway.seam.reply import Reply
from gateway.wire.parts import Usage


def ring(middlewares: Sequence[Middleware], inner: Handler) -> Handler:
    """Put middlewares around `inner`, the first one outermost."""
    handler = inner
    for middleware in reversed(middlewares):
        handler = _layer(middleware, handler)
    return handler


def _layer(middleware: Middleware, call_next: Handler) -> Handler:
    def layer(call: Call) -> Awaitable[Reply]:
        return middleware(call, call_next)

    return layer


async def owned(handler: Handler, call: Call) -> Reply:
    """Enter `handler` with a call that one has made: it ends exactly once, also where no Reply came."""
    try:
        reply = await handler(call)
        if not isinstance(reply, Reply):
            raise TypeError(f"a handler answered with {reply!r}, which is no Reply; does a middleware lack a return?")
        reply.on_end(call.end)
    except BaseException as error:
        call.end(Outcome.of(error, Usage()))
        raise
    return reply
