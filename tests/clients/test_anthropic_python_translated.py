"""The official clients before a target of the other dialect: Anthropic's before chat, OpenAI's before messages."""

import json

import anthropic as sdk
import openai
import pytest
from anthropic import Anthropic
from openai import OpenAI

from gateway.testing import Received, Wire, completion, events, message, messages_event, messages_events
from gateway.testing.upstream import Script
from tests.clients.agents import EXPECTED, RESULTS, Model, anthropic_agent, openai_agent
from tests.clients.conftest import House
from tests.clients.scripts import error_event, failing, stalling, streaming
from tests.clients.scripts import saying as chatting
from tests.clients.test_anthropic_python import HELLO, THINKING, WHOLE_OR_STREAM, ask, saying


def answering(**choice) -> Script:
    """A whole completion of this one choice."""

    async def script(request: Received, wire: Wire) -> None:
        await wire.json(completion(choices=[{"index": 0, "logprobs": None, **choice}]))

    return script


# ---- agents


@WHOLE_OR_STREAM
@pytest.mark.parametrize("front", ["anthropic", "openai"])
@pytest.mark.parametrize("back", ["messages", "chat"])
def test_an_agents_loop_is_the_same_by_every_way(
    anthropic: Anthropic, client: OpenAI, house: House, front: str, back: str, stream: bool
):
    model = Model()
    house.script(model.messages if back == "messages" else model.chat)
    name = "claude/opus" if back == "messages" else "up/model"
    if front == "anthropic":
        transcript = anthropic_agent(anthropic, name, stream=stream)
    else:
        transcript = openai_agent(client, name, stream=stream)
    assert transcript == EXPECTED
    assert model.results == RESULTS
    assert {request.path for request in house.asked} == {
        "/v1/messages" if back == "messages" else "/v1/chat/completions"
    }


# ---- Anthropic's client, chat behind


@WHOLE_OR_STREAM
@pytest.mark.parametrize("model", ["up/model", "mock/echo"])
def test_text_and_usage(anthropic: Anthropic, house: House, model, stream):
    answer = ask(anthropic, model=model, stream=stream)
    assert answer.content[0].text == "Hello world"
    assert (answer.type, answer.role, answer.stop_reason) == ("message", "assistant", "end_turn")
    assert answer.id.startswith("msg_")
    assert answer.usage.input_tokens == 7 or model == "mock/echo"
    assert answer.usage.output_tokens


@WHOLE_OR_STREAM
def test_reasoning_is_thinking(anthropic: Anthropic, house: House, stream):
    deltas = [{"role": "assistant"}, {"reasoning_content": "Hm."}, {"content": "Yes."}]
    if stream:
        pieces = events(usage=False, done=False, finish=None)
        pieces = [
            *(pieces[0].replace(b'{"role": "assistant", "content": ""}', json.dumps(it).encode()) for it in deltas),
            *events("", usage=True)[2:],
        ]
        house.script(streaming(pieces))
    else:
        said = {"role": "assistant", "reasoning_content": "Hm.", "content": "Yes."}
        house.script(answering(message=said, finish_reason="stop"))
    answer = ask(anthropic, model="up/model", stream=stream)
    assert [block.type for block in answer.content] == ["thinking", "text"]
    assert (answer.content[0].thinking, answer.content[1].text) == ("Hm.", "Yes.")


def test_what_goes_to_a_chat_target(anthropic: Anthropic, house: House):
    house.script(chatting("Hello"))
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
    messages = [{"role": "user", "content": [image, {"type": "text", "text": "What?"}]}]
    tools = [{"name": "w", "description": "d", "input_schema": {"type": "object"}}]
    more = {"system": "Be brief.", "tools": tools, "tool_choice": {"type": "any"}, "stop_sequences": ["x"]}
    raw = anthropic.messages.with_raw_response.create(
        model="up/model", max_tokens=9, messages=messages, extra_body={"top_k": 3, "temperature": 0.5}, **more
    )
    assert raw.headers["x-gateway-dropped"] == "top_k"
    assert raw.headers["x-gateway-provider"] == "up"
    sent = house.asked[0].json
    assert sent["model"] == "model"
    assert sent["messages"][0]["role"] in ("system", "developer")
    assert sent["messages"][1]["content"][0]["image_url"]["url"] == "data:image/png;base64,aGk="
    assert sent["tools"][0]["function"]["name"] == "w"
    assert (sent["tool_choice"], sent["stop"], sent["temperature"]) == ("required", ["x"], 0.5)
    assert "anthropic-version" not in house.asked[0].headers


def test_a_count_is_an_estimate_that_learns(anthropic: Anthropic, house: House):
    long = [{"role": "user", "content": "word " * 400}]

    def counted() -> int:
        raw = anthropic.messages.with_raw_response.count_tokens(model="up/counted", messages=long)
        assert raw.headers["x-gateway-estimated"] == "true"
        return raw.parse().input_tokens

    first = counted()
    assert not house.asked
    assert 500 <= first <= 550
    usage = {"prompt_tokens": 1000, "completion_tokens": 1, "total_tokens": 1001}
    house.script(chatting("Hello", usage=usage))
    ask(anthropic, model="up/counted", messages=long)
    house.served.idle()
    assert 950 <= counted() <= 1050
    for wrong in ("nothing", "nowhere/model"):
        with pytest.raises(sdk.NotFoundError):
            anthropic.messages.count_tokens(model=wrong, messages=long)


@WHOLE_OR_STREAM
@pytest.mark.parametrize(
    ("status", "kind", "type_"),
    [
        (400, sdk.BadRequestError, "invalid_request_error"),
        (404, sdk.NotFoundError, "not_found_error"),
        (429, sdk.RateLimitError, "rate_limit_error"),
        (500, sdk.InternalServerError, "api_error"),
        (503, sdk.OverloadedError, "overloaded_error"),
    ],
)
def test_a_chat_targets_errors(anthropic: Anthropic, house: House, status, kind, type_, stream):
    house.script(failing(status))
    with pytest.raises(kind) as caught:
        ask(anthropic, model="up/model", stream=stream)
    assert (caught.value.type, caught.value.api_message) == (type_, "scripted")


def test_a_chat_target_that_breaks(anthropic: Anthropic, house: House):
    begun = events("Hello", usage=False, done=False, finish=None)
    for pieces in ([*begun, error_event(code="rate_limit_exceeded")], begun):
        house.script(streaming(pieces))
        with anthropic.messages.stream(model="up/model", max_tokens=9, messages=HELLO) as stream:
            texts = stream.text_stream
            assert next(texts) == "Hello"
            with pytest.raises(sdk.APIStatusError) as caught:
                next(texts)
        assert caught.value.type == ("api_error" if pieces is begun else "rate_limit_error")


def test_leaving_a_chat_target(anthropic: Anthropic, house: House):
    house.script(stalling(*events("Hello", usage=False, done=False, finish=None)))
    with anthropic.messages.stream(model="up/model", max_tokens=9, messages=HELLO) as stream:
        assert next(iter(stream.text_stream)) == "Hello"
    house.cancelled()


# ---- OpenAI's client, messages behind


@WHOLE_OR_STREAM
def test_chat_before_messages(client: OpenAI, house: House, stream):
    house.script(saying(THINKING, "Hello", " world", usage={"input_tokens": 7, "output_tokens": 3}))
    asked = {"model": "claude/claude-opus-4-5", "messages": HELLO, "stop": "x", "seed": 1}
    if stream:
        raw = client.chat.completions.with_raw_response.create(
            **asked, stream=True, stream_options={"include_usage": True}
        )
        chunks = list(raw.parse())
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        usage = chunks[-1].usage
    else:
        raw = client.chat.completions.with_raw_response.create(**asked)
        text, usage = raw.parse().choices[0].message.content, raw.parse().usage
    assert text == "Hello world"
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (7, 3, 10)
    assert raw.headers["x-gateway-dropped"] == "seed"
    sent = house.asked[0].json
    assert (sent["model"], sent["stop_sequences"]) == ("claude-opus-4-5", ["x"])
    assert sent["max_tokens"] >= 4096
    assert house.asked[0].headers["anthropic-version"] == "2023-06-01"


def test_usage_that_was_not_asked_for_is_not_shown(client: OpenAI, house: House):
    house.script(saying("Hello"))
    for chunk in client.chat.completions.create(model="claude/opus", messages=HELLO, stream=True):
        assert chunk.choices
        assert chunk.usage is None


def test_completions_before_messages(client: OpenAI, house: House):
    house.script(saying("Hello"))
    assert client.completions.create(model="claude/opus", prompt="Say it.").choices[0].text == "Hello"
    assert house.asked[0].path == "/v1/messages"


def test_what_messages_cannot_do_is_told(client: OpenAI, house: House):
    with pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(model="claude/opus", input="x")
    assert (caught.value.code, caught.value.param) == ("unsupported_surface", "model")
    assert not house.asked


@WHOLE_OR_STREAM
def test_errors_of_messages_in_openais_words(client: OpenAI, house: House, stream):
    async def overloaded(request: Received, wire: Wire) -> None:
        await wire.json({"type": "error", "error": {"type": "overloaded_error", "message": "Busy."}}, 529)

    house.script(overloaded)
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model="claude/opus", messages=HELLO, stream=stream)
    assert (caught.value.status_code, caught.value.type) == (503, "server_error")
    assert caught.value.body["message"] == "Busy."


@pytest.mark.parametrize("begun", [False, True])
def test_an_error_inside_a_stream_of_messages(client: OpenAI, house: House, begun):
    async def script(request: Received, wire: Wire) -> None:
        error = messages_event("error", error={"type": "overloaded_error", "message": "Busy."})
        await wire.stream([*messages_events("Hello" if begun else "", done=False), error])

    house.script(script)
    if not begun:
        with pytest.raises(openai.InternalServerError) as refused:
            client.chat.completions.create(model="claude/opus", messages=HELLO, stream=True)
        assert (refused.value.status_code, refused.value.type) == (503, "server_error")
        return
    chunks = client.chat.completions.create(model="claude/opus", messages=HELLO, stream=True)
    with pytest.raises(openai.APIError) as caught:
        list(chunks)
    assert (caught.value.message, caught.value.type, caught.value.code) == ("Busy.", "server_error", "overloaded")


@WHOLE_OR_STREAM
def test_a_message_that_was_cut_is_no_completion(client: OpenAI, house: House, stream):
    async def script(request: Received, wire: Wire) -> None:
        if stream:
            await wire.stream(messages_events("Hello")[:-1])
        else:
            await wire.json(json.dumps(message("Hello"))[:-1].encode())

    house.script(script)
    with pytest.raises(openai.APIError) as caught:
        list(client.chat.completions.create(model="claude/opus", messages=HELLO, stream=stream))
    assert "cut" in caught.value.message or "no message" in caught.value.message
