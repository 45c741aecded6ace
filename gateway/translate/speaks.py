"""Any surface in front of any handler: those that it speaks at no cost, the others by way of translation."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from functools import partial

from gateway.seam import (
    Batch,
    Call,
    Chunk,
    Estimates,
    GatewayError,
    Handler,
    Head,
    InvalidRequest,
    Outcome,
    Reply,
    Usage,
    owned,
)
from gateway.translate.contract import Translation
from gateway.translate.dropped import name, shown
from gateway.wire.token_count import TOKEN_COUNT_ANSWER
from gateway.wire.verbatim import encode


def speaks(
    handler: Handler,
    surfaces: Sequence[str],
    translations: Iterable[Translation],
    *,
    strict: bool = False,
    estimates: Estimates | None = None,
) -> Handler:
    """A handler of every surface that leads to `handler`, which speaks `surfaces`.

    A call of one of these passes untouched. Another goes by way of one translation, or of several in a row; what that
    drops is named in the answer's `x-gateway-dropped`, or refused where `strict`. `count_tokens` is answered from
    `estimates` where the handler cannot count. Raises `InvalidRequest` for a surface that no way leads to.
    """
    ways: dict[str, Handler] = dict.fromkeys(surfaces, handler)
    known = Estimates() if estimates is None else estimates
    left = list(translations)
    while found := [translation for translation in left if translation.back in ways and translation.front not in ways]:
        for translation in found:
            ways.setdefault(translation.front, _Way(translation, ways[translation.back], strict, known))
    if "messages" in ways:
        ways.setdefault("count_tokens", partial(_counted, known))
    unspoken = partial(_unspoken, tuple(ways))

    def spoken(call: Call) -> Awaitable[Reply]:
        return ways.get(call.request.surface, unspoken)(call)

    return spoken


class _Way:
    """A handler of a translation's front, in front of a handler of its back."""

    def __init__(self, translation: Translation, handler: Handler, strict: bool, estimates: Estimates) -> None:
        self._translation = translation
        self._handler = handler
        self._strict = strict
        self._estimates = estimates

    async def __call__(self, call: Call) -> Reply:
        """Answer the call in its own dialect. Raises what the handler raises, in that dialect's terms."""
        translation = self._translation
        request, dropped = translation.request(call.request)
        if dropped and self._strict:
            raise InvalidRequest(
                f"The model {call.request.model!r} is served in another dialect, which cannot carry "
                f"{', '.join(map(shown, dropped))}. Leave that out, or set translation: lenient on its provider.",
                param=shown(dropped[0]),
                code="untranslatable",
            )
        inner = call.child(request=request)
        inner.on_end(partial(self._learn, call))
        try:
            reply = await owned(self._handler, inner)
        except GatewayError as error:
            raise translation.error(error) from error
        told = Reply(inner, _Told(reply, translation.error), reply.head, surface=reply.surface, inner=reply)
        try:
            answer = translation.reply(call, told)
        except BaseException:
            await told.aclose()
            raise
        if dropped:
            name(answer.head.headers, dropped)
        return answer

    def _learn(self, call: Call, outcome: Outcome) -> None:
        if outcome.kind == "ok" and not outcome.estimated:
            self._estimates.learn(_model(call), len(call.request.raw), outcome.usage)


class _Told:
    """A Reply as a source whose errors are told in other terms: a stream may break when it has begun."""

    __slots__ = ("_reply", "_told")

    def __init__(self, reply: Reply, told: Callable[[GatewayError], GatewayError]) -> None:
        self._reply = reply
        self._told = told

    def __aiter__(self) -> AsyncIterator[Batch]:
        return self

    async def __anext__(self) -> Batch:
        try:
            return await self._reply.__anext__()
        except GatewayError as error:
            raise self._told(error) from error

    async def flow(self, push: Callable[[Batch], bool]) -> bool:
        """Hand batches to `push` as they come (see `Reply.flow`)."""
        try:
            return await self._reply.flow(push)
        except GatewayError as error:
            raise self._told(error) from error

    async def aclose(self) -> None:
        """Close the Reply."""
        await self._reply.aclose()


async def _counted(estimates: Estimates, call: Call) -> Reply:
    tokens = estimates.tokens(_model(call), call.request.raw)
    chunk = Chunk(encode({"input_tokens": tokens}), TOKEN_COUNT_ANSWER)
    return Reply.of(call, chunk, Head(headers={b"x-gateway-estimated": b"true"}), usage=Usage())


async def _unspoken(surfaces: Sequence[str], call: Call) -> Reply:
    request = call.request
    raise InvalidRequest(
        f"The model {request.model!r} does not serve {request.surface}: its provider can be asked for "
        f"{', '.join(surfaces)}. Ask for another model.",
        param="model",
        code="unsupported_surface",
    )


def _model(call: Call) -> str:
    return call.request.model if call.target is None else f"{call.target.provider}/{call.target.model}"
