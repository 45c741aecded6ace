"""LiteLLM as a client: what very many programs call models through."""

import asyncio
import os

# Without it the package fetches a price list from the network when it is imported.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm

BASE = os.environ["OPENAI_BASE_URL"]
KEY = os.environ["OPENAI_API_KEY"]
ROOT = os.environ["ANTHROPIC_BASE_URL"]
HELLO = [{"role": "user", "content": "Hello world"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
litellm.suppress_debug_info = True


def ask(model="openai/mock/echo", messages=HELLO, **more):
    base = ROOT if model.startswith("anthropic/") else BASE
    return litellm.completion(model=model, messages=messages, api_base=base, api_key=KEY, num_retries=0, **more)


def check_whole(model) -> None:
    answer = ask(model)
    assert answer.choices[0].message.content == "Hello world", answer
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0


def check_stream(model) -> None:
    chunks = list(ask(model, stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "Hello world"
    assert [chunk.usage.total_tokens for chunk in chunks if getattr(chunk, "usage", None)], chunks


def check_tools(model) -> None:
    question = [{"role": "user", "content": "How is the weather?"}]
    [call] = ask(model, question, tools=[WEATHER]).choices[0].message.tool_calls
    assert (call.function.name, call.function.arguments.replace(" ", "")) == ("weather", '{"city":"Oslo"}')
    rebuilt = litellm.stream_chunk_builder(list(ask(model, question, tools=[WEATHER], stream=True)))
    [streamed] = rebuilt.choices[0].message.tool_calls
    assert (streamed.function.name, streamed.function.arguments.replace(" ", "")) == ("weather", '{"city":"Oslo"}')


def check_embeddings() -> None:
    answer = litellm.embedding("openai/mock/embed", ["one", "two"], api_base=BASE, api_key=KEY)
    assert [len(entry["embedding"]) > 100 for entry in answer.data] == [True, True]


def raised(kind, call):
    """The error that a call must raise."""
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


def check_errors() -> None:
    error = raised(litellm.NotFoundError, lambda: ask("openai/mock/ecko"))
    assert "mock/ecko" in str(error)
    raised(litellm.RateLimitError, lambda: ask("openai/mock/limited"))


async def check_async() -> None:
    answers = await asyncio.gather(
        *(
            litellm.acompletion(
                "openai/mock/echo",
                [{"role": "user", "content": f"caller {number}"}],
                api_base=BASE,
                api_key=KEY,
            )
            for number in range(20)
        )
    )
    assert [answer.choices[0].message.content for answer in answers] == [f"caller {number}" for number in range(20)]


for name in ("openai/mock/echo", "anthropic/mock/echo"):
    check_whole(name)
    check_stream(name)
for name in ("openai/mock/tools", "anthropic/mock/tools"):
    check_tools(name)
check_embeddings()
check_errors()
asyncio.run(check_async())
