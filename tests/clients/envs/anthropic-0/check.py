"""The 0.x line of Anthropic's official client, on httpx, which sends its key as `x-api-key` and an older version."""

import asyncio

import anthropic

HELLO = [{"role": "user", "content": "Hello world"}]
WEATHER = {"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}


def raised(kind, call):
    """The error that a call must raise."""
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


def check_whole(client: anthropic.Anthropic) -> None:
    message = client.messages.create(model="mock/echo", max_tokens=50, messages=HELLO, system="Be brief.", top_k=3)
    assert message.content[0].text == "Hello world"
    assert (message.role, message.type, message.stop_reason) == ("assistant", "message", "end_turn")
    assert message.usage.input_tokens > 0
    assert message._request_id.startswith("req_")
    raw = client.messages.with_raw_response.create(model="mock/echo", max_tokens=50, messages=HELLO, top_k=3)
    assert raw.headers["x-gateway-dropped"] == "top_k"


def check_streams(client: anthropic.Anthropic) -> None:
    with client.messages.stream(model="mock/echo", max_tokens=50, messages=HELLO) as stream:
        assert "".join(stream.text_stream) == "Hello world"
        assert stream.get_final_message().usage.output_tokens > 0
    kinds = [
        event.type for event in client.messages.create(model="mock/echo", max_tokens=50, messages=HELLO, stream=True)
    ]
    assert (kinds[0], kinds[-2:]) == ("message_start", ["message_delta", "message_stop"])


def check_tools(client: anthropic.Anthropic) -> None:
    messages = [{"role": "user", "content": "What is the weather?"}]
    ask = {"model": "mock/tools", "max_tokens": 99, "tools": [WEATHER]}
    asked = client.messages.create(messages=messages, **ask)
    assert asked.stop_reason == "tool_use"
    (use,) = [block for block in asked.content if block.type == "tool_use"]
    assert (use.name, use.input) == ("weather", {"city": "Oslo"})
    result = {"type": "tool_result", "tool_use_id": use.id, "content": "rain"}
    messages += [{"role": "assistant", "content": asked.content}, {"role": "user", "content": [result]}]
    with client.messages.stream(messages=messages, **ask) as stream:
        assert stream.get_final_message().stop_reason == "end_turn"


def check_errors(client: anthropic.Anthropic) -> None:
    def ask(model: str, **more):
        return lambda: client.messages.create(model=model, max_tokens=50, messages=HELLO, **more)

    error = raised(anthropic.NotFoundError, ask("nothing"))
    assert error.body["error"]["type"] == "not_found_error"
    assert error.request_id == error.body["request_id"]
    raised(anthropic.RateLimitError, ask("mock/limited"))
    assert raised(anthropic.APIStatusError, ask("mock/broken")).status_code == 529
    wrong = client.with_options(api_key="sk-wrong")
    raised(anthropic.AuthenticationError, lambda: wrong.models.list())
    with client.messages.stream(model="mock/cut", max_tokens=50, messages=HELLO) as stream:
        raised(anthropic.APIStatusError, stream.get_final_message)


def check_the_rest(client: anthropic.Anthropic) -> None:
    assert client.messages.count_tokens(model="mock/echo", messages=HELLO).input_tokens > 0
    names = [model.id for model in client.models.list(limit=3)]
    assert "nick" in names
    assert client.models.retrieve("mock/echo").display_name == "mock/echo"


async def check_asynchronous() -> None:
    async with (
        anthropic.AsyncAnthropic(max_retries=0) as client,
        client.messages.stream(model="mock/echo", max_tokens=50, messages=HELLO) as stream,
    ):
        assert "".join([text async for text in stream.text_stream]) == "Hello world"


with anthropic.Anthropic(max_retries=0) as client:
    check_whole(client)
    check_streams(client)
    check_tools(client)
    check_errors(client)
    check_the_rest(client)
asyncio.run(check_asynchronous())
