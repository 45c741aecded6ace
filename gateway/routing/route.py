"""One target of a model: a backend, with what this model says of it."""

import asyncio

from gateway.routing.backend import Backend, Try
from gateway.routing.content import entire, until_content
from gateway.routing.patience import Patience
from gateway.seam import Call, GatewayError, Inbound, InvalidRequest, ModelNotFound, Reply, Target, UpstreamError, owned


class Route:
    """A target as strategies see it: its backend's figures, its `weight`, and `price`.

    `price` is what a million tokens in and a million tokens out cost together, in US dollars; None where nobody said.
    A `target` without a provider is a virtual model: `target.model` is its whole name, and who serves is told inside.
    """

    __slots__ = ("_headers", "backend", "price", "target", "weight")

    def __init__(self, backend: Backend, target: Target, weight: float = 1, price: float | None = None) -> None:
        self.backend = backend
        self.target = target
        self.weight = weight
        self.price = price
        self._headers = {
            b"x-gateway-provider": target.provider.encode(),
            b"x-gateway-model": target.model.encode("unicode_escape"),  # callers name it: it may hold line breaks
            b"x-gateway-attempts": b"1",
        }

    async def ask(self, call: Call, patience: Patience) -> Reply:
        """Try it once, through the attempt ring, and return its answer once it is one.

        A stream counts as an answer at its first content, a whole answer when it is complete: up to there, an error is
        raised. What the target is blamed for is counted, either way.
        """
        request, target, loop = call.request, self.target, asyncio.get_running_loop()
        attempt = call.child(request=request.copy(model=target.model), target=target if target.provider else None)
        if not target.provider and (inbound := call.get(Inbound)) is not None:
            attempt.put(inbound)  # a chain behind a name is what the client asked for
        this = Try(self.backend, loop.time())
        attempt.on_end(this.over)
        answering = False
        try:
            with patience.limit():
                reply = await owned(self.backend.enter, attempt)
                answering = True
                judge = until_content if request.stream else entire
                reply = await judge(call, reply)
        except GatewayError as error:
            if error.provider is None and (answering or isinstance(error, UpstreamError)):
                error.provider = target.provider or None
            this.failed(error, loop.time())
            if (told := _as_asked(error, target.model, request.model)) is not None:
                raise told from error
            raise
        except BaseException:
            this.left()
            raise
        this.answered(loop.time(), request.stream)
        return reply

    def sign(self, reply: Reply, attempts: int) -> Reply:
        """Say in the answer's head who serves, and how many tries it took."""
        head = reply.head
        if self.target.provider:
            head.provider, head.model = self.target.provider, self.target.model
            head.headers.update(self._headers)
        if attempts > 1 or not self.target.provider:
            head.headers[b"x-gateway-attempts"] = b"%d" % attempts
        return reply


def _as_asked(error: GatewayError, named: str, asked: str) -> GatewayError | None:
    """The error under the name that was asked for; None where it says nothing of the target's.

    Further in, the model goes by its target's name. A provider's own words are left as they are.
    """
    told: GatewayError | None = None
    words = f"The model {named!r} "
    if isinstance(error, ModelNotFound):
        told = ModelNotFound(asked) if error.name == named else None
    elif isinstance(error, InvalidRequest) and error.message.startswith(words):
        message = f"The model {asked!r} {error.message.removeprefix(words)}"
        told = InvalidRequest(message, code=error.code, param=error.param, headers=error.headers)
    if told is not None:
        told.provider = error.provider
    return told
