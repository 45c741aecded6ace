"""The door to text completions: natively where the target speaks them, else on chat."""

import json
from typing import Any

import pytest

from gateway.testing import Received, Wire, events, messages_events
from tests.doors import Doors, error_of, events_of, opened


def post(doors: Doors, model: str = "mock/echo", prompt: Any = "Hello big world", **body: Any) -> Any:
    return doors.client.post("/v1/completions", json={"model": model, "prompt": prompt, **body})


def texts(body: bytes) -> list[str]:
    return [choice["text"] for event in events_of(body)[:-1] for choice in event["choices"]]


def test_on_a_model_that_chats(doors: Doors) -> None:
    answer = post(doors)
    assert answer.headers["x-gateway-provider"] == "mock"
    assert "x-gateway-dropped" not in answer.headers
    document = answer.json()
    assert document["object"] == "text_completion"
    assert document["choices"] == [{"text": "Hello big world", "index": 0, "logprobs": None, "finish_reason": "stop"}]
    assert document["usage"]["completion_tokens"] == 3


def test_streamed_on_a_model_that_chats(doors: Doors) -> None:
    answer = post(doors, stream=True)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert texts(answer.content) == ["Hello", " big", " world", ""]
    *came, last, done = events_of(answer.content)
    assert last["choices"][0]["finish_reason"] == "stop"
    assert done == "[DONE]"
    assert not any(event.get("usage") for event in came)
    *_, usage, done = events_of(post(doors, stream=True, stream_options={"include_usage": True}).content)
    assert usage["choices"] == []
    assert usage["usage"]["total_tokens"] > 0


def test_what_the_upstream_gets_and_gives(doors: Doors) -> None:
    answer = post(doors, "up/m", "Hi", temperature=0.5, max_tokens=None, stop=["x"], echo=True)
    assert doors.last().path == "/v1/chat/completions"
    message = {"role": "user", "content": "Hi"}
    assert doors.last().json == {
        "model": "m",
        "temperature": 0.5,
        "max_tokens": None,
        "stop": ["x"],
        "messages": [message],
    }
    assert answer.json()["choices"][0]["text"] == "HiHello."


def test_no_limit_of_16_tokens_is_added(doors: Doors) -> None:
    post(doors, "up/m", "Hi")
    assert "max_tokens" not in doors.last().json


def test_log_probabilities_and_an_echo(doors: Doors) -> None:
    choice = post(doors, logprobs=2).json()["choices"][0]
    assert "".join(choice["logprobs"]["tokens"]) == "Hello big world"
    assert choice["logprobs"]["text_offset"] == [0, 5, 9]
    assert len(choice["logprobs"]["top_logprobs"]) == 3
    assert post(doors, echo=True).json()["choices"][0]["text"] == "Hello big worldHello big world"
    streamed = post(doors, echo=True, stream=True, n=2)
    for index in (0, 1):
        found = [
            c["text"] for event in events_of(streamed.content)[:-1] for c in event["choices"] if c["index"] == index
        ]
        assert "".join(found) == "Hello big worldHello big world"


def test_what_is_dropped_is_named(doors: Doors) -> None:
    answer = post(doors, suffix="the end", best_of=3)
    assert answer.status_code == 200
    assert answer.headers["x-gateway-dropped"] == "suffix,best_of"


def test_strict_refuses_what_would_be_dropped() -> None:
    with opened(up={"translation": "strict"}) as doors:
        answer = post(doors, "up/m", suffix="the end")
        assert (answer.status_code, error_of(answer.content)["param"]) == (400, "suffix")
        assert not doors.upstream.received


@pytest.mark.parametrize("prompt", [["a", "b"], [1, 2], [[1]]])
def test_prompts_that_chat_cannot_take(doors: Doors, prompt: Any) -> None:
    answer = post(doors, "up/m", prompt)
    assert (answer.status_code, error_of(answer.content)["param"]) == (400, "prompt")
    assert not doors.upstream.received


def test_a_target_that_speaks_completions_gets_them_as_they_came() -> None:
    with opened(up={"surfaces": ["chat", "completions"]}) as doors:

        async def script(request: Received, wire: Wire) -> None:
            await wire.json(b'{"choices":[{"index":0,"text":"Hello.","x":1.00}]}')

        doors.upstream.script = script
        body = b'{"model":"up/m","prompt":["a","b"],"suffix":"c","x":1.00}'
        answer = doors.client.post("/v1/completions", content=body)
        assert answer.content == b'{"choices":[{"index":0,"text":"Hello.","x":1.00}]}'
        assert doors.last().path == "/v1/completions"
        assert doors.last().body == body.replace(b"up/m", b"m")


def test_errors_of_the_chat_are_told_in_the_words_of_this_door(doors: Doors) -> None:
    async def script(request: Received, wire: Wire) -> None:
        await wire.json({"error": {"message": "long", "type": "t", "param": "messages", "code": "c"}}, 400)

    doors.upstream.script = script
    for stream in (False, True):
        answer = post(doors, "up/m", stream=stream)
        assert (answer.status_code, error_of(answer.content)["param"]) == (400, "prompt")


def test_an_error_after_the_first_text_is_an_event_without_an_end_mark(doors: Doors) -> None:
    error = b'data: {"error":{"message":"hot","type":"requests","param":null,"code":"rate_limit_exceeded"}}\n\n'

    async def script(request: Received, wire: Wire) -> None:
        await wire.stream([*events("Hello", done=False, usage=False, finish=None), error])

    doors.upstream.script = script
    first, last = events_of(post(doors, "up/m", stream=True).content)
    assert first["choices"][0]["text"] == "Hello"
    assert last["error"]["code"] == "rate_limit_exceeded"


def test_an_error_before_the_first_text_has_its_status_with_an_echo_too(doors: Doors) -> None:
    error = b'data: {"error":{"message":"hot","type":"requests","param":null,"code":"rate_limit_exceeded"}}\n\n'

    async def script(request: Received, wire: Wire) -> None:
        await wire.stream([events()[0], error])

    doors.upstream.script = script
    assert post(doors, "up/m", stream=True, echo=True).status_code == 429


def test_a_client_that_leaves_cancels_the_call(doors: Doors) -> None:
    opening, word = events("Hello", usage=False, done=False, finish=None)

    async def script(request: Received, wire: Wire) -> None:
        await wire.open()
        await wire.chunk(opening + word)
        await wire.left()

    doors.upstream.script = script
    with doors.raw() as client:
        client.post(json.dumps({"model": "up/m", "prompt": "x", "stream": True}).encode(), "/v1/completions")
        client.until(b"Hello")
    doors.upstream.background.until(lambda: doors.upstream.left == 1)
    doors.quiet()
    with doors.raw() as client:
        client.post(json.dumps({"model": "mock/lorem", "prompt": "x", "stream": True}).encode(), "/v1/completions")
        client.until(b"text_completion")


def test_on_a_model_of_anthropics_by_way_of_chat(doors: Doors) -> None:
    async def script(request: Received, wire: Wire) -> None:
        assert request.json["messages"] == [{"role": "user", "content": "Hi"}]
        await wire.stream(messages_events("Hello."))

    doors.upstream.script = script
    config = {"providers": {"claude": {"type": "anthropic", "base_url": doors.upstream.url, "api_key": "k"}}}
    with opened(config) as other:
        answer = post(other, "claude/claude-haiku-4-5", "Hi", stream=True, suffix="x")
        assert "".join(texts(answer.content)) == "Hello."
        assert answer.headers["x-gateway-dropped"] == "suffix"


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({}, "prompt", "missing_required_parameter"),
        ({"prompt": None}, "prompt", "missing_required_parameter"),
        ({"prompt": 5}, "prompt", "invalid_type"),
        ({"prompt": []}, "prompt", "empty_array"),
        ({"prompt": "x", "stream": "yes"}, "stream", "invalid_type"),
        ({"prompt": "x", "stream_options": 5}, "stream_options", "invalid_type"),
    ],
)
def test_what_the_door_refuses(doors: Doors, body: Any, param: str, code: str) -> None:
    answer = doors.client.post("/v1/completions", json={"model": "up/m", **body})
    error = error_of(answer.content)
    assert (answer.status_code, error["param"], error["code"]) == (400, param, code)


def test_the_default_model_serves_completions_too() -> None:
    with opened({"models": {"named": "up/m"}}, {"model": "m"}) as doors:
        assert doors.client.post("/v1/completions", json={"prompt": "x"}).json()["choices"][0]["text"] == "Hello."
        assert doors.last().json["model"] == "m"
