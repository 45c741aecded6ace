"""A conversational chain that remembers."""

from typing import Any

from msgspec import Raw

from gateway.orchestration.chain import Flow
from gateway.orchestration.run import Run
from gateway.orchestration.settings import Memory as Settings
from gateway.seam import Reply
from gateway.stores.conversations import Conversations
from gateway.stores.identity import MEMBER, Memory
from gateway.wire.verbatim import INVALID, Object, encode, open_object


class Remembering:
    """Gives a chain the end of its caller's conversation for its messages, and keeps turns that end well."""

    def __init__(self, flow: Flow, conversations: Conversations, settings: Settings, model: str) -> None:
        """`model` is who sees the messages, for counting tokens."""
        self._flow = flow
        self._conversations = conversations
        self._model = model
        self._memory = Memory(settings.last, settings.tokens, settings.summarise, by=settings.by, ttl=settings.ttl)

    async def __call__(self, run: Run) -> Reply:
        """The chain's answer."""
        turn = await self._conversations.open(run.call, run.messages, run.parameters, self._memory, self._model)
        if run.part.record.conversation is None:
            run.part.record.conversation = turn.name
        run.messages = turn.messages
        run.parameters = _without_id(run.parameters)
        return turn.keep(await self._flow(run))


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
