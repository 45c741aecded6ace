"""A tool that a model may call: what it is told of it, and a step that does it."""

from typing import Any

from msgspec import Raw

from gateway.orchestration.arguments import Arguments
from gateway.orchestration.run import Run, text_of
from gateway.orchestration.step import Step
from gateway.seam import GatewayError
from gateway.wire.verbatim import encode

_ERROR = "Error: "
"""What a result begins with that is none: a model's dialect has no other mark for it."""


class Tool:
    """One tool. `definition` is what a request says of it; its results are texts, and failures are results too."""

    __slots__ = ("_arguments", "_most", "_step", "definition", "name")

    def __init__(self, name: str, step: Step, arguments: Arguments, *, description: str, max_size: int) -> None:
        self.name = name
        self._step = step
        self._arguments = arguments
        self._most = max_size
        function: dict[str, Any] = {"name": name, "parameters": arguments.schema}
        if description:
            function["description"] = description
        self.definition = Raw(encode({"type": "function", "function": function}))

    async def result(self, run: Run, arguments: str) -> str:
        """What a call with these arguments, a JSON text, brings: at most `max_size` of it."""
        try:
            given = self._arguments.read(arguments)
        except ValueError as error:
            return failed(f"The tool was not called, as its arguments do not fit: {error}")
        inner = run.within(given)
        try:
            text = text_of(await self._step.output(inner, inner.names))
        except GatewayError as error:
            # The step's name in front of the message is for callers: the model knows what it called.
            cause = error.__cause__
            return failed(cause.message if isinstance(cause, GatewayError) else error.message)
        return cut(text, self._most)


def failed(why: str) -> str:
    """The result of a call that failed."""
    return cut(f"{_ERROR}{why}", 4096)


def cut(text: str, most: int) -> str:
    """A text of at most `most` bytes; where it is longer, its end says so."""
    data = text.encode(errors="replace")
    if len(data) <= most:
        return data.decode()
    shown = data[:most].decode(errors="ignore")
    return f"{shown}\n[Cut: {len(data)} bytes in all, the first {most} are shown. Ask for less at a time.]"
