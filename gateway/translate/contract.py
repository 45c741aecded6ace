"""What a translation is: a caller speaks one dialect, its target another."""

from typing import NamedTuple, Protocol

from gateway.seam.call import Call
from gateway.seam.errors import GatewayError
from gateway.seam.reply import Reply
from gateway.seam.request import Request


class Translated(NamedTuple):
    """A request in the back's dialect, and what could not go with it."""

    request: Request
    """Of the back's surface: its model, form (`stream`, `wants_usage`) and headers are those to go on with."""
    dropped: tuple[str, ...]
    """What the back's dialect cannot carry, as paths of the front's body: `logprobs`, `messages[2].content[0]`."""


class Translation(Protocol):
    """One pair of dialects: requests go from `front` to `back`, answers and errors the other way.

    Lossless or loud: what `request` cannot carry it names. An answer says the same in either form, whole or streamed.
    """

    @property
    def front(self) -> str:
        """The surface that the caller speaks."""
        ...

    @property
    def back(self) -> str:
        """The surface that the target speaks."""
        ...

    def request(self, request: Request, /) -> Translated:
        """The request in the back's dialect. Raises `InvalidRequest` for what is wrong in itself."""
        ...

    def reply(self, call: Call, reply: Reply, /) -> Reply:
        """The target's answer, whole or streamed, in the front's dialect, for `call`, which speaks the front's."""
        ...

    def error(self, error: GatewayError, /) -> GatewayError:
        """The target's error in the front's terms: status, type and code."""
        ...
