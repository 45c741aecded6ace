"""Anthropic's official Python client, unmodified, before an upstream that speaks messages: all passes as it came."""

import json

import anthropic as sdk
import pytest
from anthropic import Anthropic, AsyncAnthropic

from gateway.testing import Received, Wire, message, messages_event, messages_events
from gateway.testing.upstream import Script
from tests.clients.conftest import House

HELLO = [{"role": "user", "content": "Hello world"}]
WHOLE_OR_STREAM = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
THINKING = {"type": "thinking", "thinking": "Let me see.", "signature": "c2lnbmVk"}
TOOL = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Oslo", "days": [1, 2]}}
USAGE = {"input_tokens": 7, "cache_creation_input_tokens": 5, "cache_read_input_tokens": 11, "output_tokens": 3}


def saying(*blocks, **more) -> Script:
    async def script(request: Received, wire: Wire) -> None:
        if request.json.get("stream"):
            await wire.stream(messages_events(*blocks, **more))
        else:
            await wire.json(message(*blocks, **more))

    return script


def ask(client: Anthropic, *, stream=False, model="claude/opus", messages=HELLO, **more):
    """The whole message, as it comes or as the SDK puts it together."""
    if not stream:
        return client.messages.create(model=model, max_tokens=100, messages=messages, **more)
    with client.messages.stream(model=model, max_tokens=100, messages=messages, **more) as events:
        return events.get_final_message()


@WHOLE_OR_STREAM
def test_text_thinking_tools_and_usage(anthropic: Anthropic, house: House, stream):
    house.script(saying(THINKING, "It is", TOOL, stop_reason="tool_use", usage=USAGE))
    answer = ask(anthropic, stream=stream, thinking={"type": "enabled", "budget_tokens": 1024})
    assert [block.type for block in answer.content] == ["thinking", "text", "tool_use"]
    thinking, text, tool = answer.content
    assert (thinking.thinking, thinking.signature) == (THINKING["thinking"], THINKING["signature"])
    assert text.text == "It is"
    assert (tool.id, tool.name, tool.input) == ("toolu_1", "weather", TOOL["input"])
    assert answer.stop_reason == "tool_use"
    assert {name: getattr(answer.usage, name) for name in USAGE} == USAGE
    (received,) = house.asked
    assert received.path == "/v1/messages"
    assert received.headers["x-api-key"] == "sk-upstream"
    assert "authorization" not in received.headers
    assert received.json["thinking"] == {"type": "enabled", "budget_tokens": 1024}


def test_each_event(anthropic: Anthropic, house: House):
    house.script(saying("Hello", TOOL))
    events = list(anthropic.messages.create(model="claude/opus", max_tokens=9, messages=HELLO, stream=True))
    assert [event.type for event in events] == [
        "message_start",
        *["content_block_start", "content_block_delta", "content_block_stop"],
        *["content_block_start", "content_block_delta", "content_block_delta", "content_block_stop"],
        "message_delta",
        "message_stop",
    ]


async def test_the_asynchronous_client(aanthropic: AsyncAnthropic, house: House):
    house.script(saying("Hello", " world"))
    async with aanthropic.messages.stream(model="claude/opus", max_tokens=9, messages=HELLO) as stream:
        assert "".join([text async for text in stream.text_stream]) == "Hello world"


@WHOLE_OR_STREAM
def test_what_goes_up(anthropic: Anthropic, house: House, stream):
    house.script(saying("Hello"))
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
    messages = [
        {"role": "user", "content": [image, {"type": "text", "text": "?", "cache_control": {"type": "ephemeral"}}]},
        {"role": "assistant", "content": [THINKING, TOOL]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "rain"}]},
    ]
    tools = [{"name": "weather", "input_schema": {"type": "object"}}]
    choice = {"type": "auto", "disable_parallel_tool_use": True}
    more = {"system": [{"type": "text", "text": "S"}], "tools": tools, "tool_choice": choice}
    unknown = {"top_k": 3, "new": {"n": 1.5}}
    ask(anthropic, stream=stream, messages=messages, extra_body=unknown, **more)
    sent = house.asked[0].json
    assert sent.pop("stream", False) is stream
    assert sent == {"model": "opus", "max_tokens": 100, "messages": messages, **unknown, **more}


def test_betas(anthropic: Anthropic, house: House):
    house.script(saying("Hello"))
    anthropic.beta.messages.create(model="claude/opus", max_tokens=9, messages=HELLO, betas=["a-1", "b-2"])
    assert house.asked[0].headers["anthropic-beta"] == "a-1,b-2"
    assert house.asked[0].headers["anthropic-version"] == anthropic.default_headers["anthropic-version"]


def test_a_token_in_place_of_a_key(house: House):
    house.script(saying("Hello"))
    with Anthropic(base_url=house.served.url, auth_token=house.key, max_retries=0) as client:
        assert ask(client).content[0].text == "Hello"


def test_counting(anthropic: Anthropic, house: House):
    async def script(request: Received, wire: Wire) -> None:
        await wire.json({"input_tokens": 14})

    house.script(script)
    assert anthropic.messages.count_tokens(model="claude/opus", messages=HELLO).input_tokens == 14
    assert house.asked[0].path == "/v1/messages/count_tokens"


def test_models(anthropic: Anthropic, house: House):
    names = [model.id for model in anthropic.models.list()]
    with_pages = [model.id for model in anthropic.models.list(limit=2)]
    assert names == with_pages
    assert {"named", "nick", "up/model", "mock/echo"} <= set(names)
    shown = anthropic.models.retrieve("mock/echo")
    type(shown).model_validate(shown.model_dump(exclude_unset=True), strict=True)
    assert (shown.id, shown.type, shown.display_name) == ("mock/echo", "model", "mock/echo")
    assert shown.created_at.tzinfo is not None
    with Anthropic(base_url=house.served.url, api_key=house.narrow_key) as narrow:
        assert [model.id for model in narrow.models.list()] == ["mock/echo"]
        with pytest.raises(sdk.NotFoundError):
            narrow.models.retrieve("named")


def test_pages_before_a_model(anthropic: Anthropic):
    names = [model.id for model in anthropic.models.list(limit=1000)]
    page = anthropic.models.list(before_id=names[3], limit=2)
    assert [model.id for model in page.data] == names[1:3]
    assert page.has_more
    assert [model.id for model in page.get_next_page().data] == names[:1]
    for wrong in ({"limit": 0}, {"limit": 1001}, {"after_id": "nope"}):
        with pytest.raises(sdk.BadRequestError):
            anthropic.models.list(**wrong)


def test_an_error_behind_content_is_raised(anthropic: Anthropic, house: House):
    async def script(request: Received, wire: Wire) -> None:
        error = {"type": "overloaded_error", "message": "Overloaded"}
        await wire.stream([*messages_events("Hello", done=False), messages_event("error", error=error)])

    house.script(script)
    with anthropic.messages.stream(model="claude/opus", max_tokens=9, messages=HELLO) as stream:
        texts = stream.text_stream
        assert next(texts) == "Hello"
        with pytest.raises(sdk.APIStatusError) as caught:
            next(texts)
    assert caught.value.type == "overloaded_error"
    assert json.loads(json.dumps(caught.value.body))["error"]["message"] == "Overloaded"


def test_leaving_a_stream_cancels_the_call(anthropic: Anthropic, house: House):
    async def script(request: Received, wire: Wire) -> None:
        await wire.open()
        for piece in messages_events("Hello", done=False):
            await wire.chunk(piece)
        await wire.left()

    house.script(script)
    with anthropic.messages.stream(model="claude/opus", max_tokens=9, messages=HELLO) as stream:
        assert next(iter(stream.text_stream)) == "Hello"
    house.cancelled()
