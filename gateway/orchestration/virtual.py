"""A chain or graph as a model."""

import asyncio
from collections.abc import Awaitable, Mapping
from functools import partial

from gateway.orchestration.answer import Metered, Transcript, transcribed
from gateway.orchestration.asked import Asked
from gateway.orchestration.chain import Flow
from gateway.orchestration.record import Part, Record
from gateway.orchestration.records import RUN_ID, Records
from gateway.orchestration.run import Run
from gateway.orchestration.shown import Shown
from gateway.orchestration.slots import SlotPatience, Slots
from gateway.orchestration.stop import Stoppable
from gateway.routing.catalog import OURS
from gateway.routing.patience import Patience
from gateway.seam import Call, Early, Env, GatewayError, Outcome, Reply, owned
from gateway.stores.identity import Subject
from gateway.stores.run_row import Status
from gateway.translate.completions_chat import COMPLETIONS_ON_CHAT
from gateway.translate.messages_chat import MESSAGES_ON_CHAT
from gateway.translate.speaks import speaks


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

    `thoughts` says that its steps are shown as reasoning; `needs` are the names that its templates read; `records` is
    where its runs are recorded.
    """

    def __init__(
        self,
        name: str,
        flow: Flow,
        env: Env,
        slots: Slots,
        limits: Limits,
        records: Records,
        *,
        needs: frozenset[str],
        thoughts: bool,
    ) -> None:
        self.name = name
        self._flow = flow
        self._env = env
        self._slots = slots
        self._limits = limits
        self._records = records
        self._needs = needs
        self._thoughts = thoughts
        self._turns = SlotPatience(limits.root.seconds, slots.setting)
        self._headers = {b"x-gateway-provider": OURS.encode(), b"x-gateway-model": name.encode()}

    async def __call__(self, call: Call) -> Reply:
        """Answer the call. Raises `GatewayError`, which names the run in a header."""
        asked = Asked.of(call)
        if call.get(Subject) is None:  # the client asked for this one, and all that it runs is of that conversation
            call.carry(Subject.of(call, asked.members))
        if call.request.surface == "chat":
            return await self._answer(asked, call, call)
        # Made anew for each call: what was taken out of its body must not pass a translation.
        translated = partial(self._translated, asked, call)
        spoken = speaks(translated, ("chat",), (COMPLETIONS_ON_CHAT, MESSAGES_ON_CHAT))
        return await owned(spoken, call.child(request=asked.request(call.request)))

    def _translated(self, asked: Asked, came: Call, call: Call) -> Awaitable[Reply]:
        """Answer `call`, which is the one that `came` in another dialect."""
        return self._answer(asked.translated(call.request), call, came)

    async def _answer(self, asked: Asked, call: Call, came: Call) -> Reply:
        part = call.get(Part)
        if part is not None:  # a step asks: it rides on its run's slot, and is told of in its run's record
            return await self._inner(asked, call, part)
        record = self._records.begin(self.name, call)
        came.put(Early(((RUN_ID, record.id.encode()),)))
        try:
            return await self._recorded(asked, call, record)
        except BaseException as error:
            _end(record, Outcome.of(error, record.spent()))
            if isinstance(error, GatewayError):
                error.headers = [*error.headers, (RUN_ID, record.id.encode())]
            elif isinstance(error, Exception):
                raise self._failed(call, record) from error
            raise

    async def _inner(self, asked: Asked, call: Call, step: Part) -> Reply:
        part = step.within()
        try:
            run = Run(self.name, call, part, asked, self._env, self._needs)
            reply = await self._begin(run, self._limits.own)
        except BaseException:
            step.spend(part.spent, part.estimated)  # there is no answer that would say it
            raise
        return self._signed(reply)

    async def _recorded(self, asked: Asked, call: Call, record: Record) -> Reply:
        assert record.part is not None
        run = Run(self.name, call, record.part, asked, self._env, self._needs)
        if record.contents:
            record.begin(run.messages if run.inputs is None else {"messages": run.messages, "inputs": run.inputs})
        else:
            record.begin(None)
        with record.stop:
            limit = await self._turn(call)
        try:
            if asked.steps and run.stream:
                shown = Shown(call, record, partial(self._stoppable, run, limit, record), thoughts=self._thoughts)
                reply: Reply = Metered(call, shown, run.usage)
            else:
                reply = await self._stoppable(run, limit, record)
        except BaseException:
            self._slots.release()
            raise
        transcript = None
        if record.contents:
            reply, transcript = transcribed(reply, record.contents)
        reply.on_end(partial(self._ended, record, transcript))
        reply.head.headers[RUN_ID] = record.id.encode()
        return self._signed(reply)

    async def _stoppable(self, run: Run, limit: Patience, record: Record) -> Reply:
        with record.stop:
            reply = await self._begin(run, limit)

        def closed() -> None:
            record.end("cancelled", run.usage()[0])

        return Metered(run.call, Stoppable(reply, record.stop, closed), run.usage, reply)

    async def _begin(self, run: Run, limit: Patience | None) -> Reply:
        if limit is None:
            return await self._flow(run)
        with limit.limit():
            return await self._flow(run)

    def _signed(self, reply: Reply) -> Reply:
        head = reply.head
        head.provider, head.model = OURS, self.name
        head.headers.update(self._headers)
        return reply

    async def _turn(self, call: Call) -> Patience:
        """Take a slot, or wait for one; what is left of the run's time."""
        if self._slots.take():
            return self._limits.left(call, 0.0)
        began = asyncio.get_running_loop().time()
        with self._turns.limit():
            await self._slots.turn("" if call.caller is None else call.caller.name)
        return self._limits.left(call, asyncio.get_running_loop().time() - began)

    def _failed(self, call: Call, record: Record) -> GatewayError:
        """What the caller reads of a failure of the gateway's own."""
        self._env.log.exception("call %s: %s failed inside the gateway", call.id, self.name)
        return GatewayError(
            f"The gateway failed on this request; its log has more under {call.id}.",
            headers=[(RUN_ID, record.id.encode())],
            retryable=False,
        )

    def _ended(self, record: Record, transcript: Transcript | None, outcome: Outcome) -> None:
        self._slots.release()
        _end(record, outcome, None if transcript is None else transcript.text)


_STATUS: Mapping[str, Status] = {"ok": "completed", "cancelled": "cancelled"}


def _end(record: Record, outcome: Outcome, output: str | None = None) -> None:
    """The run is over, and this is how."""
    record.end(_STATUS.get(outcome.kind, "failed"), outcome.usage, outcome.error, output)
