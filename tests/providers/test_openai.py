"""The way to an OpenAI-compatible server, and how its refusals and its broken answers come out at the door."""

import json
import logging
import socket
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from gateway.config.problems import ConfigError
from gateway.testing import Received, Wire, completion, events
from gateway.testing.upstream import Script
from tests.doors import Doors, error_of, events_of, opened, text_of


def answering(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Script:
    async def script(request: Received, wire: Wire) -> None:
        await wire.json(document, status, headers)

    return script


def streaming(*pieces: bytes) -> Script:
    async def script(request: Received, wire: Wire) -> None:
        await wire.stream(pieces)

    return script


def told(answer: httpx.Response, provider: str = "up") -> tuple[int, dict[str, Any]]:
    """The error of an answer that names the provider, which failed."""
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-gateway-provider"] == provider
    return answer.status_code, error_of(answer.content)


def failing(doors: Doors, script: Script) -> tuple[int, dict[str, Any]]:
    """The error that a script comes to: the same whole and streamed."""
    doors.upstream.script = script
    whole, streamed = told(doors.chat()), told(doors.chat(stream=True))
    assert whole == streamed
    return whole


# ---- what goes up


def test_but_for_the_models_name_a_body_goes_up_as_it_came(doors: Doors) -> None:
    body = (
        b'\n{ "temperature" :1.00, "seed": 123456789012345678901234567890,\t"model"  :  "named" , "x":1e400,'
        b'"messages":[{"role":"user","content":"\\u00e9\\ud83d\\ude00 \\/ caf\xc3\xa9","content":"b"}],'
        b'"x":{"a":1,"a":2} ,"unknown":[ ]}\n '
    )
    assert doors.post(body).status_code == 200
    assert doors.last().body == body.replace(b'"named"', b'"deep"')


def test_a_stream_is_asked_for_its_usage_and_nothing_else_is_touched(doors: Doors) -> None:
    doors.upstream.script = streaming(*events("Hello."))
    for options, sent in (
        (b"", b',"stream_options":{"include_usage":true}'),
        (b', "stream_options" : null', b', "stream_options" : {"include_usage":true}'),
        (b',"stream_options":{}', b',"stream_options":{"include_usage":true}'),
        (b',"stream_options":{ "include_usage" : false}', b',"stream_options":{"include_usage":true}'),
        (
            b',"stream_options":{"include_obfuscation":false}',
            b',"stream_options":{"include_obfuscation":false,"include_usage":true}',
        ),
        (b',"stream_options":{ "include_usage" : true, "n": 1.0}', None),
    ):
        body = b'{"stream": true,"messages":[],"model":"up/m"' + options + b',"seed":1.00}'
        if not options:
            body = b'{"stream": true,"messages":[],"seed":1.00,"model":"up/m"}'
        answer = doors.post(body)
        expected = body.replace(b'"up/m"', b'"m"')
        if not options:
            expected = expected[:-1] + sent + b"}"
        elif sent is not None:
            expected = expected.replace(options, sent)
        assert doors.last().body == expected
        usages = [event for event in events_of(answer.content)[:-1] if event.get("usage")]
        assert len(usages) == (0 if sent else 1)


def test_a_member_named_twice_is_set_twice(doors: Doors) -> None:
    doors.post(b'{"model":"mock/echo","messages":[],"model":"up/m"}')
    assert doors.last().body == b'{"model":"m","messages":[],"model":"m"}'


def test_whole_answers_are_not_asked_for_usage(doors: Doors) -> None:
    doors.post(b'{"model":"up/m","messages":[],"stream":false}')
    assert doors.last().body == b'{"model":"m","messages":[],"stream":false}'


def test_settings_of_the_server() -> None:
    up = {"organization": "org", "project": "proj", "headers": {"X-Extra": "1"}, "stream_usage": False, "max_tokens": 9}
    with opened(up=up) as doors:
        doors.upstream.script = streaming(*events("Hello.", usage=False))
        body = b'{"model":"up/m","messages":[],"stream":true}'
        assert text_of(doors.post(body).content) == "Hello."
        received = doors.last()
        assert received.body == b'{"model":"m","messages":[],"stream":true,"max_tokens":9}'
        sent = {name: received.headers[name] for name in ("openai-organization", "openai-project", "x-extra")}
        assert sent == {"openai-organization": "org", "openai-project": "proj", "x-extra": "1"}
        assert received.path == "/v1/chat/completions"
        for limit in ("max_tokens", "max_completion_tokens"):
            body = b'{"model":"up/m","messages":[],"%s":5}' % limit.encode()
            doors.post(body)
            assert doors.last().body == body.replace(b"up/m", b"m")
        doors.post(b'{"model":"up/m","messages":[],"max_tokens":null}')
        assert doors.last().body == b'{"model":"m","messages":[],"max_tokens":9}'


def test_a_server_without_a_key_gets_none() -> None:
    with opened() as doors:
        config = {"providers": {"open": {"type": "openai", "base_url": doors.upstream.url}}}
        with opened(config) as other:
            other.chat("open/m", headers={"authorization": "Bearer sk-mine"})
        assert "authorization" not in doors.last().headers


@pytest.mark.parametrize(
    "settings",
    [
        {"headers": {"content-length": "5"}},
        {"headers": {"x-a": "b\r\nc: d"}},
        {"api_key": "sk\r\nx: y"},
        {"base_url": "ftp://host"},
        {"bas_url": "http://host"},
    ],
)
def test_settings_that_cannot_be_are_told(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"^providers\.up"), opened(up=settings):
        pass


# ---- refusals

REFUSALS = [
    (400, "invalid_request_error", "messages", "invalid_value"),
    (400, "invalid_request_error", "messages", "context_length_exceeded"),
    (402, "billing_error", None, "payment_required"),
    (403, "permission_error", None, "country"),
    (404, "invalid_request_error", "model", "model_not_found"),
    (408, "timeout", None, None),
    (409, "conflict", None, None),
    (413, "invalid_request_error", None, "request_too_large"),
    (422, "unprocessable", "tools[0]", None),
    (429, "requests", None, "rate_limit_exceeded"),
    (429, "insufficient_quota", None, "insufficient_quota"),
    (500, "server_error", None, None),
    (502, "bad_gateway", None, None),
    (503, "service_unavailable", None, "overloaded"),
    (529, "overloaded_error", None, None),
]


@pytest.mark.parametrize(("status", "kind", "param", "code"), REFUSALS)
def test_a_refusal_keeps_what_it_says(
    doors: Doors, status: int, kind: str, param: str | None, code: str | None
) -> None:
    error = {"message": "No, because.", "type": kind, "param": param, "code": code}
    assert failing(doors, answering({"error": error}, status)) == (status, error)


def test_a_refusal_keeps_when_to_come_again_and_nothing_else(doors: Doors) -> None:
    headers = {
        "retry-after": "7",
        "retry-after-ms": "6500",
        "x-should-retry": "false",
        "set-cookie": "a=b",
        "x-ratelimit-reset-requests": "1s",
        "openai-organization": "ours",
    }
    doors.upstream.script = answering({"error": {"message": "Slow down."}}, 429, headers)
    answer = doors.chat()
    assert told(answer) == (429, {"message": "Slow down.", "type": "rate_limit_error", "param": None, "code": None})
    kept = {name: answer.headers[name] for name in ("retry-after", "retry-after-ms", "x-should-retry")}
    assert kept == {"retry-after": "7", "retry-after-ms": "6500", "x-should-retry": "false"}
    ours = {"content-type", "content-length", "x-gateway-provider", "x-gateway-attempts", "x-request-id"}
    assert set(answer.headers) - set(kept) == ours


def test_a_refusal_of_our_key_is_logged_and_never_shown(doors: Doors, caplog: pytest.LogCaptureFixture) -> None:
    refusal = {"error": {"message": "Incorrect API key provided: sk-upstream.", "code": "invalid_api_key"}}
    with caplog.at_level(logging.WARNING, "gateway"):
        status, error = failing(doors, answering(refusal, 401, {"www-authenticate": "sk-upstream"}))
    assert status == 502
    assert error == {
        "message": "127.0.0.1 refused the gateway's key. Tell whoever runs the gateway.",
        "type": "upstream_error",
        "param": None,
        "code": "upstream_auth",
    }
    assert "127.0.0.1 refused the key that is configured for it (status 401)" in caplog.text
    assert "sk-upstream" not in caplog.text


UNREAD = "127.0.0.1 answered with status 500 and no error that could be read."


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<html><body>Bad</body></html>", UNREAD),
        (b"", UNREAD),
        (b"{}", UNREAD),
        (b"[]", UNREAD),
        (b'"error"', UNREAD),
        (b"null", UNREAD),
        (b'{"error":', UNREAD),
        (b'{"error":null}', UNREAD),
        (b'{"error":{}}', UNREAD),
        (b'{"error":"No."}', "No."),
        (b'{"error":true,"message":"No."}', "true"),
        (b'{"message":"No."}', "No."),
        (b'{"object":"error","message":"No.","type":"Bad","param":null,"code":40}', "No."),
        (b'{"detail":"No."}', "No."),
        (b'{"detail":[{"loc":["body"],"msg":"No."}]}', '[{"loc":["body"],"msg":"No."}]'),
        (b'[{"error":{"code":500,"message":"No.","status":"INTERNAL"}}]', "No."),
        (b'{"error":{"message":{"a":1}}}', '{"a":1}'),
        (b'{"error":["No."]}', '["No."]'),
        (b'{"error":{"code":3}}', "127.0.0.1 answered with status 500."),
    ],
)
def test_refusals_in_other_shapes_are_read_as_far_as_may_be(doors: Doors, body: bytes, message: str) -> None:
    status, error = failing(doors, answering(body, 500))
    assert (status, error["message"]) == (500, message)


def test_a_code_that_is_a_number_becomes_a_string(doors: Doors) -> None:
    refusal = {"error": {"message": "No.", "type": 7, "param": False, "code": 429}}
    assert failing(doors, answering(refusal, 429)) == (
        429,
        {"message": "No.", "type": "7", "param": "false", "code": "429"},
    )


def test_a_huge_refusal_is_shown_in_part(doors: Doors) -> None:
    status, error = failing(doors, answering({"error": {"message": "x" * 5_000_000}}, 400))
    assert status == 400
    assert error["message"] == "x" * 8192 + "…"


def test_a_refusal_that_is_no_text_of_unicode_is_read(doors: Doors) -> None:
    status, error = failing(doors, answering(b'{"error":{"message":"\\ud83d \xff"}}', 400))
    assert status == 400
    assert error["message"]


@pytest.mark.parametrize("status", [201, 204, 301, 304])
def test_a_status_that_is_no_answer_to_a_model_call(doors: Doors, status: int) -> None:
    async def script(request: Received, wire: Wire) -> None:
        await wire.send(f"HTTP/1.1 {status} X\r\ncontent-length: 0\r\nlocation: /elsewhere\r\n\r\n".encode())

    found, error = failing(doors, script)
    assert found == 502
    assert error["message"] == f"127.0.0.1 answered with status {status}, which is no answer to a model call."


# ---- answers that are none


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        ({"message": "M", "type": "rate_limit_error", "code": "rate_limit_exceeded"}, 429, "rate_limit_exceeded"),
        ({"message": "M", "code": 503}, 503, "503"),
        ({"message": "M", "type": "invalid_request_error"}, 400, None),
        ({"message": "M"}, 502, None),
        ({"message": "M", "code": "invalid_api_key"}, 502, "upstream_auth"),
    ],
)
def test_an_error_with_status_200_is_one_all_the_same(
    doors: Doors, error: dict[str, Any], status: int, code: str | None
) -> None:
    found, shown = failing(doors, answering({"error": error}))
    assert (found, shown["code"]) == (status, code)
    assert (shown["message"] == "M") == (code != "upstream_auth")


def test_the_word_error_in_an_answer_is_no_error(doors: Doors) -> None:
    text = json.dumps({"error": {"message": "in a text"}})
    doors.upstream.script = answering(completion(text, error=None))
    assert doors.chat().json()["choices"][0]["message"]["content"] == text
    assert text_of(doors.chat(stream=True).content) == text


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "sent what is no completion"),
        (b"Hello.", "sent what is no completion"),
        (b'{"id":"x","choices":[{"index":0,"message":{"content":"Hel', "sent what is no completion"),
        (b'{"choices":[]}{"choices":[]}', "sent what is no completion"),
        (b"[]", "sent what is no completion"),
        (b"null", "sent what is no completion"),
        (b"{}", "it has no choices"),
        (b'{"error":null,"choices":null}', "it has no choices"),
        (b'{"choices":"x"}', "it has no choices"),
    ],
)
def test_what_is_no_completion_is_not_passed_on(doors: Doors, body: bytes, why: str) -> None:
    status, error = failing(doors, answering(body))
    assert (status, error["type"], error["code"]) == (502, "upstream_error", "upstream_error")
    assert why in error["message"]


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "text/plain", ""])
def test_what_is_not_json_is_not_passed_on(doors: Doors, kind: str) -> None:
    status, error = failing(doors, answering(b"<html>", 200, {"content-type": kind}))
    assert status == 502
    assert error["message"] == f"127.0.0.1 answered with {kind or 'no content-type'} where JSON was asked for."


def test_an_answer_that_ends_in_half_a_surrogate_pair_is_passed_on(doors: Doors) -> None:
    body = b'{"choices":[{"index":0,"message":{"content":"cut \\ud83d"},"finish_reason":"length"}]}'
    doors.upstream.script = answering(body)
    assert doors.chat().content == body


def test_content_types_are_read_in_any_case(doors: Doors) -> None:
    doors.upstream.script = answering(b' {"choices":[]}', 200, {"content-type": "Application/JSON; charset=utf-8"})
    assert doors.chat().content == b' {"choices":[]}'


# ---- connections that fail


def test_a_server_that_refuses_the_connection() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = {"providers": {"down": {"type": "openai", "base_url": f"http://127.0.0.1:{port}/v1"}}}
    with opened(config) as doors:
        for stream in (False, True):
            status, error = told(doors.chat("down/m", stream=stream), "down")
            assert (status, error["code"]) == (502, "upstream_error")
            assert error["message"] == f"Connecting to 127.0.0.1:{port} failed: Connection refused."


def cut(head: bytes, reset: bool) -> Script:
    async def script(request: Received, wire: Wire) -> None:
        if head:
            await wire.send(head)
        wire.reset() if reset else wire.close()

    return script


@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"HTTP/1.1 20",
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n",
        b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{"choices"',
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n7\r\ndata: {\r\n",
        b"HTTP/1.1 500 Bad\r\ncontent-length: 50\r\n\r\n",
        b"NONSENSE\r\n\r\n",
    ],
)
def test_a_connection_that_breaks_before_content(doors: Doors, head: bytes, reset: bool) -> None:
    status, error = failing(doors, cut(head, reset))
    assert (status, error["type"], error["code"]) == (502, "upstream_error", "upstream_error")
    assert doors.upstream.url.removeprefix("http://").removesuffix("/v1") in error["message"]


# ---- forms that were not asked for


def test_an_option_whose_name_is_not_utf8_is_the_clients_error(doors: Doors) -> None:
    body = b'{"model":"named","stream":true,"stream_options":{"\x80":1},"messages":[{"role":"user","content":"x"}]}'
    answer = doors.post(body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_json")


def test_a_stream_that_was_not_asked_for_is_folded(doors: Doors) -> None:
    doors.upstream.script = streaming(*events("Hel", "lo."))
    answer = doors.chat()
    assert answer.headers["content-type"] == "application/json"
    document = answer.json()
    assert document["object"] == "chat.completion"
    assert document["choices"][0]["message"]["content"] == "Hello."
    assert document["choices"][0]["finish_reason"] == "stop"
    assert document["usage"] == {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}


@pytest.mark.parametrize("usage", [False, True])
def test_a_whole_answer_where_a_stream_was_asked_for_is_unfolded(doors: Doors, usage: bool) -> None:
    answer = doors.chat(stream=True, stream_options={"include_usage": usage})
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    *found, done = events_of(answer.content)
    assert done == "[DONE]"
    assert text_of(answer.content) == "Hello."
    assert found[0]["choices"][0]["delta"]["role"] == "assistant"
    assert [event["usage"] for event in found if event.get("usage")] == (
        [{"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}] if usage else []
    )


def test_a_stream_that_does_not_fold_is_an_error(doors: Doors) -> None:
    doors.upstream.script = streaming(b"data: [DONE]\n\n")
    status, error = told(doors.chat())
    assert (status, error["message"]) == (502, "The provider's answer is empty.")


def test_an_answer_may_be_compressed(doors: Doors) -> None:
    import gzip

    packed = gzip.compress(json.dumps(completion("Hello.")).encode())
    doors.upstream.script = answering(packed, 200, {"content-encoding": "gzip"})
    answer = doors.chat()
    assert answer.json() == completion("Hello.")
    assert "content-encoding" not in answer.headers


# ---- patience


def stalled(*pieces: bytes) -> Script:
    """Begins to stream, then says nothing more."""

    async def script(request: Received, wire: Wire) -> None:
        if pieces:
            await wire.open()
            for piece in pieces:
                await wire.chunk(piece)
        await wire.left()

    return script


ROLE, WORD = events("Hello", usage=False, done=False, finish=None)


@pytest.mark.parametrize(
    ("timeout", "stream", "pieces", "named"),
    [
        ({"first_token": "100ms"}, True, (), "timeout.first_token, the wait for a stream's first content"),
        ({"first_token": "100ms"}, True, (ROLE,), "timeout.first_token, the wait for a stream's first content"),
        ({"first_token": "100ms"}, True, (b": ping\n\n",), "timeout.first_token"),
        ({"total": "100ms"}, True, (ROLE,), "timeout.total, the wait for a stream's first content"),
        ({"total": "100ms"}, False, (), "timeout.total, the time for a whole answer"),
        ({"total": "100ms"}, False, (ROLE, WORD), "timeout.total, the time for a whole answer"),
        ({"first_byte": "100ms"}, False, (), "(first_byte)"),
        ({"idle": "100ms"}, True, (ROLE,), "(idle)"),
        ({"idle": "100ms"}, False, (ROLE, WORD), "(idle)"),
    ],
)
def test_what_takes_too_long_is_told_by_name(
    timeout: dict[str, str], stream: bool, pieces: tuple[bytes, ...], named: str
) -> None:
    with opened({"models": {"slow": {"targets": [{"to": "up/m"}], "timeout": timeout}}}) as doors:
        doors.upstream.script = stalled(*pieces)
        status, error = told(doors.chat("slow", stream=stream))
        assert (status, error["type"], error["code"]) == (504, "upstream_error", "upstream_timeout")
        assert "0.1 s" in error["message"]
        assert named in error["message"]
        doors.quiet()
        assert doors.upstream.left == 1


def test_a_connection_that_takes_too_long_is_told_by_name() -> None:
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)  # a queue that is full answers no more: connecting then waits
        address = full.getsockname()
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(address)
        config = {
            "providers": {"full": {"type": "openai", "base_url": f"http://127.0.0.1:{address[1]}/v1"}},
            "models": {"slow": {"targets": [{"to": "full/m"}], "timeout": {"connect": "100ms"}}},
        }
        with opened(config) as doors:
            status, error = told(doors.chat("slow"), "full")
        assert (status, error["code"]) == (504, "upstream_timeout")
        assert error["message"] == f"Connecting to 127.0.0.1:{address[1]} took longer than 0.1 s (connect)."


def test_a_stream_that_falls_silent_after_content_ends_with_an_error_event() -> None:
    with opened({"models": {"slow": {"targets": [{"to": "up/m"}], "timeout": {"idle": "100ms"}}}}) as doors:
        doors.upstream.script = stalled(ROLE, WORD)
        answer = doors.chat("slow", stream=True)
        assert answer.status_code == 200
        assert answer.content.startswith(ROLE + WORD)
        found = events_of(answer.content)
        assert found[-1]["error"]["code"] == "upstream_timeout"
        assert "(idle)" in found[-1]["error"]["message"]


def test_a_stream_that_brings_content_is_not_cut_for_its_length() -> None:
    timeout = {"first_token": "200ms", "total": "200ms"}
    with opened(
        {
            "models": {"slow": {"targets": [{"to": "mock/slow"}], "timeout": timeout}},
            "providers": {"mock": {"type": "mock", "models": {"slow": {"like": "echo", "pace": "60ms"}}}},
        }
    ) as doors:
        answer = doors.client.post(
            "/v1/chat/completions",
            json={
                "model": "slow",
                "stream": True,
                "messages": [{"role": "user", "content": "one two three four five six seven"}],
            },
        )
        assert text_of(answer.content) == "one two three four five six seven"
        assert events_of(answer.content)[-1] == "[DONE]"
