"""Branches at the same time, and how one answer is made of theirs."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from gateway.orchestration.chain import Holds
from gateway.orchestration.group import Done, Group
from gateway.orchestration.run import Run, text_of
from gateway.orchestration.step import Step
from gateway.seam import GatewayError, Reply, UpstreamError

_NOISE = re.compile(r"[\W_]+")


class Combine(Protocol):
    """How the answer is made, of the outputs in the order of the branches."""

    async def __call__(self, run: Run, outputs: Mapping[str, Any], /) -> Reply:
        """The answer."""
        ...


class Parallel:
    """All branches, at most `most` at one time; `needed` of them must succeed.

    As soon as too many have failed, the others are cancelled.
    """

    def __init__(self, branches: Mapping[str, Step], combine: Combine, needed: int, most: int | None = None) -> None:
        self._branches = branches
        self._combine = combine
        self._needed = needed
        self._most = most

    async def __call__(self, run: Run) -> Reply:
        """The combined answer. Raises the error of the branch that was one too many."""
        spare = len(self._branches) - self._needed
        outputs: dict[str, Any] = {}
        async with _started(self._branches, run, self._most) as group:
            async for done in group:
                if done.error is None:
                    outputs[done.key] = done.result
                    continue
                spare -= 1
                if spare < 0 or not isinstance(done.error, GatewayError):
                    raise done.error
        ordered = {name: outputs[name] for name in self._branches if name in outputs}
        run.names.update(ordered)
        return await self._combine(run, ordered)


class Racing:
    """The first branch whose output is good; the others are cancelled then."""

    def __init__(self, branches: Mapping[str, Step], accept: Holds | None, most: int | None = None) -> None:
        self._branches = branches
        self._accept = accept
        self._most = most

    async def __call__(self, run: Run) -> Reply:
        """The first good answer. Raises the last failure where all fail, `UpstreamError` where none is good."""
        failure: GatewayError | None = None
        good: list[Done] = []
        refused = False
        async with _started(self._branches, run, self._most) as group:
            async for done in group:
                if isinstance(done.error, GatewayError):
                    failure = done.error
                elif self._accept is None or self._accept({**run.names, "output": done.value()}):
                    good.append(done)
                    break
                else:
                    refused = True
        if good:
            return run.say(good[0].value())
        if failure is not None and not refused:
            raise failure
        raise UpstreamError(f"No branch of {run.origin} gave an answer that it accepts.", code="none_accepted")


class Combined:
    """A step that reads the outputs makes the answer."""

    def __init__(self, step: Step) -> None:
        self._step = step

    async def __call__(self, run: Run, outputs: Mapping[str, Any]) -> Reply:  # noqa: ARG002 (they are in the names)
        """The step's answer."""
        return await self._step.answer(run, run.names)


class Vote:
    """The answer that most branches gave, in the words of the first of them; of equals, that of the first branch.

    `normalised`: case, spaces and punctuation do not count.
    """

    def __init__(self, *, normalised: bool) -> None:
        self._normalised = normalised

    async def __call__(self, run: Run, outputs: Mapping[str, Any]) -> Reply:
        """The answer. Raises `UpstreamError` where there is none."""
        texts = [text_of(output) for output in outputs.values()]
        if not texts:
            raise UpstreamError(f"No branch of {run.origin} gave an answer to count.", code="none_accepted")
        ballots = [_NOISE.sub(" ", text).strip().casefold() if self._normalised else text for text in texts]
        winner, _ = Counter(ballots).most_common(1)[0]  # of equals, the one met first
        return run.say(texts[ballots.index(winner)])


def needed_of(needed: str | int, branches: Sequence[str]) -> int:
    """How many branches must succeed."""
    return needed if isinstance(needed, int) else len(branches) if needed == "all" else 1


def _started(branches: Mapping[str, Step], run: Run, most: int | None) -> Group:
    group = Group(run.call.tasks, most)
    for name, step in branches.items():
        group.add(name, partial(step.output, run, run.names))
    return group
