"""A step of a chain, or a node of a graph: work that is bounded in time, done again, or done without."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NamedTuple, TypeVar

from gateway.orchestration.answer import transcribed
from gateway.orchestration.events import Told
from gateway.orchestration.run import Run
from gateway.orchestration.work import Names, Work
from gateway.routing.patience import Patience
from gateway.seam import GatewayError, ModelNotFound, Outcome, Reply

T = TypeVar("T")
Do = Callable[[Run, Names], Awaitable[Any]]


class StepPatience(Patience):
    """How long a step may take, all its tries included."""

    def __init__(self, seconds: float, step: str) -> None:
        super().__init__(seconds)
        self._step = step

    def reason(self) -> GatewayError:
        """Status 504."""
        return GatewayError(
            f"It took longer than {self.seconds:g} s, the timeout of {self._step}.", status=504, code="step_timeout"
        )


class Tries(NamedTuple):
    """How often something is done in all where it fails with what may pass.

    Before the second try it waits `wait` seconds, before each further one twice as long.
    """

    attempts: int = 1
    wait: float = 0.0

    async def of(self, do: Callable[[], Awaitable[T]]) -> T:
        """What `do` brings. Raises what its last try raised."""
        wait = self.wait
        for _ in range(self.attempts - 1):
            try:
                return await do()
            except GatewayError as error:
                if not error.retryable:
                    raise
            await asyncio.sleep(wait)
            wait *= 2
        return await do()


class Tried:
    """Work that is done again where it fails with what may pass."""

    def __init__(self, work: Work, tries: Tries) -> None:
        self._work = work
        self._tries = tries

    async def output(self, run: Run, names: Names) -> Any:
        """What the work brings. Raises what its last try raised."""
        return await self._tries.of(partial(self._work.output, run, names))

    async def answer(self, run: Run, names: Names) -> Reply:
        """What the work answers, up to where its answer begins. Raises what its last try raised."""
        return await self._tries.of(partial(self._work.answer, run, names))


class Step:
    """Work under a name, of which its run's record says `told`. `default` is its output where it fails, unless None."""

    __slots__ = ("_default", "_patience", "_told", "_work", "name")

    def __init__(self, name: str, work: Work, told: Told, *, timeout: float | None = None, default: Any = None) -> None:
        self.name = name
        self._work = work
        self._told = told
        self._patience = None if timeout is None else StepPatience(timeout, name)
        self._default = default

    async def output(self, run: Run, names: Names) -> Any:
        """What it brings. Raises `GatewayError`, with the step's name in front."""
        step = run.step(self._told)
        try:
            output = await self._bounded(step, names, self._work.output)
        except GatewayError as error:
            step.part.broke(error)
            if self._default is None:
                raise _told(error, self.name, run.origin) from error
            return self._default
        except BaseException as error:
            step.part.broke(error)
            raise
        step.part.done(step.part.spent, output)
        return output

    async def answer(self, run: Run, names: Names) -> Reply:
        """What it brings as the run's answer, unread. Raises `GatewayError`, with the step's name in front."""
        step = run.step(self._told)
        try:
            reply: Reply = await self._bounded(step, names, self._work.answer)
        except GatewayError as error:
            step.part.broke(error)
            if self._default is None:
                raise _told(error, self.name, run.origin) from error
            return run.say(self._default)
        except BaseException as error:
            step.part.broke(error)
            raise
        return _ending(step, reply)

    async def _bounded(self, run: Run, names: Names, do: Do) -> Any:
        if self._patience is None:
            return await do(run, names)
        with self._patience.limit():
            return await do(run, names)


def _ending(step: Run, reply: Reply) -> Reply:
    """The same answer; the step is done when it has been read."""
    transcript = None
    if step.part.record.contents:
        reply, transcript = transcribed(reply, step.part.record.contents)

    def ended(outcome: Outcome) -> None:
        if outcome.kind == "ok":
            step.part.done(step.cost()[0], None if transcript is None else transcript.text)
        else:
            step.part.broke(outcome.error)
        step.last = None

    return reply.on_end(ended)


def _told(error: GatewayError, step: str, origin: str) -> GatewayError:
    """The same error, with the step that failed in front of its message."""
    message = f"Step {step!r} of {origin}: {error.message}"
    if isinstance(error, ModelNotFound):
        # The caller's model is there: what is not is one that the chain names.
        return GatewayError(message, status=502, type="upstream_error", code="step_model_not_found")
    # A copy, whatever its class asks for when it is made: the same error may be raised again elsewhere.
    told = type(error).__new__(type(error))
    told.__dict__.update(error.__dict__)
    told.message = message
    told.args = (message,)
    return told
