"""The short way: one target, one try."""

import asyncio

from gateway.routing.passage import counted
from gateway.routing.patience import Waits
from gateway.routing.route import Route
from gateway.seam import Call, GatewayError, Reply


class Direct:
    """A Handler that sends a call to the one target there is."""

    def __init__(self, route: Route, waits: Waits | None = None) -> None:
        self._route = route
        self._waits = Waits(route.target.timeouts) if waits is None else waits

    async def __call__(self, call: Call) -> Reply:
        """Try the target, and return its answer once it is one."""
        route = self._route
        patience = self._waits.of(call, call.deadline, asyncio.get_running_loop().time())
        try:
            return route.sign(await route.ask(call, patience), 1)
        except GatewayError as error:
            counted(error, 1)
            raise
