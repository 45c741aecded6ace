"""Who calls, and may it ask for this model?"""

from gateway.accounts.keys import keyring
from gateway.config import schema
from gateway.seam import Call, Handler, Inbound, ModelNotFound, Reply


class Auth:
    """Sets `call.caller` from the request's key. Raises `Unauthorized`, or `ModelNotFound` where it may not ask."""

    Settings = schema.Auth

    def __init__(self, settings: schema.Auth) -> None:
        self.settings = settings
        self.keyring = keyring(settings.keys)

    async def __call__(self, call: Call, call_next: Handler) -> Reply:
        """Identify the caller, then go on."""
        inbound = call.get(Inbound)
        key = self.keyring.identify(inbound.headers if inbound is not None else ())
        call.caller = key
        if not key.may_use(call.request.model):
            raise ModelNotFound(call.request.model)
        return await call_next(call)
