"""Which way a call goes: to a chain or graph, or to the models."""

from collections.abc import Awaitable, Mapping

from gateway.seam import Call, Handler, Reply


class Dispatcher:
    """A Handler that hands a call for a chain or graph to it (`virtual`, by name), and any other to the models.

    What it hands to a chain passes no ring here: the chain's own calls do, each by itself.
    """

    def __init__(self, virtual: Mapping[str, Handler], models: Handler) -> None:
        self._virtual = virtual
        self._models = models

    def __call__(self, call: Call) -> Awaitable[Reply]:
        """Hand the call on."""
        return self._virtual.get(call.request.model, self._models)(call)
