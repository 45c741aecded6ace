"""Who calls, and may it ask for this model?"""

from gateway.accounts.keys import Keyring
from gateway.seam import Call, Handler, Inbound, ModelNotFound, Reply


class Auth:
    """Sets `call.caller` from the request's key. Raises `Unauthorized`, or `ModelNotFound` where it may not ask."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    async def __call__(self, call: Call, call_next: Handler) -> Reply:
        """Identify the caller, then go on."""
        inbound = call.get(Inbound)
        key = self._keyring.identify(inbound.headers if inbound is not None else ())
        call.caller = key
        if not key.may_use(call.request.model):
            raise ModelNotFound(call.request.model)
        return await call_next(call)
