"""What a caller asks of a chain or graph, apart from what no provider must see."""

from typing import Any, Self

from msgspec import Raw

from gateway.seam import Call, Inbound, InvalidRequest, Request
from gateway.wire.verbatim import INVALID, Object, encode, open_object

_HEADER = b"x-gateway-include-steps"
_OPTIONS = "stream_options"
_STEPS = "include_steps"


class Asked:
    """A request's `members`, unopened, and what was taken out of them.

    `inputs` are for templates; `steps` says whether the steps are to be shown; `options` are the `stream_options` that
    are left, as a member of a body.
    """

    __slots__ = ("inputs", "members", "options", "steps")

    def __init__(self, members: Object, inputs: Raw | None, steps: bool, options: dict[str, Any]) -> None:
        self.members = members
        self.inputs = inputs
        self.steps = steps
        self.options = options

    @classmethod
    def of(cls, call: Call) -> Self:
        """Open a call's request. Raises `InvalidRequest`."""
        try:
            members: Object = open_object(call.request.raw)
            inputs = members.pop("inputs", None)
            given = members.pop(_OPTIONS, None)
            options: Object = {} if given is None or bytes(given) == b"null" else open_object(given)
        except INVALID as error:
            raise InvalidRequest(f"The body is not valid JSON: {error}.", code="invalid_json") from error
        steps = bytes(options.pop(_STEPS, b"")) == b"true"
        inbound = call.get(Inbound)
        if not steps and inbound is not None:
            steps = (inbound.header(_HEADER) or b"").lower() in (b"1", b"true")
        return cls(members, inputs, steps, {_OPTIONS: options} if options else {})

    def request(self, asked: Request) -> Request:
        """The request that is left, in its own dialect."""
        return Request(
            asked.surface,
            encode({**self.members, **self.options}),
            model=asked.model,
            stream=asked.stream,
            wants_usage=asked.wants_usage,
            headers=asked.headers,
        )

    def translated(self, request: Request) -> "Asked":
        """The same of the request in another dialect."""
        members: Object = open_object(request.raw)
        members.pop(_OPTIONS, None)
        return Asked(members, self.inputs, self.steps, {})
