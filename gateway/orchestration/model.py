"""A step that asks a model, or a chain or graph, which is asked as a model is."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gateway.orchestration.run import Run
from gateway.orchestration.shape import Shape
from gateway.orchestration.work import Names, Render, Value, read, text_in
from gateway.seam import Chunk, Reply, UpstreamError

Messages = Callable[[Run, Names], list[Any]]
_LENGTHS = ("max_tokens", "max_completion_tokens")
_NO_TEXT = frozenset(("audio", "function_call", "functions", "logprobs", "modalities", "n", "parallel_tool_calls")) | {
    "prediction",
    "tool_choice",
    "tools",
    "top_logprobs",
}
"""Parameters by which an answer may be something other than one text."""


class Prompted:
    """One message after another, each a role and a template."""

    def __init__(self, messages: Sequence[tuple[str, Render]]) -> None:
        self._messages = messages

    def __call__(self, run: Run, names: Names) -> list[Any]:  # noqa: ARG002 (as others have it)
        """The messages, filled in."""
        return [{"role": role, "content": render(names)} for role, render in self._messages]


class Handed:
    """The caller's messages, unchanged but for instructions in front."""

    def __init__(self, system: Render | None) -> None:
        self._system = system

    def __call__(self, run: Run, names: Names) -> list[Any]:
        """The messages."""
        messages = run.messages
        if self._system is None:
            return messages
        return [{"role": "system", "content": self._system(names)}, *messages]


class ModelCall:
    """A call of `model`. `fields` are those of its request that win over the caller's.

    `inputs` are those of a chain or graph (None: the caller's); `shape` is what the answer's text must hold as JSON.
    The caller's parameters go to the step that answers; to one that `inherits` too, for the answer is made of its
    output: but for those that would bring something other than one text.
    """

    def __init__(
        self,
        step: str,
        model: str,
        messages: Messages,
        fields: Mapping[str, Any],
        *,
        shape: Shape | None = None,
        inputs: Mapping[str, Value] | None = None,
        inherits: bool = False,
    ) -> None:
        self._step = step
        self._model = model
        self._messages = messages
        self._fields = dict(fields)
        self._shape = shape
        self._inputs = inputs
        self._inherits = inherits
        self._nested = model.startswith(("chain:", "graph:"))
        # One length stands for the other: a provider refuses both.
        lengths = any(name in self._fields for name in _LENGTHS)
        self._hidden = frozenset(_LENGTHS) if lengths else frozenset()

    async def output(self, run: Run, names: Names) -> Any:
        """The answer's text, or what it holds as JSON. Raises `UpstreamError` where that is not of the shape."""
        return self.opened(await read(run, await self.ask(run, self.body(run, names, final=False), final=False)))

    async def answer(self, run: Run, names: Names) -> Reply:
        """The model's answer, unread."""
        return run.answer(await self.ask(run, self.body(run, names, final=True), final=True))

    def body(self, run: Run, names: Names, *, final: bool) -> dict[str, Any]:
        """What the model is asked; `final` where its answer is the run's own."""
        body: dict[str, Any] = {}
        if final or self._inherits:
            hidden = self._hidden if final else self._hidden | _NO_TEXT
            body = {name: value for name, value in run.parameters.items() if name not in hidden}
        body |= self._fields
        body["model"] = self._model
        body["messages"] = messages = self._messages(run, names)
        inputs: Any = None
        if self._nested:
            inputs = run.inputs
            if self._inputs is not None:
                inputs = {name: value(names) for name, value in self._inputs.items()}
            if inputs is not None:
                body["inputs"] = inputs
        run.takes(messages if inputs is None else {"messages": messages, "inputs": inputs})
        return body

    async def ask(self, run: Run, body: Mapping[str, Any], *, final: bool) -> Reply:
        """The answer to such a body, unread."""
        return await run.env.run(run.child(body, self._step, final=final))

    def opened(self, answer: Chunk) -> Any:
        """A whole answer's text, or what it holds as JSON. Raises `UpstreamError` where that is not of the shape."""
        text = text_in(answer)
        if self._shape is None:
            return text
        try:
            return self._shape.read(text)
        except ValueError as error:
            finish = answer.finish
            why = f" It stopped early ({finish})." if finish not in (None, "stop") else ""
            raise UpstreamError(
                f"The answer of {self._model} does not fit response_format: {error}.{why}", code="answer_misshapen"
            ) from error
