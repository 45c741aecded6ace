"""What a step does."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from gateway.orchestration.run import Run
from gateway.seam import Chunk, Reply

Names = Mapping[str, Any]
"""What templates see."""
Render = Callable[[Names], str]
Value = Callable[[Names], Any]


class Work(Protocol):
    """What a step does, in the two forms in which it may be wanted."""

    async def output(self, run: Run, names: Names, /) -> Any:
        """Its output: a text, or what JSON can hold. Raises `GatewayError`."""
        ...

    async def answer(self, run: Run, names: Names, /) -> Reply:
        """Its output as the answer of the run: unread where a model gives it, so that it streams."""
        ...


class Filled:
    """A template."""

    def __init__(self, render: Render) -> None:
        self._render = render

    async def output(self, run: Run, names: Names) -> Any:  # noqa: ARG002 (as others have it)
        """Its text."""
        return self._render(names)

    async def answer(self, run: Run, names: Names) -> Reply:
        """Its text."""
        return run.say(self._render(names))


async def read(run: Run, reply: Reply) -> Chunk:
    """The whole of a step's answer; what it has cost is the run's, also where it breaks."""
    try:
        return await reply.whole()
    finally:
        run.spend(*reply.usage())


def text_in(answer: Chunk) -> str:
    """The text of a whole answer's first choice."""
    return "".join([part.text for part in answer.parts() if part.kind == "text" and part.choice == 0])
