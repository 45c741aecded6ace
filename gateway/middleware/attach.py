"""A client's retry joins the call that it repeats, instead of paying twice."""

import asyncio
import hashlib

from gateway.accounts.keys import credential, fingerprint
from gateway.config import attach as schema
from gateway.seam import Call, Handler, Inbound, InvalidRequest, Outcome, Reply, Shared

NAME = b"idempotency-key"
"""Names a request, so that its repetitions are known (draft-ietf-httpapi-idempotency-key-header)."""
RETRIES = b"x-stainless-retry-count"
"""How often the client has tried before: what OpenAI's and Anthropic's SDKs send."""
ATTACHED = b"x-gateway-attached"
"""On an answer that was joined: the id of the request whose call it is."""
MAX_NAME = 255

Place = tuple[bytes, bytes]
"""Who asks, and by what the call is found again."""


class Attach:
    """Keeps a call for a while after its client left, and hands it to the retry, from its start.

    A call that carries an `Idempotency-Key` is found by it. Others are found by their body, where the caller or the
    model says `attach`; only by what the SDK calls a retry, and only once their client has left, so that of two equal
    calls under way each stays what it is. Raises `InvalidRequest` where one `Idempotency-Key` stands for two bodies.
    """

    Settings = schema.Attach

    def __init__(self, settings: schema.Attach) -> None:
        self._settings = settings
        self._found: dict[Place, list[_Kept]] = {}
        self._alone: dict[_Kept, None] = {}
        self._weight = 0

    async def __call__(self, call: Call, call_next: Handler) -> Reply:
        """Join the call that this one repeats, or begin one that can be joined; where neither applies, go on."""
        inbound = call.get(Inbound)
        if inbound is None:
            return await call_next(call)
        name = inbound.header(NAME)
        grace = max(getattr(call.caller, "attach", 0.0), self._settings.models.get(call.request.model, 0.0))
        if name is None and not grace:
            return await call_next(call)
        body = _fingerprint(call)
        place = (_caller(call, inbound), body if name is None else _checked(name))
        if name is not None or inbound.header(RETRIES) not in (None, b"", b"0"):
            kept = self._find(place, body)
            if kept is not None:
                reply = await self._follow(kept, call)
                reply.head.headers[ATTACHED] = kept.shared.call.id.encode()
                return reply
        shared = Shared(call_next, call.apart(), self._settings.buffer)
        shared.hold()
        kept = _Kept(shared, place, body, name is not None, grace or self._settings.grace)
        if kept.named:
            self._found.setdefault(place, []).append(kept)
        return await self._follow(kept, call)

    async def aclose(self) -> None:
        """Nobody will join any more."""
        for kept in list(self._alone):
            self._forget(kept)

    def _find(self, place: Place, body: bytes) -> "_Kept | None":
        there = self._found.get(place, ())
        if any(kept.body != body for kept in there):
            raise InvalidRequest(
                "This Idempotency-Key was sent before with another body. Send the same body to get the same answer, "
                "or another key.",
                status=422,
                code="idempotency_key_reused",
            )
        return next((kept for kept in there if kept.shared.joinable), None)

    async def _follow(self, kept: "_Kept", call: Call) -> Reply:
        kept.followers += 1
        if kept in self._alone:
            self._not_alone(kept)
        try:
            reply = await kept.shared.join(call)
        except BaseException:
            self._leave(kept, read=False)
            raise

        def left(outcome: Outcome) -> None:
            self._leave(kept, read=outcome.kind == "ok")

        return reply.on_end(left)

    def _leave(self, kept: "_Kept", *, read: bool) -> None:
        """A follower is gone; `read` says that it has got all of the answer."""
        kept.followers -= 1
        if kept.followers:
            return
        if kept.shared.joinable and (kept.named or not read):
            self._keep(kept)
        else:
            self._forget(kept)

    def _keep(self, kept: "_Kept") -> None:
        """Nobody follows now: wait for the retry."""
        shared = kept.shared
        # What still runs may come to fill its buffer.
        kept.weight = len(shared.call.request.raw) + (shared.size if shared.over else shared.limit)
        kept.timer = asyncio.get_running_loop().call_later(kept.grace, self._forget, kept)
        self._alone[kept] = None
        self._weight += kept.weight
        if not kept.named:
            self._found.setdefault(kept.place, []).append(kept)
        while self._weight > self._settings.memory:
            self._forget(next(iter(self._alone)))

    def _not_alone(self, kept: "_Kept") -> None:
        del self._alone[kept]
        self._weight -= kept.weight
        if kept.timer is not None:
            kept.timer.cancel()
        if not kept.named:
            self._lose(kept)

    def _forget(self, kept: "_Kept") -> None:
        """Nobody will join it any more; where it runs, it is given up."""
        if kept in self._alone:
            self._not_alone(kept)
        if kept.named:
            self._lose(kept)
        kept.shared.release()

    def _lose(self, kept: "_Kept") -> None:
        there = self._found[kept.place]
        there.remove(kept)
        if not there:
            del self._found[kept.place]


class _Kept:
    """A call that may be joined."""

    __slots__ = ("body", "followers", "grace", "named", "place", "shared", "timer", "weight")

    def __init__(self, shared: Shared, place: Place, body: bytes, named: bool, grace: float) -> None:
        self.shared = shared
        self.place = place
        self.body = body
        self.named = named
        self.grace = grace
        self.followers = 0
        self.weight = 0
        self.timer: asyncio.TimerHandle | None = None


def _caller(call: Call, inbound: Inbound) -> bytes:
    """Who asks: never do two callers share an answer, wherever in the ring this stands."""
    secret = credential(inbound.headers)
    name = call.caller.name if call.caller is not None else ""
    return (fingerprint(secret) if secret is not None else b"") + name.encode()


def _checked(name: bytes) -> bytes:
    if not 0 < len(name) <= MAX_NAME:
        raise InvalidRequest(
            f"The Idempotency-Key has {len(name)} bytes; expected 1 to {MAX_NAME}, such as a UUID.",
            code="invalid_idempotency_key",
        )
    return name


def _fingerprint(call: Call) -> bytes:
    request = call.request
    return hashlib.sha256(b"%b %b" % (request.surface.encode(), request.raw)).digest()
