"""A chain or graph that remembers."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Raw

from gateway.orchestration.chain import Flow
from gateway.orchestration.kept import Variable
from gateway.orchestration.run import Run
from gateway.orchestration.settings import Memory as Settings
from gateway.orchestration.template import compile as compile_template
from gateway.seam import Reply
from gateway.stores.conversations import Conversations
from gateway.stores.identity import MEMBER, Asked, Memory
from gateway.wire.verbatim import INVALID, Object, encode, open_object


class Remembering:
    """Gives a flow the end of its caller's conversation for its messages, and keeps turns that end well."""

    def __init__(
        self,
        flow: Flow,
        conversations: Conversations,
        memory: Memory,
        *,
        model: str,
        needs: frozenset[str],
        variables: Mapping[str, Variable],
    ) -> None:
        """`model` is who sees the messages, for counting tokens; `needs` are the names that the flow's templates read.

        `variables` are kept beside the messages.
        """
        self._flow = flow
        self._conversations = conversations
        self._memory = memory
        self._model = model
        self._needs = needs
        self._variables = variables

    async def __call__(self, run: Run) -> Reply:
        """The flow's answer."""
        turn = await self._conversations.open(run.call, run.messages, run.parameters, self._memory, self._model)
        if run.part.record.conversation is None:
            run.part.record.conversation = turn.name
        run.hear(turn.messages, self._needs)
        run.parameters = _without_id(run.parameters)
        if self._variables:
            kept = await turn.variables()
            fitting = [name for name, one in self._variables.items() if name in kept and one.fits(kept[name])]
            run.names |= {name: kept[name] for name in fitting}
            run.kept = {name: [] for name in self._variables}
        reply = await self._flow(run)
        for name, outputs in run.kept.items():
            if outputs:
                turn.change(name, self._variables[name].change(outputs))
        return turn.keep(reply)


def remembered(settings: Settings) -> Memory:
    """What a chain's or graph's `memory` asks of the store; a prompt in it is valid."""
    summary = settings.summary
    return Memory(
        settings.last,
        settings.tokens,
        None if summary is None else summary.model,
        None if summary is None or summary.prompt is None else _asked(summary.prompt),
        by=settings.by,
        ttl=settings.ttl,
    )


def _asked(prompt: str) -> Asked:
    template = compile_template(prompt, "memory.summarise.prompt")

    def asked(summary: str, messages: Sequence[Any]) -> str:
        return template.render({"summary": summary, "messages": messages})

    return asked


def _without_id(parameters: dict[str, Any]) -> dict[str, Any]:
    """A request's parameters without the conversation's id: it is ours, and OpenAI refuses `metadata` unless asked."""
    try:
        metadata: Object = open_object(parameters["metadata"])
    except (KeyError, *INVALID):
        return parameters
    if metadata.pop(MEMBER, None) is None:
        return parameters
    rest = {name: value for name, value in parameters.items() if name != "metadata"}
    return rest | {"metadata": Raw(encode(metadata))} if metadata else rest
