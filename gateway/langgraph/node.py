"""A compiled graph of LangGraph's, or another runnable of LangChain's, as a node of the gateway's."""

import logging
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any

from langchain_core.runnables import Runnable
from langgraph.errors import GraphRecursionError
from langgraph.graph import StateGraph
from langgraph.pregel import Pregel

from gateway.langgraph.answer import Answer, Measured, Pumped
from gateway.langgraph.running import Running
from gateway.langgraph.speech import CODE, GraphSpeech, Input, Output, RunnableSpeech, Speech
from gateway.seam import Batch, Call, Env, GatewayError, Given, Handler, PluginFailed, Reply

Opening = Callable[[], AbstractAsyncContextManager[Runnable[Any, Any]]]
_log = logging.getLogger("gateway")


class LangGraphNode:
    """Answers as a graph does: a node (`seam.Node`), which `function:` names in a chain or graph of the configuration.

    `graph` is a compiled graph, another runnable, or a function that opens one: an async context manager that is
    entered when the gateway starts, and left when it stops. What the models of its last nodes say is the answer, as it
    comes.

    - `nodes`: the nodes whose models make the answer (`writer`, within a subgraph `team/writer`), where it is not
      those after which the graph may end;
    - `input`: what the graph is given. `messages`: a state of the request's messages and the step's `args`; `args`:
      those alone; `text`: the newest user message's; or what a function makes of messages and args;
    - `output`: a name in the state, or a function of it, that is the answer once the graph has ended;
    - `max_steps`: how many steps (LangGraph's supersteps) a run may take.

    Raises `ValueError` for what cannot be run.
    """

    def __init__(
        self,
        graph: Runnable[Any, Any] | Opening,
        *,
        nodes: Collection[str] | None = None,
        input: Input = "messages",  # noqa: A002 (what it is)
        output: Output | None = None,
        max_steps: int = 100,
    ) -> None:
        if isinstance(graph, StateGraph):
            raise ValueError("expected a compiled graph, found a StateGraph: write graph.compile()")
        if input not in ("messages", "args", "text") and not callable(input):
            raise ValueError(f"expected messages, args, text or a function for input, found {input!r}")
        if isinstance(nodes, str):
            raise ValueError(f"expected a list of nodes, found {nodes!r}")
        self._nodes = nodes
        self._input = input
        self._output = output
        self._max_steps = max_steps
        self._opened = AsyncExitStack()
        self._opening = None if isinstance(graph, Runnable) else graph
        self._speech = self._made(graph) if isinstance(graph, Runnable) else None

    async def start(self, env: Env) -> None:  # noqa: ARG002 (as the gateway calls it)
        """Open the graph, where it must be."""
        if self._opening is not None:
            self._speech = self._made(await self._opened.enter_async_context(self._opening()))

    async def aclose(self) -> None:
        """Close what was opened."""
        await self._opened.aclose()

    async def __call__(self, call: Call, run: Handler) -> Reply:
        """Run the graph, up to where its answer begins. Raises what its models raise, and `PluginFailed`."""
        assert self._speech is not None, "it has been started"
        running = Running(call, run, self._speech.answering)
        pumped = Pumped(call.tasks, _events(self._speech, running))
        try:
            first = await anext(pumped)
        except BaseException:
            await pumped.aclose()
            raise
        return Measured(call, Given((first,), pumped), running.usage)

    def _made(self, graph: Runnable[Any, Any]) -> Speech:
        if isinstance(graph, Pregel):
            return GraphSpeech(graph, self._nodes, self._input, self._output, self._max_steps)
        return RunnableSpeech(graph, self._input, self._output)


async def _events(speech: Speech, running: Running) -> AsyncIterator[Batch]:
    """The answer's events; what goes wrong becomes a `GatewayError`."""
    call = running.call
    answer = Answer(call)
    model = call.request.model
    try:
        async for batch in speech(running, answer):
            yield batch
        yield answer.end(running.usage()[0])
    except GatewayError:
        raise
    except GraphRecursionError as error:
        told = f"{model} took more steps than it may without coming to an end; LangGraphNode's max_steps says how many."
        raise PluginFailed(told, code="graph_max_steps") from error
    except Exception as error:
        _log.exception("call %s: the graph behind %s failed", call.id, model)
        told = f"The graph behind {model} failed; the gateway's log has more under {call.id}."
        raise PluginFailed(told, code=CODE) from error
    finally:
        running.close()
