"""A middleware that is not the gateway's own, under watch: what it does wrong is told by its name."""

import logging
from time import perf_counter

from gateway.pipeline.turn import Misuse, Turn
from gateway.routing.patience import Patience
from gateway.seam import Call, GatewayError, Handler, Middleware, PluginFailed, Reply

BLOCKING = 0.1
"""Seconds at a stretch for which a plugin may keep the loop to itself before the log says so."""
TIMEOUT = 30.0
"""Seconds that a plugin may take between two calls of `call_next`, unless its entry says otherwise."""
_SILENT = 10.0
"""Seconds between two complaints of the same plugin's blocking."""
_BLOCKED = (
    "the plugin %r kept the event loop to itself for %.2f s on %s, and all other calls waited; "
    "what blocks belongs into a `def name(call)`, or into env.threads.run"
)


class _PluginPatience(Patience):
    def __init__(self, seconds: float, name: str) -> None:
        super().__init__(seconds)
        self._name = name

    def reason(self) -> GatewayError:
        return PluginFailed(
            f"The plugin {self._name!r} took longer than {self.seconds:g} s of its own (its `timeout`).",
            status=504,
            code="plugin_timeout",
        )


class Plugin:
    """A Middleware around one that somebody else wrote.

    What that raises becomes a `PluginFailed` with its name, logged once; errors of what is further in pass. It gets
    `seconds` of its own at a time, and is named in the log where it keeps the loop from turning.
    """

    def __init__(self, name: str, middleware: Middleware, seconds: float, log: logging.Logger) -> None:
        self.name = name
        self.patience = _PluginPatience(seconds, name)
        self._middleware = middleware
        self.log = log
        self._quiet_until = 0.0

    async def __call__(self, call: Call, call_next: Handler) -> Reply:
        """Let the plugin answer."""
        return await Turn(self, call, call_next).run(self._middleware)

    def failed(self, call: Call, error: BaseException) -> PluginFailed:
        """The error that clients see where the plugin raised `error`; the log sees that itself."""
        self.log.error("the plugin %r failed on %s", self.name, call.id, exc_info=error)
        # An exception's own text may hold what no client should see; a misuse is told in our words.
        what = str(error) if isinstance(error, Misuse) else f"it raised {type(error).__name__}"
        return PluginFailed(f"The plugin {self.name!r} failed: {what}; the log has more under {call.id}.")

    def took(self, seconds: float, call: Call) -> None:
        """The plugin kept the loop to itself for so long."""
        if seconds > BLOCKING and (now := perf_counter()) > self._quiet_until:
            self._quiet_until = now + _SILENT
            self.log.warning(_BLOCKED, self.name, seconds, call.id)
