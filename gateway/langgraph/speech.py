"""What a graph, or another runnable, says to a request: run once, its texts as they come."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from typing import Any, Literal, Protocol

import msgspec
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END
from langgraph.pregel import Pregel
from langgraph.types import StreamMode
from pydantic import BaseModel

from gateway.langgraph.answer import Answer
from gateway.langgraph.messages import from_chat
from gateway.langgraph.running import Answering, Running
from gateway.langgraph.thread import Threads, Turn
from gateway.seam import Batch, Call, Conversation, InvalidRequest, PluginFailed

INTERRUPTS = "__interrupt__"
"""Where LangGraph tells, beside the state, what a graph asks."""
CODE = "graph_failed"
_MODES: list[StreamMode] = ["messages", "values"]

Args = dict[str, Any]
Input = Literal["messages", "args", "text"] | Callable[[list[BaseMessage], Args], Any]
Output = str | Callable[[Any], Any]


class Speech(Protocol):
    """Runs a graph or runnable once, and makes its `answer`."""

    answering: Answering
    """Which of its nodes make the answer."""

    def __call__(self, running: Running, answer: Answer, /) -> AsyncIterator[Batch]:
        """The events of the answer but for its end. Raises whatever the graph raises."""
        ...


class GraphSpeech:
    """A compiled graph."""

    def __init__(
        self,
        graph: Pregel[Any, Any, Any, Any],
        nodes: Collection[str] | None,
        given: Input,
        output: Output | None,
        max_steps: int,
    ) -> None:
        """Raises `ValueError` for a graph that stops at breakpoints."""
        if graph.interrupt_before_nodes or graph.interrupt_after_nodes:
            raise ValueError("expected a graph without breakpoints: ask its caller by interrupt() in a node")
        self.answering = Answering(_last_nodes(graph) if nodes is None else nodes)
        self._graph = graph
        self._forgetful = graph
        self._threads: Threads | None = None
        if isinstance(graph.checkpointer, BaseCheckpointSaver):
            self._threads = Threads(graph, graph.checkpointer)
            self._forgetful = graph.copy({"checkpointer": None})
        self._given = given
        self._output = output
        self._max_steps = max_steps

    async def __call__(self, running: Running, answer: Answer) -> AsyncIterator[Batch]:
        """What its nodes say; what it asks, where it does; else what its state says at the end."""
        async with self._turn(running.call) as turn:
            config = running.config(turn.thread) | RunnableConfig(recursion_limit=self._max_steps)
            given = turn.resume or _given(self._given, turn.messages, running.call)
            graph = self._graph if turn.thread else self._forgetful
            events: Any = graph.astream(given, config, stream_mode=_MODES, subgraphs=True)
            state: Any = None
            async with aclosing(events):
                async for namespace, mode, event in events:
                    if mode == "values":
                        state = state if namespace else event
                    elif (batch := self._said(answer, *event)) is not None:
                        yield batch
            asked = state.pop(INTERRUPTS, ()) if isinstance(state, dict) else ()
            if asked:
                yield answer.text("\n\n".join([text_of(one.value) for one in self._askable(asked, turn, running.call)]))
                return
        last = _last_message(state)
        if self._output is None and isinstance(last, AIMessage):
            answer.calls = last.tool_calls
        # A tool's result with which a graph ends is its answer, whatever the model has said in front.
        if not answer.said or isinstance(last, ToolMessage):
            text = text_of(_concluded(last, state) if self._output is None else _named(self._output, state))
            if text:
                yield answer.text(text)

    def _said(self, answer: Answer, message: Any, metadata: Mapping[str, Any]) -> Batch | None:
        if self._output is None and isinstance(message, AIMessage) and self.answering(metadata):
            return answer.message(message)
        return None

    def _turn(self, call: Call) -> AbstractAsyncContextManager[Turn]:
        messages = from_chat(call.request.body.get("messages"))
        conversation = call.get(Conversation)
        if self._threads is None or conversation is None:
            return nullcontext(Turn({}, messages))
        return self._threads.turn(conversation, messages)

    def _askable(self, asked: Any, turn: Turn, call: Call) -> Any:
        if turn.thread:
            return asked
        what = f"{call.request.model} asks its caller something, and waits for the answer"
        if self._threads is None:
            raise PluginFailed(f"{what}: it must be compiled with a checkpointer.", code=CODE)
        raise InvalidRequest(
            f"{what}: name the conversation, in the header x-gateway-conversation-id.", code="conversation_required"
        )


class RunnableSpeech:
    """Any other runnable: what it streams is its answer, texts and messages as they come."""

    def __init__(self, runnable: Runnable[Any, Any], given: Input, output: Output | None) -> None:
        self.answering = Answering(None)
        self._runnable = runnable
        self._given = given
        self._output = output

    async def __call__(self, running: Running, answer: Answer) -> AsyncIterator[Batch]:
        """What it streams; what that comes to in the end, where it is neither text nor message."""
        call = running.call
        given = _given(self._given, from_chat(call.request.body.get("messages")), call)
        config = running.config({})
        # A runnable that is a model itself runs in no step of LangChain's that would set it. The task is the run's own.
        var_child_runnable_config.set(config)
        whole: Any = None
        async for piece in self._runnable.astream(given, config):
            whole = piece if whole is None else _joined(whole, piece)
            if self._output is None and isinstance(piece, AIMessage):
                if (batch := answer.message(piece)) is not None:
                    yield batch
            elif self._output is None and isinstance(piece, str) and piece:
                yield answer.piece(piece)
        if isinstance(whole, AIMessage) and self._output is None:
            answer.calls = whole.tool_calls
        if not answer.said and whole is not None:
            yield answer.text(text_of(whole if self._output is None else _named(self._output, whole)))


def text_of(value: Any) -> str:
    """A value as text: a message's own, of anything else that is none its JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, BaseMessage):
        return str(value.text)
    if isinstance(value, BaseModel):
        return value.model_dump_json()
    return msgspec.json.encode(value, enc_hook=_plain).decode()


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(f"expected what JSON can hold, found a {type(value).__name__}")


def _last_nodes(graph: Pregel[Any, Any, Any, Any]) -> list[str] | None:
    """The nodes after which a graph may end; None where it does not tell."""
    return [edge.source for edge in graph.get_graph().edges if edge.target == END] or None


def _given(kind: Input, messages: Any, call: Call) -> Any:
    """What a graph is given."""
    args: Args = call.request.body.get("inputs") or {}
    match kind:
        case "messages":
            return {"messages": list(messages), **args}
        case "args":
            return args
        case "text":
            return next((str(one.text) for one in reversed(messages) if isinstance(one, HumanMessage)), "")
    assert callable(kind)
    return kind(list(messages), args)


def _joined(whole: Any, piece: Any) -> Any:
    """What came and what comes; of what cannot be added, the last counts, as LangChain has it."""
    try:
        return whole + piece
    except TypeError:
        return piece


def _last_message(state: Any) -> AIMessage | ToolMessage | None:
    """The message with which a graph has ended, where it is its own."""
    messages = state.get("messages") if isinstance(state, dict) else None
    last = messages[-1] if isinstance(messages, list) and messages else None
    return last if isinstance(last, AIMessage | ToolMessage) else None


def _named(output: Output, state: Any) -> Any:
    """What `output` says is the answer."""
    if callable(output):
        return output(state)
    if not isinstance(state, dict) or output not in state:
        raise LookupError(f"it ended without {output!r} in its state, which is its output")
    return state[output]


def _concluded(last: BaseMessage | None, state: Any) -> Any:
    """What a graph has come to. Raises `LookupError` where that is no answer."""
    if last is not None:
        return last
    if state is None or isinstance(state, dict):
        raise LookupError("it ended, and no model of the nodes that answer has said anything: name its output")
    return state
