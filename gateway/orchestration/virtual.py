"""A chain or graph as a model."""

import asyncio
from collections.abc import Awaitable
from functools import partial

from gateway.orchestration.answer import Metered
from gateway.orchestration.asked import Asked
from gateway.orchestration.chain import Flow
from gateway.orchestration.run import Run, Tell, Watched
from gateway.orchestration.shown import Shown
from gateway.orchestration.slots import SlotPatience, Slots
from gateway.routing.catalog import OURS
from gateway.routing.patience import Patience
from gateway.seam import Call, Env, GatewayError, Outcome, Reply, owned
from gateway.stores.identity import Subject
from gateway.translate.completions_chat import COMPLETIONS_ON_CHAT
from gateway.translate.messages_chat import MESSAGES_ON_CHAT
from gateway.translate.speaks import speaks

KINDS = ("chain:", "graph:")


class RunPatience(Patience):
    """How long a run may take until its answer begins; a whole one, until it is complete."""

    def __init__(self, seconds: float, origin: str, setting: str) -> None:
        super().__init__(seconds)
        self._told = f"{origin} took longer than {seconds:g} s, {setting}."

    def reason(self) -> GatewayError:
        """Status 504."""
        return GatewayError(self._told, status=504, code="run_timeout")


class Limits:
    """How long a chain's or graph's runs may take: by its own `timeout`, or by the default one."""

    def __init__(self, origin: str, timeout: float | None, default: float) -> None:
        setting = "orchestrator.default_timeout" if timeout is None else "its timeout"
        self._origin = origin
        self.own = None if timeout is None else RunPatience(timeout, origin, setting)
        self.root = self.own or RunPatience(default, origin, setting)

    def left(self, call: Call, waited: float) -> Patience:
        """What is left of a root run's time, after it `waited` for its turn."""
        seconds, setting = self.root.seconds - waited, "the wait for its turn included"
        if call.deadline is not None:
            until = call.deadline - asyncio.get_running_loop().time()
            if until < seconds:
                seconds, setting = until, "the call's own deadline"
        elif not waited:
            return self.root
        return RunPatience(max(seconds, 0.0), self._origin, setting)


class VirtualModel:
    """A Handler that answers by running a chain or graph. It speaks chat; other dialects are translated in front.

    `thoughts` says that its steps are shown as reasoning; `needs` are the names that its templates read.
    """

    def __init__(
        self, name: str, flow: Flow, env: Env, slots: Slots, limits: Limits, *, needs: frozenset[str], thoughts: bool
    ) -> None:
        self.name = name
        self._flow = flow
        self._env = env
        self._slots = slots
        self._limits = limits
        self._needs = needs
        self._thoughts = thoughts
        self._turns = SlotPatience(limits.root.seconds, slots.setting)
        self._headers = {b"x-gateway-provider": OURS.encode(), b"x-gateway-model": name.encode()}

    async def __call__(self, call: Call) -> Reply:
        """Answer the call. Raises `GatewayError`."""
        asked = Asked.of(call)
        if call.get(Subject) is None:  # the client asked for this one, and all that it runs is of that conversation
            call.carry(Subject.of(call, asked.members))
        if call.request.surface == "chat":
            return await self._answer(asked, call)
        # Made anew for each call: what was taken out of its body must not pass a translation.
        translated = partial(self._translated, asked)
        spoken = speaks(translated, ("chat",), (COMPLETIONS_ON_CHAT, MESSAGES_ON_CHAT))
        return await owned(spoken, call.child(request=asked.request(call.request)))

    def _translated(self, asked: Asked, call: Call) -> Awaitable[Reply]:
        return self._answer(asked.translated(call.request), call)

    async def _answer(self, asked: Asked, call: Call) -> Reply:
        run = Run(self.name, call, asked, self._env, self._needs)
        if call.origin.startswith(KINDS):  # a step asks: it rides on its run's slot
            watched = call.get(Watched)
            return await self._begin(run, self._limits.own, None if watched is None else watched.tell)
        limit = await self._turn(call)
        try:
            if asked.steps and run.stream:
                shown = Shown(call, partial(self._begin, run, limit), thoughts=self._thoughts)
                reply: Reply = Metered(call, shown, run.usage)
            else:
                reply = await self._begin(run, limit)
        except BaseException:
            self._slots.release()
            raise
        reply.on_end(self._ended)
        head = reply.head
        head.provider, head.model = OURS, self.name
        head.headers.update(self._headers)
        return reply

    async def _begin(self, run: Run, limit: Patience | None, tell: Tell | None = None) -> Reply:
        run.tell = tell
        if limit is None:
            return await self._flow(run)
        with limit.limit():
            return await self._flow(run)

    async def _turn(self, call: Call) -> Patience:
        """Take a slot, or wait for one; what is left of the run's time."""
        if self._slots.take():
            return self._limits.left(call, 0.0)
        began = asyncio.get_running_loop().time()
        with self._turns.limit():
            await self._slots.turn("" if call.caller is None else call.caller.name)
        return self._limits.left(call, asyncio.get_running_loop().time() - began)

    def _ended(self, _: Outcome) -> None:
        self._slots.release()
