"""One model's way to its target."""

import asyncio

from gateway.routing.content import entire, until_content
from gateway.routing.patience import Patience, Wait, Waits
from gateway.seam import Call, GatewayError, Handler, ModelNotFound, Reply, Target, owned


class Router:
    """A Handler that sends a call to its target, through the attempt ring, and judges the answer.

    A stream counts as an answer at its first content, a whole answer when it is complete: up to there, an error is
    raised, as the call's own.
    """

    def __init__(self, target: Target, attempt: Handler, waits: Waits | None = None) -> None:
        self._target = target
        self._attempt = attempt
        self._waits = Waits(target.timeouts) if waits is None else waits
        self._headers = {
            b"x-gateway-provider": target.provider.encode(),
            b"x-gateway-model": target.model.encode("unicode_escape"),  # callers name it: it may hold line breaks
            b"x-gateway-attempts": b"1",
        }

    async def __call__(self, call: Call) -> Reply:
        """Try the target, and return its answer once it is one."""
        target = self._target
        request = call.request
        attempt = call.child(request=request.copy(model=target.model), target=target)
        try:
            with self._limit(call):
                reply = await owned(self._attempt, attempt)
                judge = until_content if request.stream else entire
                reply = await judge(call, reply)
        except ModelNotFound as error:
            if error.name == target.model and request.model == f"{target.provider}/{target.model}":
                raise ModelNotFound(request.model) from error  # under the name that was asked for
            raise
        except GatewayError as error:
            if error.provider is None:
                error.provider = target.provider
            raise
        head = reply.head
        head.provider, head.model = target.provider, target.model
        head.headers.update(self._headers)
        return reply

    def _limit(self, call: Call) -> Wait:
        patience = self._waits.content if call.request.stream else self._waits.whole
        if call.deadline is not None:
            left = call.deadline - asyncio.get_running_loop().time()
            if left < patience.seconds:
                patience = Patience(max(left, 0.0), "the call's own deadline")
        return patience.limit()
