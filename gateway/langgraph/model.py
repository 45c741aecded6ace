"""A model of the gateway as LangChain's chat model."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.language_models.chat_models import agenerate_from_stream
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from gateway.langgraph.messages import to_chat
from gateway.langgraph.running import OURS, Running
from gateway.langgraph.structured import Schema, structured
from gateway.seam import Chunk, Reply, unfold
from gateway.wire.verbatim import INVALID, mend

_LENGTHS = ("max_tokens", "max_completion_tokens")
_DELTAS = ("reasoning_content", "refusal")
_decode = msgspec.json.Decoder().decode


class GatewayChatModel(BaseChatModel):
    """A model, chain or graph of the gateway, for what a `LangGraphNode` runs: asked in the same process.

    `model` is a name as a chain's step has it; `params` are parameters of the request, which win over the caller's.
    It passes all that a step's call passes: routing, limits, filters; its tokens are the run's. Raises `GatewayError`.
    """

    model: str
    params: dict[str, Any] = {}

    @property
    def _llm_type(self) -> str:
        return OURS

    @property
    def _identifying_params(self) -> Mapping[str, Any]:
        return {"model": self.model, **self.params}

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | dict[str, Any] | bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The model with tools; `tool_choice` is a tool's name, or `auto`, `none`, `any`, or as OpenAI has it."""
        made = [convert_to_openai_tool(tool) for tool in tools]
        if tool_choice is not None and tool_choice is not False:
            kwargs["tool_choice"] = _choice(tool_choice)
        return self.bind(tools=made, **kwargs)

    def with_structured_output(
        self,
        schema: Schema,
        *,
        include_raw: bool = False,
        method: Literal["json_schema", "function_calling"] = "json_schema",
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """The model whose answer is of a schema: by `response_format`, or by a tool that it must call."""
        if method == "function_calling":
            return super().with_structured_output(schema, include_raw=include_raw, **kwargs)
        return structured(self, schema, include_raw=include_raw, **kwargs)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002 (LangChain itself tells of tokens)
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        reply = await self._asked(Running.current(), messages, stop, kwargs, stream=True)
        async for chunk in _chunks(reply):
            yield chunk

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,
    ) -> ChatResult:
        reply = await self._asked(Running.current(), messages, stop, kwargs, stream=False)
        return await agenerate_from_stream(_chunks(reply))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        running = Running.current()
        reply = running.wait(self._asked(running, messages, stop, kwargs, stream=True))
        chunks = _chunks(reply)
        try:
            while (chunk := running.wait(anext(chunks, None))) is not None:
                yield chunk
        finally:
            running.wait(reply.aclose())

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,
    ) -> ChatResult:
        return Running.current().wait(self._agenerate(messages, stop, **kwargs))

    async def _asked(
        self,
        running: Running,
        messages: list[BaseMessage],
        stop: list[str] | None,
        more: Mapping[str, Any],
        *,
        stream: bool,
    ) -> Reply:
        fields = {**self.params, **{name: value for name, value in more.items() if name != "stream"}}
        if stop is not None:
            fields["stop"] = stop
        inherited = running.parameters()
        if any(name in fields for name in _LENGTHS):  # one stands for the other: a provider refuses both
            inherited = {name: value for name, value in inherited.items() if name not in _LENGTHS}
        body = {**inherited, **fields, "model": self.model, "messages": to_chat(messages)}
        return await running.ask(body, stream=stream)


def _choice(given: str | dict[str, Any] | bool) -> str | dict[str, Any]:
    if given is True or given == "any":
        return "required"
    if given in ("auto", "none", "required") or isinstance(given, dict):
        return given
    return {"type": "function", "function": {"name": given}}


async def _chunks(reply: Reply) -> AsyncIterator[ChatGenerationChunk]:
    """An answer as LangChain's chunks, whole or streamed; it is closed with them."""
    named: dict[str, Any] = {"model_provider": OURS}
    try:
        async for batch in reply:
            for event in batch.chunks:
                for chunk in unfold(event) if event.whole else (event,):
                    message = _message(chunk)
                    if message is not None:
                        message.response_metadata |= named
                        named = {}
                        yield ChatGenerationChunk(message=message)
    finally:
        await reply.aclose()


def _message(chunk: Chunk) -> AIMessageChunk | None:
    """What an event brings; None where it is the end mark, or a comment."""
    source = chunk.codec.source(chunk.raw)
    if not source:
        return None
    chunk.parts()  # which raises where it is none of a chat answer's events
    document = _opened(source)
    choice: dict[str, Any] = next((one for one in document.get("choices") or () if not one.get("index")), {})
    delta, finish = choice.get("delta") or {}, choice.get("finish_reason")
    ended = {} if finish is None else {"finish_reason": finish, "model_name": document.get("model")}
    calls = [
        tool_call_chunk(
            name=(call.get("function") or {}).get("name"),
            args=(call.get("function") or {}).get("arguments"),
            id=call.get("id"),
            index=position if call.get("index") is None else call["index"],
        )
        for position, call in enumerate(delta.get("tool_calls") or ())
    ]
    return AIMessageChunk(
        content=delta.get("content") or "",
        tool_call_chunks=calls,
        additional_kwargs={name: delta[name] for name in _DELTAS if delta.get(name) is not None},
        response_metadata=ended,
        usage_metadata=_usage(chunk),
    )


def _opened(source: bytes) -> dict[str, Any]:
    try:
        found: dict[str, Any] = _decode(source)
    except INVALID:  # half of a surrogate pair, which is JSON, though no text
        found = _decode(mend(source))
    return found


def _usage(chunk: Chunk) -> UsageMetadata | None:
    usage = chunk.usage
    if usage is None:
        return None
    return UsageMetadata(
        input_tokens=usage.input,
        output_tokens=usage.output,
        total_tokens=usage.input + usage.output,
        input_token_details=InputTokenDetails(cache_read=usage.cached, cache_creation=usage.written),
        output_token_details=OutputTokenDetails(reasoning=usage.reasoning),
    )
