"""One run of a graph: the call that it answers, how its models reach the gateway, and what all of it has cost."""

import asyncio
from collections.abc import Collection, Coroutine, Mapping
from concurrent.futures import Future
from functools import partial
from threading import Lock
from typing import Any, Self, TypeVar
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, LLMResult
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config

from gateway.seam import Call, Handler, Outcome, Reply, Request, Usage
from gateway.wire.verbatim import encode

T = TypeVar("T")
OURS = "llm-orchestration-gateway"
"""What a message of the gateway's own models names as its provider."""
_KEY = "__gateway"
"""Where the run stands among a config's `configurable`: such names LangChain passes on, and neither logs nor keeps."""
_NAMESPACE = "langgraph_checkpoint_ns"
_PARAMETERS = (
    "frequency_penalty",
    "logit_bias",
    "max_completion_tokens",
    "max_tokens",
    "presence_penalty",
    "reasoning_effort",
    "seed",
    "stop",
    "temperature",
    "top_p",
    "verbosity",
)
"""Of a caller's parameters those that the model that answers gets: none that makes it say anything but a text."""


class Answering:
    """Which nodes make the answer: those of the names (None: all), and what is within them."""

    def __init__(self, nodes: Collection[str] | None) -> None:
        self._prefixes = None if nodes is None else tuple(f"{node}/" for node in nodes)

    def __call__(self, metadata: Mapping[str, Any]) -> bool:
        """Whether what LangGraph tells of a step is of one of them; outside of a graph, all is."""
        namespace = metadata.get(_NAMESPACE)
        if self._prefixes is None or namespace is None:
            return True
        path = "/".join([part.partition(":")[0] for part in namespace.split("|")])
        return f"{path}/".startswith(self._prefixes)


class Running:
    """One run: `call` is what it answers. It travels in the run's own `RunnableConfig`."""

    def __init__(self, call: Call, run: Handler, answering: Answering) -> None:
        self.call = call
        self._run = run
        self._answering = answering
        self._loop = asyncio.get_running_loop()
        self._open: set[Reply] = set()
        self._counting = Lock()
        self._spent = Usage()
        self._estimated = False
        self._working: set[asyncio.Task[None]] = set()
        self._closed = False

    @classmethod
    def current(cls) -> Self:
        """The run that whoever asks is part of. Raises `RuntimeError` where there is none."""
        running = ensure_config().get("configurable", {}).get(_KEY)
        if running is None:
            raise RuntimeError(
                "A GatewayChatModel answers inside of a graph or runnable that a LangGraphNode runs; elsewhere, and in "
                "threads without the caller's context, ask the gateway over HTTP: ChatOpenAI(base_url=…)"
            )
        found: Self = running
        return found

    def config(self, thread: Mapping[str, Any]) -> RunnableConfig:
        """What the graph is run with; `thread` names the thread that it continues."""
        return {"configurable": {**thread, _KEY: self}, "callbacks": [Elsewhere(self)]}

    def parameters(self) -> dict[str, Any]:
        """The caller's parameters for the model that is asked now: none, unless it makes the answer."""
        if not self._answering(ensure_config().get("metadata", {})):
            return {}
        body = self.call.request.body
        return {name: body[name] for name in _PARAMETERS if body.get(name) is not None}

    async def ask(self, body: Mapping[str, Any], *, stream: bool) -> Reply:
        """Ask a model of the gateway. Raises `GatewayError`, and `RuntimeError` where the run is over."""
        if self._closed:
            raise RuntimeError("The run is over: nobody wants the answer any more.")
        asked = self.call.request
        request = Request(
            "chat",
            encode({**body, "stream": True} if stream else body),
            model=body["model"],
            stream=stream,
            wants_usage=True,
            headers=asked.headers,
        )
        reply = await self._run(self.call.child(request=request))
        self._open.add(reply)
        reply.on_end(partial(self._over, reply))
        return reply

    def spend(self, usage: Usage, *, estimated: bool = False) -> None:
        """Something has cost that; threads say so too."""
        with self._counting:
            self._spent = self._spent.plus(usage)
            self._estimated = self._estimated or estimated

    def usage(self) -> tuple[Usage, bool]:
        """What the run has cost so far, and whether any of it is estimated."""
        usage, estimated = self._spent, self._estimated
        for reply in self._open:
            more, guessed = reply.usage()
            usage, estimated = usage.plus(more), estimated or guessed
        return usage, estimated

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something in the gateway's loop, for a node that runs in a thread. Raises `RuntimeError` in the loop."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            done: Future[T] = Future()
            self._loop.call_soon_threadsafe(self._begin, work, done)
            return done.result()
        work.close()
        raise RuntimeError(
            "An async function must ask a model by `ainvoke` or `astream`: anything else blocks the loop."
        )

    def close(self) -> None:
        """The run is over, or nobody wants it any more: nothing is asked or read for it from now on."""
        self._closed = True
        for task in self._working:  # threads wait for them, which nobody can cancel
            task.cancel()
        for reply in self._open:  # a node that was left, or has left one unread
            self.call.tasks.settle(reply.aclose())

    def _begin(self, work: Coroutine[Any, Any, T], done: Future[T]) -> None:
        task = self.call.tasks.spawn(_fulfil(work, done))
        self._working.add(task)
        task.add_done_callback(partial(self._done, work, done))

    def _done(self, work: Coroutine[Any, Any, T], done: Future[T], task: asyncio.Task[None]) -> None:
        self._working.discard(task)
        if not done.done():  # it was cancelled before it began
            work.close()
            done.set_exception(asyncio.CancelledError())

    def _over(self, reply: Reply, outcome: Outcome) -> None:
        self._open.discard(reply)
        self.spend(outcome.usage, estimated=outcome.estimated)


async def _fulfil(work: Coroutine[Any, Any, T], done: Future[T]) -> None:
    """Do what a thread waits for, and tell it what came of it."""
    try:
        done.set_result(await work)
    except Exception as error:
        done.set_exception(error)
    except asyncio.CancelledError as error:
        done.set_exception(error)
        raise


class Elsewhere(BaseCallbackHandler):
    """Counts what models cost that a graph asks elsewhere, as they report it."""

    run_inline = True

    def __init__(self, running: Running) -> None:
        self._running = running

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **_: Any) -> None:  # noqa: ARG002 (as LangChain calls it)
        """A model has answered."""
        for generations in response.generations:
            for generation in generations:
                message = generation.message if isinstance(generation, ChatGeneration) else None
                if not isinstance(message, AIMessage) or message.usage_metadata is None:
                    continue
                if message.response_metadata.get("model_provider") != OURS:
                    self._running.spend(_reported(message.usage_metadata))


def _reported(usage: UsageMetadata) -> Usage:
    """Tokens as LangChain reports them: there too, `input` includes what was cached, and `output` the reasoning."""
    inputs, outputs = usage.get("input_token_details", {}), usage.get("output_token_details", {})
    return Usage(
        usage["input_tokens"],
        usage["output_tokens"],
        inputs.get("cache_read") or 0,
        inputs.get("cache_creation") or 0,
        outputs.get("reasoning") or 0,
    )
