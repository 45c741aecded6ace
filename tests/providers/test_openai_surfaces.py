"""The surfaces of an OpenAI-compatible server beside chat: their paths, their bytes, their errors."""

import json
from typing import Any

import httpx
import pytest

from gateway.config.problems import ConfigError
from gateway.testing import Received, Wire
from gateway.testing.upstream import Script
from tests.doors import Doors, error_of, events_of, opened

SURFACES = ["chat", "completions", "embeddings", "moderations"]
PATHS = {name: f"/v1/{name}" for name in SURFACES} | {"chat": "/v1/chat/completions"}
BODIES: dict[str, dict[str, Any]] = {
    "chat": {"messages": []},
    "completions": {"prompt": "Hello?"},
    "embeddings": {"input": "Hello?"},
    "moderations": {"input": "Hello?"},
}
ANSWERS: dict[str, bytes] = {
    "chat": b'{"choices":[{"index":0,"message":{"content":"x"}}],"n":1.00}',
    "completions": b'{ "choices" : [{"index":0,"text":"Hello."}],"n":1.00}',
    "embeddings": b'{ "data" : [{"index":0,"embedding":[1.00]}],"n":1.00}',
    "moderations": b'{ "results" : [{"flagged":false}],"n":1.00}',
}


def answering(document: Any, status: int = 200, **headers: str) -> Script:
    async def script(request: Received, wire: Wire) -> None:
        await wire.json(document, status, headers)

    return script


@pytest.fixture(scope="module")
def _all() -> Any:
    with opened({"models": {"named": "up/deep"}}, {"surfaces": SURFACES, "max_tokens": 9}) as doors:
        yield doors


@pytest.fixture
def doors(_all: Doors) -> Any:
    _all.upstream.received.clear()
    _all.upstream.left = 0
    yield _all
    _all.quiet()


def post(doors: Doors, surface: str, body: bytes | None = None, **more: Any) -> httpx.Response:
    content = json.dumps({"model": "up/m", **BODIES[surface], **more}).encode() if body is None else body
    return doors.client.post(PATHS[surface], content=content)


@pytest.mark.parametrize("surface", SURFACES)
def test_bytes_go_up_and_come_back_as_they_came(doors: Doors, surface: str) -> None:
    doors.upstream.script = answering(ANSWERS[surface], **{"openai-version": "2020"})
    own = json.dumps(BODIES[surface])[1:-1].encode()
    body = b'{ "model"  :  "named" ,"max_tokens":5, "x":1e400,"seed":1.00 ,%s}\n' % own
    answer = post(doors, surface, body)
    assert answer.status_code == 200
    assert answer.content == ANSWERS[surface]
    assert answer.headers["openai-version"] == "2020"
    assert answer.headers["x-gateway-provider"] == "up"
    assert answer.headers["x-gateway-model"] == "deep"
    assert doors.last().path == PATHS[surface]
    assert doors.last().body == body.replace(b'"named"', b'"deep"')
    assert doors.last().headers["authorization"] == "Bearer sk-upstream"


@pytest.mark.parametrize("surface", SURFACES)
def test_a_default_of_max_tokens_is_for_texts_alone(doors: Doors, surface: str) -> None:
    doors.upstream.script = answering(ANSWERS[surface])
    post(doors, surface)
    assert doors.last().json.get("max_tokens") == (9 if surface in ("chat", "completions") else None)


@pytest.mark.parametrize("surface", SURFACES)
def test_errors_keep_their_shape(doors: Doors, surface: str) -> None:
    error = {"message": "no", "type": "t", "param": "p", "code": "c"}
    for status, code in ((400, 400), (429, 429), (500, 500)):
        doors.upstream.script = answering({"error": error}, status, **{"retry-after": "3"})
        answer = post(doors, surface)
        assert (answer.status_code, error_of(answer.content)) == (code, error)
        assert answer.headers["retry-after"] == "3"
        assert answer.headers["x-gateway-provider"] == "up"
    doors.upstream.script = answering({"error": error}, 401)
    answer = post(doors, surface)
    assert (answer.status_code, error_of(answer.content)["code"]) == (502, "upstream_auth")


@pytest.mark.parametrize("surface", SURFACES)
def test_what_is_no_answer_of_the_surface_is_told(doors: Doors, surface: str) -> None:
    others = [
        answer for name, answer in ANSWERS.items() if name != surface and {name, surface} != {"chat", "completions"}
    ]
    for body in (b"{}", b"[]", b'{"data":1,"choices":{},"results":null}', ANSWERS[surface][:-5], *others):
        doors.upstream.script = answering(body)
        answer = post(doors, surface)
        assert (answer.status_code, error_of(answer.content)["code"]) == (502, "upstream_error"), body
    doors.upstream.script = answering({"error": {"message": "hot", "code": "rate_limit_exceeded"}})
    assert post(doors, surface).status_code == 429


@pytest.mark.parametrize("surface", ["embeddings", "moderations"])
def test_a_stream_is_no_answer_where_there_are_none(doors: Doors, surface: str) -> None:
    async def script(request: Received, wire: Wire) -> None:
        await wire.stream([b"data: [DONE]\n\n"])

    doors.upstream.script = script
    answer = post(doors, surface, stream=True)
    assert answer.status_code == 502
    assert "text/event-stream" in error_of(answer.content)["message"]


@pytest.mark.parametrize("surface", ["embeddings", "moderations"])
def test_a_client_that_leaves_cancels_the_call(doors: Doors, surface: str) -> None:
    async def script(request: Received, wire: Wire) -> None:
        await wire.left()

    doors.upstream.script = script
    with doors.raw() as client:
        client.post(json.dumps({"model": "up/m", **BODIES[surface]}).encode(), PATHS[surface])
        doors.upstream.background.until(lambda: doors.upstream.open == 1)
    doors.upstream.background.until(lambda: doors.upstream.left == 1)


# ---- completions


def text(*pieces: str, usage: bool = True) -> list[bytes]:
    def event(choices: list[Any], **more: Any) -> bytes:
        return (
            b"data: "
            + json.dumps({"id": "cmpl-1", "object": "text_completion", "choices": choices} | more).encode()
            + b"\n\n"
        )

    events = [event([{"index": 0, "text": piece, "logprobs": None, "finish_reason": None}]) for piece in pieces]
    events.append(event([{"index": 0, "text": "", "logprobs": None, "finish_reason": "stop"}]))
    if usage:
        events.append(event([], usage={"prompt_tokens": 7, "completion_tokens": 3}))
    return [*events, b"data: [DONE]\n\n"]


def streaming(*pieces: bytes) -> Script:
    async def script(request: Received, wire: Wire) -> None:
        await wire.stream(pieces)

    return script


def test_a_stream_of_completions_is_asked_for_its_usage_which_is_shown_to_those_who_asked(doors: Doors) -> None:
    doors.upstream.script = streaming(*text("Hello", "."))
    answer = post(doors, "completions", stream=True)
    assert answer.content == b"".join(text("Hello", ".", usage=False))
    assert doors.last().json["stream_options"] == {"include_usage": True}
    asked = post(doors, "completions", stream=True, stream_options={"include_usage": True})
    assert asked.content == b"".join(text("Hello", "."))


def test_an_answer_in_the_other_form_is_folded_or_unfolded(doors: Doors) -> None:
    doors.upstream.script = streaming(*text("Hello", "."))
    whole = post(doors, "completions").json()
    assert whole["choices"] == [{"text": "Hello.", "index": 0, "logprobs": None, "finish_reason": "stop"}]
    assert whole["usage"] == {"prompt_tokens": 7, "completion_tokens": 3}
    doors.upstream.script = answering(ANSWERS["completions"])
    first, last, done = events_of(post(doors, "completions", stream=True).content)
    assert (first["choices"][0]["text"], last["choices"][0]["finish_reason"], done) == ("Hello.", None, "[DONE]")


def test_an_error_before_the_first_text_has_its_status_and_one_after_it_is_an_event(doors: Doors) -> None:
    error = b'data: {"error":{"message":"hot","type":"requests","param":null,"code":"rate_limit_exceeded"}}\n\n'
    opening = b'data: {"choices":[{"index":0,"text":""}]}\n\n'
    doors.upstream.script = streaming(opening, error)
    answer = post(doors, "completions", stream=True)
    assert (answer.status_code, error_of(answer.content)["code"]) == (429, "rate_limit_exceeded")
    doors.upstream.script = streaming(text("Hello")[0], error)
    answer = post(doors, "completions", stream=True)
    assert answer.status_code == 200
    *_, last = events_of(answer.content)
    assert last["error"]["code"] == "rate_limit_exceeded"


def test_a_stream_that_is_cut_is_told(doors: Doors) -> None:
    doors.upstream.script = streaming(*text("Hello")[:1])
    *_, last = events_of(post(doors, "completions", stream=True).content)
    assert "[DONE]" in last["error"]["message"]


# ---- settings


@pytest.mark.parametrize("surface", SURFACES)
def test_a_surface_that_the_server_does_not_speak(surface: str) -> None:
    others = [name for name in SURFACES if name != surface]
    with opened(up={"surfaces": others}) as doors:
        if surface == "completions":
            return  # chat is spoken, and leads there
        answer = post(doors, surface)
        assert answer.status_code == 400
        error = error_of(answer.content)
        assert (error["code"], error["param"]) == ("unsupported_surface", "model")
        assert surface in error["message"]
        assert not doors.upstream.received


def test_servers_that_do_not_know_base64_are_asked_for_numbers() -> None:
    with opened(up={"embedding_base64": False, "embedding_batch": 2}) as doors:
        doors.upstream.script = answering(ANSWERS["embeddings"])
        answer = post(doors, "embeddings", encoding_format="base64")
        assert doors.last().json["encoding_format"] == "float"
        assert answer.json()["data"][0]["embedding"] == "AACAPw=="
        body = json.dumps({"model": "up/m", "input": 'Say "base64"', "x": 1.0}).encode()
        post(doors, "embeddings", body)
        assert json.loads(doors.last().body) == json.loads(body) | {"model": "m"}
        post(doors, "embeddings", encoding_format="base64", input=["a", "b", "c"])
        assert {received.json["encoding_format"] for received in doors.upstream.received[-2:]} == {"float"}


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"surfaces": []}, "surfaces: expected at least one of chat, completions, embeddings, moderations"),
        ({"surfaces": ["messages"]}, "messages"),
        ({"embedding_batch": 0}, "embedding_batch: expected 1 or more"),
    ],
)
def test_settings_that_cannot_be_are_told(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem), opened(up=settings):
        pass
