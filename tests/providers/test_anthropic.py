"""The way to Anthropic, and how its refusals and its broken answers come out at the door."""

import json
import logging
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest

from gateway.build import Gateway
from gateway.config.problems import ConfigError
from gateway.providers.anthropic import Anthropic, AnthropicSettings
from gateway.seam import Request
from gateway.testing import Received, Upstream, Wire, message, messages_call, messages_event, messages_events
from gateway.testing.upstream import Script
from tests.doors import USER, Doors, anthropic_error_of, named_events_of, opened

PATH = "/v1/messages"
TYPES = {"type": "anthropic"}


def answering(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Script:
    async def script(request: Received, wire: Wire) -> None:
        await wire.json(document, status, headers)

    return script


def streaming(*pieces: bytes) -> Script:
    async def script(request: Received, wire: Wire) -> None:
        await wire.stream(pieces)

    return script


@pytest.fixture(scope="module")
def _anthropic() -> Iterator[Doors]:
    with opened({"models": {"named": "up/deep"}}, TYPES) as doors:
        yield doors


@pytest.fixture
def doors(_anthropic: Doors) -> Iterator[Doors]:
    """A gateway before a scripted upstream that speaks messages."""
    _anthropic.upstream.script = answering(message("Hello."))
    _anthropic.upstream.received.clear()
    _anthropic.upstream.left = 0
    yield _anthropic
    _anthropic.quiet()


def refused(doors: Doors, script: Script) -> tuple[int, str, str]:
    """What a script comes to: the same whole and streamed."""
    doors.upstream.script = script
    answers = [doors.messages(), doors.messages(stream=True)]
    whole, streamed = (anthropic_error_of(answer) for answer in answers)
    assert whole == streamed
    assert all(answer.headers["x-gateway-provider"] == "up" for answer in answers)
    return whole


# ---- what goes up


def test_but_for_the_models_name_a_body_goes_up_as_it_came(doors: Doors) -> None:
    body = (
        b'\n{ "temperature" :1.00, "seed": 123456789012345678901234567890,\t"model"  :  "named" , "max_tokens" : 5,'
        b'"messages":[{"role":"user","content":"\\u00e9\\ud83d\\ude00 \\/ caf\xc3\xa9"}], "mcp_servers" : [],'
        b'"thinking":{"type":"enabled","budget_tokens":1024},"x":{"a":1,"a":2} ,"unknown":[ ], "stream":false}\n '
    )
    assert doors.post(body, PATH).status_code == 200
    assert doors.last().body == body.replace(b'"named"', b'"deep"')
    assert doors.last().path == PATH


@pytest.mark.parametrize("query", ["", "?beta=true"])
def test_headers_of_the_caller_that_go_on(doors: Doors, query: str) -> None:
    sent = {
        "anthropic-version": "2024-01-01",
        "anthropic-beta": "a-1,b-2",
        "traceparent": "00-1-2-01",
        "x-api-key": "sk-callers",
        "authorization": "Bearer sk-callers",
        "cookie": "c",
        "x-stainless-lang": "python",
    }
    doors.post(json.dumps({"model": "up/m", "max_tokens": 1, "messages": USER}).encode(), PATH + query, **sent)
    got = doors.last().headers
    assert {name: got.get(name) for name in sent} == {
        "anthropic-version": "2024-01-01",
        "anthropic-beta": "a-1,b-2",
        "traceparent": "00-1-2-01",
        "x-api-key": "sk-upstream",
        "authorization": None,
        "cookie": None,
        "x-stainless-lang": None,
    }


def test_a_caller_without_a_version_gets_the_default(doors: Doors) -> None:
    doors.post(json.dumps({"model": "up/m", "max_tokens": 1, "messages": USER}).encode(), PATH)
    assert doors.last().headers["anthropic-version"] == "2023-06-01"


@pytest.mark.parametrize("below", ["", "/v1", "/v1/", "/anthropic", "/anthropic/v1"])
def test_a_base_url_may_end_with_the_version_or_before_it(below: str) -> None:
    with opened() as other:
        root = other.upstream.url.removesuffix("/v1")
        up = {
            "base_url": root + below,
            "key_header": "Authorization",
            "headers": {"Anthropic-Version": "v", "X-More": "1"},
        }
        other.upstream.script = answering(message("Hello."))
        with opened(up={**TYPES, **up}) as doors:
            assert doors.client.post(PATH, json={"model": "up/m", "max_tokens": 1, "messages": USER}).status_code == 200
        received = other.last()
        assert received.path == below.rstrip("/").removesuffix("/v1") + "/v1/messages"
        wanted = {"authorization": "Bearer sk-upstream", "anthropic-version": "v", "x-more": "1"}
        assert {name: received.headers[name] for name in wanted} == wanted
        assert "x-api-key" not in received.headers


def test_settings_that_cannot_be_are_told() -> None:
    for settings, wrong in (
        ({"max_tokens": 0}, "expected max_tokens of at least 1, found 0"),
        ({"auth": "none"}, "anthropic.auth: unknown name"),
        ({"key_header": "a\nb", "api_key": "k"}, "a"),
        ({"base_url": "nowhere"}, "expected a URL that starts with http"),
        ({"headers": {"x": "a\nb"}}, "x"),
        ({"translation": "loose"}, "expected lenient or strict, found 'loose'"),
    ):
        with pytest.raises(ConfigError) as caught:
            Gateway.load({"providers": {"anthropic": {"api_key": "sk", **settings}}})
        assert wrong in str(caught.value)


def test_counting_passes_on(doors: Doors) -> None:
    doors.upstream.script = answering(b'{"input_tokens": 14, "new": 1.00}')
    body = b'{"model":"named","messages":[],"system" : "s"}'
    answer = doors.post(body, PATH + "/count_tokens?beta=true", **{"anthropic-beta": "b"})
    assert (answer.status_code, answer.content) == (200, b'{"input_tokens": 14, "new": 1.00}')
    assert "x-gateway-estimated" not in answer.headers
    assert doors.last().path == PATH + "/count_tokens"
    assert doors.last().body == body.replace(b"named", b"deep")
    assert doors.last().headers["anthropic-beta"] == "b"
    doors.upstream.script = answering({"type": "error", "error": {"type": "not_found_error", "message": "no"}}, 404)
    refusal = doors.post(body, PATH + "/count_tokens")
    assert anthropic_error_of(refusal) == (404, "not_found_error", "no")


def test_a_server_that_cannot_count_is_not_asked() -> None:
    with opened(up={**TYPES, "count_tokens": False}) as doors:
        answer = doors.post(b'{"model":"up/m","messages":[]}', PATH + "/count_tokens")
        assert (answer.status_code, answer.headers["x-gateway-estimated"]) == (200, "true")
        assert not doors.upstream.received


@pytest.mark.parametrize(("limit", "sent"), [(None, 64_000), (123, 123)])
def test_a_call_without_a_limit_gets_one(limit: int | None, sent: int) -> None:
    with opened(up={**TYPES, "max_tokens": limit}) as doors:
        doors.upstream.script = answering(message("Hello."))
        assert doors.chat("up/claude-opus-4-5").json()["choices"][0]["message"]["content"] == "Hello."
        assert doors.last().json["max_tokens"] == sent
        doors.chat("up/claude-opus-4-5", max_completion_tokens=5)
        assert doors.last().json["max_tokens"] == 5


@pytest.mark.parametrize(("limit", "sent"), [(None, 4096), (123, 123)])
async def test_a_call_of_a_plugin_without_a_limit_gets_one(limit: int | None, sent: int) -> None:
    with Upstream(answering(message("Hello."))) as upstream:
        provider = Anthropic(AnthropicSettings(base_url=upstream.url, max_tokens=limit))
        for body, wanted in ((b'{"a":1.00}', b'{"a":1.00,"max_tokens":%d}' % sent), (b'{"max_tokens": 7}', None)):
            call = messages_call()
            call.request = Request("messages", body)
            await (await provider(call)).whole()
            assert upstream.received[-1].body == (wanted or body)
        await provider.aclose()


def test_a_conversation_that_began_on_a_chat_model_goes_on(doors: Doors) -> None:
    """What a chat model thought comes back with a signature that Anthropic would refuse."""
    thought = {"role": "assistant", "reasoning_content": "Hm.", "content": "4"}
    with opened() as others:
        others.upstream.script = answering({"choices": [{"index": 0, "message": thought, "finish_reason": "stop"}]})
        content = others.messages("up/thinker").json()["content"]
    assert content[0] == {"type": "thinking", "thinking": "Hm.", "signature": "chat:thinker"}
    own = {"type": "thinking", "thinking": "Hm.", "signature": "EqQB"}
    turns = [*USER, {"role": "assistant", "content": content}, *USER, {"role": "assistant", "content": [own]}, *USER]
    for path, sent in ((PATH, {"max_tokens": 5}), (f"{PATH}/count_tokens", {})):
        doors.upstream.script = answering({**message("Hello."), "input_tokens": 9})
        answer = doors.post(json.dumps({"model": "named", "messages": turns, **sent}).encode(), path)
        assert (answer.status_code, answer.headers["x-gateway-dropped"]) == (200, "messages[1].content[0]")
        kept = [*turns[:1], {**turns[1], "content": content[1:]}, *turns[2:]]
        assert doors.last().json == {"model": "deep", "messages": kept, **sent}
    del content[0]
    assert "x-gateway-dropped" not in doors.messages("named", messages=turns).headers


@pytest.mark.parametrize(
    ("body", "lacking"),
    [
        (b'{"max_tokens":5,"messages":[]}', False),
        (b' {"model" : "m", "max_tokens"\n:\t5}', False),
        (b'{"messages":[{"max_tokens":1}],"max_tokens":5 , "stream":true } ', False),
        (b'{"messages":[],"max_tokens":5,"system":"{"}', False),
        (b'{"messages":[],"max_tokens":5,"tools":[{"max_tokens":null}]}', False),
        (b'{"max_tokens":null,"messages":[]}', True),
        (b'{"messages":[{"max_tokens":5}]}', True),
        (b'{"messages":[],"metadata":{"max_tokens":5}}', True),
        (b'{"metadata":{"max_tokens":5},"messages":[]}', True),
        (b'{"system":"\\"max_tokens\\":5","messages":[]}', True),
        (b'{"messages":[],"system":"\\"max_tokens\\":5"}', True),
        (b'{"system":"max_tokens","messages":[]}', True),
        (b'{"messages":[],"metadata":{"a":"max_tokens","b":5}}', True),
    ],
)
async def test_a_limit_is_found_wherever_it_stands(body: bytes, lacking: bool) -> None:
    with Upstream(answering(message("Hello."))) as upstream:
        provider = Anthropic(AnthropicSettings(base_url=upstream.url, max_tokens=77))
        call = messages_call()
        call.request = Request("messages", body)
        await (await provider(call)).whole()
        assert (b'"max_tokens":77' in upstream.received[-1].body) == lacking
        await provider.aclose()


# ---- what comes back


def test_a_whole_answer_passes_to_the_byte(doors: Doors) -> None:
    source = json.dumps(message("Hi", {"type": "new_block", "x": 1}), indent=1).encode() + b"\n"
    doors.upstream.script = answering(source, headers={"request-id": "theirs", "anthropic-ratelimit-x": "1"})
    answer = doors.messages()
    assert answer.content == source
    assert answer.headers["x-gateway-provider"] == "up"
    assert answer.headers["x-gateway-model"] == "m"
    assert answer.headers["request-id"] == answer.headers["x-request-id"] != "theirs"
    assert "anthropic-ratelimit-x" not in answer.headers


def test_a_stream_passes_to_the_byte(doors: Doors) -> None:
    pieces = messages_events("Hel", {"type": "server_tool_use", "id": "1", "input": {}}, stop_reason="new_reason")
    unknown = b'event: brand_new\ndata: {"type": "brand_new", "n": 1.00}\n\n'
    pieces.insert(3, unknown)
    doors.upstream.script = streaming(*pieces)
    answer = doors.messages(stream=True)
    assert answer.content == b"".join(pieces)
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"


def test_other_spellings_of_events_come_in_the_plain_form(doors: Doors) -> None:
    plain = b"".join(messages_events("Hi"))
    named = plain.replace(b"\n", b"\r\n")
    for sent in (
        named,
        plain.replace(b"event: ", b"id: 7\nevent:").replace(b"data: ", b"retry: 9\ndata:"),
        b"\n".join(line for line in plain.split(b"\n") if not line.startswith(b"event:")),
        plain.rstrip(b"\n"),
        plain + b"data: [DONE]\n\n",
        plain + plain,
    ):
        doors.upstream.script = streaming(sent)
        assert doors.messages(stream=True).content == plain


def test_a_stream_in_any_pieces(doors: Doors) -> None:
    whole = b"".join(messages_events("Hello", {"type": "tool_use", "id": "t", "name": "n", "input": {"a": [1]}}))
    for size in (1, 7, 64):
        doors.upstream.script = streaming(*(whole[at : at + size] for at in range(0, len(whole), size)))
        assert doors.messages(stream=True).content == whole


# ---- errors

OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "req_up"}


def error(kind: str, text: str = "told") -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": text}, "request_id": "req_upstream"}


@pytest.mark.parametrize(
    ("status", "kind", "shown"),
    [
        (400, "invalid_request_error", (400, "invalid_request_error")),
        (402, "billing_error", (402, "billing_error")),
        (403, "permission_error", (403, "permission_error")),
        (404, "not_found_error", (404, "not_found_error")),
        (409, "conflict_error", (409, "conflict_error")),
        (413, "request_too_large", (413, "request_too_large")),
        (429, "rate_limit_error", (429, "rate_limit_error")),
        (500, "api_error", (500, "api_error")),
        (503, "overloaded_error", (529, "overloaded_error")),
        (504, "timeout_error", (504, "timeout_error")),
        (529, "overloaded_error", (529, "overloaded_error")),
    ],
)
def test_errors_keep_their_status_and_words(doors: Doors, status: int, kind: str, shown: tuple[int, str]) -> None:
    assert refused(doors, answering(error(kind), status)) == (*shown, "told")


def test_what_programs_read_of_an_error_passes(doors: Doors) -> None:
    details = {"error_code": "image_dimensions_too_large", "limit": [1, 2]}
    sent = error("invalid_request_error")
    sent["error"]["details"] = details
    doors.upstream.script = answering(sent, 400)
    assert doors.messages().json()["error"] == {"type": "invalid_request_error", "message": "told", "details": details}


def test_our_key_refused_is_not_the_clients(doors: Doors, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "gateway"):
        script = answering(error("authentication_error", "invalid x-api-key sk-upstream"), 401)
        status, kind, text = refused(doors, script)
    assert (status, kind) == (502, "api_error")
    assert "refused the gateway's key" in text
    assert "sk-upstream" not in text + caplog.text


def test_what_helps_to_retry_is_kept(doors: Doors) -> None:
    doors.upstream.script = answering(error("rate_limit_error"), 429, {"retry-after": "7", "x-should-retry": "false"})
    answer = doors.messages()
    assert (answer.headers["retry-after"], answer.headers["x-should-retry"]) == ("7", "false")


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        ("overloaded_error", (529, "overloaded_error")),
        ("rate_limit_error", (429, "rate_limit_error")),
        ("invalid_request_error", (400, "invalid_request_error")),
        ("api_error", (502, "api_error")),
        ("authentication_error", (502, "api_error")),
    ],
)
def test_an_error_inside_a_200_before_content_has_its_status(doors: Doors, kind: str, shown: tuple[int, str]) -> None:
    start, ping, opening, *_ = messages_events("")
    doors.upstream.script = streaming(start, ping, opening, messages_event("error", **error(kind)))
    status, type_, text = anthropic_error_of(doors.messages(stream=True))
    assert (status, type_) == shown
    assert text == "told" or kind == "authentication_error"
    doors.upstream.script = answering(error(kind))
    assert anthropic_error_of(doors.messages())[:2] == shown


def test_an_error_after_content_is_an_error_event(doors: Doors) -> None:
    begun = messages_events("Hello", done=False)
    doors.upstream.script = streaming(*begun, messages_event("error", **OVERLOADED), messages_event("message_stop"))
    answer = doors.messages(stream=True)
    assert answer.status_code == 200
    assert answer.content.startswith(b"".join(begun))
    name, document = named_events_of(answer.content)[-1]
    assert (name, document["type"]) == ("error", "error")
    assert document["error"] == {"type": "overloaded_error", "message": "Overloaded"}
    assert document["request_id"] == answer.headers["request-id"]


@pytest.mark.parametrize("cut", [1, 3, 4, 5, 6])
def test_a_cut_stream_never_looks_whole(doors: Doors, cut: int) -> None:
    pieces = messages_events("Hello", "world")[:-cut]
    for script in (streaming(*pieces), streaming(*pieces, messages_events()[-1][:-30])):
        doors.upstream.script = script
        answer = doors.messages(stream=True)
        name, document = named_events_of(answer.content)[-1]
        assert (name, document["error"]["type"]) == ("error", "api_error")
        assert "without event: message_stop" in document["error"]["message"]
        assert b"message_stop\n" not in answer.content


def test_a_reset_before_and_after_content(doors: Doors) -> None:
    def broken(*pieces: bytes) -> Script:
        async def script(request: Received, wire: Wire) -> None:
            await wire.open()
            for piece in pieces:
                await wire.chunk(piece)
            wire.reset()

        return script

    start, *rest = messages_events("Hello", done=False)
    doors.upstream.script = broken(start)
    assert anthropic_error_of(doors.messages(stream=True))[:2] == (502, "api_error")
    doors.upstream.script = broken(start, *rest)
    answer = doors.messages(stream=True)
    assert answer.status_code == 200
    assert named_events_of(answer.content)[-1][0] == "error"


@pytest.mark.parametrize(
    ("body", "kind", "wrong"),
    [
        (b"", "application/json", "sent what is no message"),
        (b"[]", "application/json", "sent what is no message"),
        (b'{"content":"x"}', "application/json", "no message: it has no content"),
        (b'{"choices":[]}', "application/json", "no message: it has no content"),
        (b'{"content":[]', "application/json", "sent what is no message"),
        (b"<html>", "text/html", "answered with text/html where JSON was asked for"),
    ],
)
def test_what_is_no_answer(doors: Doors, body: bytes, kind: str, wrong: str) -> None:
    status, type_, text = refused(doors, answering(body, headers={"content-type": kind}))
    assert (status, type_) == (502, "api_error")
    assert wrong in text


def test_the_words_of_the_end_may_stand_in_a_text(doors: Doors) -> None:
    pieces = messages_events('event: message_stop\n\ndata: {"type":"message_stop"} "error": {', "more")
    doors.upstream.script = streaming(b"".join(pieces))
    assert doors.messages(stream=True).content == b"".join(pieces)


def test_an_upstream_that_hangs_is_left_with_its_client(doors: Doors) -> None:
    async def script(request: Received, wire: Wire) -> None:
        await wire.open()
        for piece in messages_events("Hello", done=False):
            await wire.chunk(piece)
        await wire.left()

    doors.upstream.script = script
    with (
        httpx.Client(base_url=doors.url, trust_env=False) as client,
        client.stream("POST", PATH, json={"model": "up/m", "max_tokens": 9, "messages": USER, "stream": True}) as got,
    ):
        assert next(got.iter_bytes())
    doors.upstream.background.until(lambda: doors.upstream.left == 1)
