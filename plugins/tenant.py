"""Whose call is it? Names the tenant of each call: for the log, for other plugins, and on the answer.

    pipeline:
      request: [auth, {use: tenant, keys: {web: acme}, known: [acme, globex]}]

A key that `keys` names belongs to its tenant, whatever its callers say. For other keys the header says it, and whoever
may call may say so: where tenants must not pass for one another, give each a key.
"""

import re

from gateway import seam
from gateway.seam import Call, Env, Handler, Inbound, InvalidRequest, Outcome, Reply

_NAME = re.compile(r"[\w.-]{1,64}", re.ASCII)


class TenantName(str):
    """The tenant of a call, as `call.get` finds it."""


class Tenant:
    """Puts a `TenantName` into the call's state, a header on the answer, and a line into the log at the end."""

    class Settings(seam.Settings):
        """`header` is read from requests and set on answers; with `required`, a call without tenant is refused."""

        header: str = "x-tenant"
        keys: dict[str, str] = {}
        known: list[str] = []
        required: bool = False

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._header = settings.header.lower().encode()

    async def start(self, env: Env) -> None:
        """Keep the log."""
        self._log = env.log

    async def __call__(self, call: Call, call_next: Handler) -> Reply:
        """Name the tenant, then go on."""
        name = self._name(call)
        if name is None:
            if self._settings.required:
                raise InvalidRequest(f"Name your tenant in the header {self._settings.header}.", code="missing_tenant")
            return await call_next(call)
        call.put(TenantName(name))

        def note(outcome: Outcome) -> None:
            usage = outcome.usage
            told = (call.id, name, call.request.model, outcome.kind, usage.input, usage.output)
            self._log.info("%s: tenant %s, model %s, %s, %d tokens in, %d out", *told)

        call.on_end(note)
        reply = await call_next(call)
        reply.head.headers[self._header] = name.encode()
        return reply

    def _name(self, call: Call) -> str | None:
        if call.caller is not None and call.caller.name in self._settings.keys:
            return self._settings.keys[call.caller.name]
        inbound = call.get(Inbound)
        value = inbound.header(self._header) if inbound is not None else None
        if value is None:
            return None
        name = value.decode("latin-1")
        known = self._settings.known
        if not _NAME.fullmatch(name) or (known and name not in known):
            raise InvalidRequest(f"The header {self._settings.header} names no tenant.", code="unknown_tenant")
        return name
