"""Chains: steps in a row, one of several, or one alone."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from gateway.orchestration.run import Run
from gateway.orchestration.step import Step
from gateway.seam import GatewayError, Reply

Holds = Callable[[Mapping[str, Any]], bool]


class Flow(Protocol):
    """What a chain or graph does with a run: its answer, not read yet."""

    async def __call__(self, run: Run, /) -> Reply:
        """Answer. Raises `GatewayError`."""
        ...


class Alone:
    """One step."""

    def __init__(self, step: Step) -> None:
        self._step = step

    async def __call__(self, run: Run) -> Reply:
        """The step's answer."""
        return await self._step.answer(run, run.names)


class Link(NamedTuple):
    """A step of a sequence, the name under which later ones read its output, and whether they can do without it."""

    step: Step
    save: str
    optional: bool = False
    kept: bool = False
    """Whether the conversation's next turns read it too: then it must be known when the run is over."""


class InRow:
    """Steps one after the other; the last one answers."""

    def __init__(self, links: Sequence[Link]) -> None:
        self._links = links[:-1]
        self._last = links[-1]

    async def __call__(self, run: Run) -> Reply:
        """The last step's answer. Raises what a step raises that may not fail."""
        for link in self._links:
            try:
                output = await link.step.output(run, run.names)
            except GatewayError:
                if not link.optional:
                    raise
            else:
                run.write(link.save, output, output)
        last = self._last
        if not last.kept:
            return await last.step.answer(run, run.names)
        output = await last.step.output(run, run.names)
        run.write(last.save, output, output)
        return run.say(output)


class Case(NamedTuple):
    """A branch, and when it is taken."""

    step: Step
    holds: Holds


class FirstMatch:
    """The first branch whose condition holds; `otherwise` where none does."""

    def __init__(self, cases: Sequence[Case], otherwise: Step) -> None:
        self._cases = cases
        self._otherwise = otherwise

    async def __call__(self, run: Run) -> Reply:
        """That branch's answer."""
        taken = next((case.step for case in self._cases if case.holds(run.names)), self._otherwise)
        return await taken.answer(run, run.names)
