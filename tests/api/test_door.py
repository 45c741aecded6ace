"""What a client may send wrong, and what it is told."""

import json
import logging
from collections.abc import Iterator

import httpx
import pytest

from gateway.testing import Received, Wire
from tests.doors import USER, Doors, Raw, error_of, opened, parsed

PATH = "/v1/chat/completions"


@pytest.fixture(scope="module")
def _small() -> Iterator[Doors]:
    config = {
        "server": {"max_body": 1000, "body_timeout": "150ms"},
        "auth": {
            "keys": [
                {"name": "all", "key": "sk-all"},
                {"name": "some", "key": "sk-some", "models": ["mock/echo", "open-*"]},
            ]
        },
        "models": {"open-sesame": "mock/lorem", "secret-sesame": "mock/lorem"},
    }
    with opened(config) as doors:
        yield doors


@pytest.fixture
def small(_small: Doors) -> Iterator[Doors]:
    """A gateway with keys, short patience, and room for small bodies only."""
    yield _small
    _small.quiet()


def refusal(status: int, message: str, code: str | None, param: str | None = None) -> tuple[int, dict[str, object]]:
    return status, {"message": message, "type": "invalid_request_error", "param": param, "code": code}


def told(answer: httpx.Response) -> tuple[int, dict[str, object]]:
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"].startswith("req_")
    return answer.status_code, error_of(answer.content)


# ---- bodies


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", refusal(400, "The body is not valid JSON: Input data was truncated.", "invalid_json")),
        (b"{", refusal(400, "The body is not valid JSON: Input data was truncated.", "invalid_json")),
        (
            b'{"messages":[] ,}',
            refusal(
                400,
                "The body is not valid JSON: JSON is malformed: trailing comma in object (byte 16).",
                "invalid_json",
            ),
        ),
        (
            b'{"model":"up/m","messages":[{"role":"user","content":"\\ud83d"}]}',
            refusal(400, "The body is not valid JSON: a text holds half of a surrogate pair.", "invalid_json"),
        ),
        (b"[]", refusal(400, "Invalid body: Expected `object`, got `array`.", "invalid_type")),
        (b"null", refusal(400, "Invalid body: Expected `object`, got `null`.", "invalid_type")),
        (
            b'{"model":1,"messages":[]}',
            refusal(400, "Invalid body: Expected `str | null`, got `int`.", "invalid_type", "model"),
        ),
        (
            b'{"model":"up/m","messages":[],"stream":"yes"}',
            refusal(400, "Invalid body: Expected `bool | null`, got `str`.", "invalid_type", "stream"),
        ),
        (
            b'{"model":"up/m","messages":[],"stream":true,"stream_options":{"include_usage":1}}',
            refusal(
                400, "Invalid body: Expected `bool | null`, got `int`.", "invalid_type", "stream_options.include_usage"
            ),
        ),
        (
            b'{"model":"up/m"}',
            refusal(400, "Missing required parameter: 'messages'.", "missing_required_parameter", "messages"),
        ),
        (
            b'{"model":"up/m","messages":"Hello"}',
            refusal(400, "'messages' must be an array of messages.", "invalid_type", "messages"),
        ),
        (
            b'{"model":"up/m","messages":null}',
            refusal(400, "'messages' must be an array of messages.", "invalid_type", "messages"),
        ),
        (
            b'{"messages":[]}',
            refusal(
                400,
                "You must provide a 'model' parameter; GET /v1/models lists the models.",
                "missing_required_parameter",
                "model",
            ),
        ),
        (
            b'{"model":null,"messages":[]}',
            refusal(
                400,
                "You must provide a 'model' parameter; GET /v1/models lists the models.",
                "missing_required_parameter",
                "model",
            ),
        ),
    ],
)
def test_a_wrong_body_is_told_where_it_is_wrong(doors: Doors, body: bytes, expected: object) -> None:
    assert told(doors.post(body)) == expected
    assert not doors.upstream.received


@pytest.mark.parametrize("depth", [500, 100_000])
def test_a_deep_body_is_refused_or_passed_but_never_an_error_of_ours(doors: Doors, depth: int) -> None:
    body = b'{"model":"up/m","messages":[],"x":' + b"[" * depth + b"]" * depth + b"}"
    assert doors.post(body).status_code in (200, 400)


def test_a_body_larger_than_allowed_is_refused(small: Doors) -> None:
    answer = small.post(b"x" * 1001, authorization="Bearer sk-all")
    message = "The body is larger than the 1000 bytes that this gateway takes (server.max_body)."
    assert told(answer) == refusal(413, message, "request_too_large")
    assert answer.headers["connection"] == "close"


def test_a_body_as_large_as_allowed_is_taken(small: Doors) -> None:
    body = json.dumps({"model": "mock/echo", "messages": USER}).encode()
    assert small.post(body.ljust(1000), authorization="Bearer sk-all").status_code == 200


@pytest.mark.parametrize("headers", ["content-length: 5000", "transfer-encoding: chunked"])
def test_a_large_body_is_refused_before_its_end_and_the_connection_closed(small: Doors, headers: str) -> None:
    with small.raw() as client:
        client.send(f"POST {PATH} HTTP/1.1\r\nhost: x\r\n{headers}\r\n\r\n".encode())
        piece = b"x" * 700
        for _ in range(2):
            client.send(piece if "length" in headers else b"%x\r\n%s\r\n" % (len(piece), piece))
        answer = parsed(client.rest())  # … until it closes
    assert answer.status == 413
    assert answer.error["code"] == "request_too_large"
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("begun", [b"", b"{"])
@pytest.mark.parametrize("headers", ["content-length: 50", "transfer-encoding: chunked"])
def test_a_body_that_does_not_come_is_not_waited_for(small: Doors, begun: bytes, headers: str) -> None:
    with small.raw() as client:
        client.send(f"POST {PATH} HTTP/1.1\r\nhost: x\r\n{headers}\r\n\r\n".encode())
        if begun:
            client.send(begun if "length" in headers else b"1\r\n{\r\n")
        answer = parsed(client.rest())
    assert (answer.status, answer.error) == refusal(408, "The body did not arrive within 0.15 s.", "request_timeout")
    assert answer.headers["connection"] == "close"
    assert answer.headers["x-request-id"].startswith("req_")


def test_a_body_may_come_byte_by_byte(doors: Doors) -> None:
    body = json.dumps({"model": "up/m", "messages": USER}).encode()
    with doors.raw() as client:
        client.send(f"POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n".encode())
        for byte in body:
            client.send(bytes((byte,)))
        assert client.until(b"}]").startswith(b"HTTP/1.1 200")
    assert doors.last().json["model"] == "m"


def test_one_connection_serves_many_requests_also_sent_at_once(doors: Doors) -> None:
    body = json.dumps({"model": "mock/echo", "messages": USER}).encode()
    with doors.raw() as client:
        for _ in range(3):
            client.post(body)
        client.send(b"GET /health/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        assert client.rest().count(b"HTTP/1.1 200") == 4


def test_an_expected_continue_is_sent(doors: Doors) -> None:
    body = json.dumps({"model": "mock/echo", "messages": USER}).encode()
    with doors.raw() as client:
        client.send(
            f"POST {PATH} HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: {len(body)}\r\n\r\n".encode()
        )
        client.until(b"HTTP/1.1 100 Continue\r\n\r\n")
        client.send(body)
        client.until(b"HTTP/1.1 200")


def test_a_client_that_offers_http2_is_answered_in_http1(doors: Doors) -> None:
    body = json.dumps({"model": "mock/echo", "messages": USER}).encode()
    with doors.raw() as client:
        client.post(body, headers="connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMA\r\n")
        assert client.until(b"}").startswith(b"HTTP/1.1 200")


# ---- models


def test_an_unknown_model_and_one_not_allowed_are_the_same_answer(small: Doors) -> None:
    names = ("secret-sesame", "zecret-sezame", "up/m", "none/m", "zzz")
    answers = {}
    for name in names:
        answer = small.chat(name, headers={"authorization": "Bearer sk-some"})
        status, error = told(answer)
        assert (status, error["code"], error["param"]) == (404, "model_not_found", "model")
        assert not {name for name in answer.headers if name.startswith("x-gateway")}
        answers[name] = str(error["message"]).replace(repr(name), "NAME")
    near = answers.pop("secret-sesame")
    assert near == "The model NAME does not exist or this key may not use it. Did you mean 'open-sesame'?"
    unknown = "The model NAME does not exist or this key may not use it. GET /v1/models lists those it may use."
    assert set(answers.values()) == {unknown}


def test_near_names_come_from_what_the_key_may_use(small: Doors) -> None:
    some = small.chat("secre-sesame", headers={"authorization": "Bearer sk-some"}).json()["error"]["message"]
    every = small.chat("secre-sesame", headers={"authorization": "Bearer sk-all"}).json()["error"]["message"]
    assert "Did you mean 'open-sesame'?" in some
    assert "secret-sesame'" not in some
    assert "Did you mean 'secret-sesame' or 'open-sesame'?" in every


def test_an_unknown_model_of_the_mock_goes_by_the_name_that_was_asked_for(doors: Doors) -> None:
    error = doors.chat("mock/ecko").json()["error"]
    assert error["message"].startswith("The model 'mock/ecko' does not exist or this key may not use it. Did you mean ")


def test_a_name_of_megabytes_is_told_in_part_and_fast(doors: Doors) -> None:
    status, error = told(doors.chat("x" * 4_000_000))
    assert status == 404
    assert len(str(error["message"])) < 500


def test_a_provider_without_its_key_is_unavailable() -> None:
    config = {
        "providers": {"off": {"type": "openai", "api_key": "${NO_SUCH_KEY}"}},
        "models": {"named": "off/gpt"},
    }
    with opened(config) as doors:
        for name in ("named", "off/anything"):
            answer = doors.chat(name)
            why = "providers.off: switched off: set NO_SUCH_KEY"
            message = f"The model {name!r} cannot be served: {why}."
            assert answer.status_code == 503
            assert answer.headers["x-should-retry"] == "false"
            assert error_of(answer.content) == {
                "message": message,
                "type": "server_error",
                "param": "model",
                "code": "provider_not_configured",
            }
        assert not [m for m in doors.client.get("/v1/models").json()["data"] if m["owned_by"] == "off"]


def test_a_request_that_names_no_model_goes_to_the_first_provider_with_one() -> None:
    with opened(up={"model": "standard"}) as doors:
        body = b'{ "messages":[{"role":"user","content":"x"}], "n": 1.0 }'
        assert doors.post(body).headers["x-gateway-model"] == "standard"
        assert doors.last().body == b'{ "messages":[{"role":"user","content":"x"}], "n": 1.0 ,"model":"standard"}'


# ---- keys

NO_KEY = "No API key was sent. Send one as 'Authorization: Bearer KEY', or in 'x-api-key' or 'api-key'."
WRONG_KEY = "Incorrect API key provided. Check the key, and that it is one of this gateway's."


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({}, NO_KEY),
        ({"authorization": "sk-all"}, NO_KEY),
        ({"authorization": "Basic sk-all"}, NO_KEY),
        ({"authorization": "Bearer"}, NO_KEY),
        ({"authorization": "Bearer sk-wrong"}, WRONG_KEY),
        ({"x-api-key": "sk-wrong"}, WRONG_KEY),
        ({"api-key": "sk-wrong"}, WRONG_KEY),
        ({"authorization": "Bearer sk-wrong", "x-api-key": "sk-all"}, WRONG_KEY),
    ],
)
def test_without_one_of_our_keys_nobody_is_served(small: Doors, headers: dict[str, str], message: str) -> None:
    expected = refusal(401, message, "invalid_api_key")
    assert told(small.chat("mock/echo", headers=headers)) == expected
    assert told(small.client.get("/v1/models", headers=headers)) == expected
    assert told(small.client.get("/v1/models/mock/echo", headers=headers)) == expected


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer sk-some"},
        {"authorization": "bearer   sk-some"},
        {"x-api-key": "sk-some"},
        {"api-key": "sk-some"},
        {"api-key": "sk-wrong", "x-api-key": "sk-some"},
    ],
)
def test_a_key_may_stand_in_three_headers(small: Doors, headers: dict[str, str]) -> None:
    assert small.chat("mock/echo", headers=headers).status_code == 200


# ---- methods and paths


@pytest.mark.parametrize(
    ("method", "path"), [("GET", PATH), ("PUT", PATH), ("POST", "/v1/models"), ("DELETE", "/metrics")]
)
def test_another_method_is_told_which(doors: Doors, method: str, path: str) -> None:
    answer = doors.client.request(method, path)
    allowed = "POST" if path == PATH else "GET, HEAD"
    message = f"{method} is not allowed on {path}; use {allowed}."
    assert told(answer) == refusal(405, message, "method_not_allowed")
    assert answer.headers["allow"] == allowed


@pytest.mark.parametrize(
    "path", ["/nowhere", "/v1", "/v1/chat/completions/", "/v2/models", "/%00", "/v1/chat%2Fcompletions/x"]
)
def test_an_unknown_path_is_told_the_known_ones(doors: Doors, path: str) -> None:
    status, error = told(doors.client.get(path))
    assert (status, error["code"]) == (404, "unknown_url")
    assert "/v1/chat/completions, /v1/embeddings, " in str(error["message"])


# ---- what is not HTTP


def sent(doors: Doors, data: bytes) -> bytes:
    with doors.raw() as client:
        client.send(data)
        return client.rest()


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64,  # TLS
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"hello\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"G\xc3\x89T / HTTP/1.1\r\n\r\n",
        b"GET  HTTP/1.1\r\nhost: x\r\n\r\n",
        b"CONNECT host:80 HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /health/live HTTP/1.1\r\nhost : x\r\n\r\n",
        b"GET /health/live HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET /health/live HTTP/1.1\r\nx: a\x00b\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n123456",
        b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: 99999999999999999999999\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\nabc\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\ntransfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\n0\r\n\r\n",
    ],
)
def test_what_is_not_http_is_answered_or_closed(doors: Doors, data: bytes) -> None:
    came = sent(doors, data)
    if came:
        answer = parsed(came)
        assert 400 <= answer.status < 500
        assert answer.error["type"] == "invalid_request_error"
        assert answer.headers["x-request-id"].startswith("req_")
    assert doors.client.get("/health/live").status_code == 200


def test_a_head_without_end_is_refused(doors: Doors) -> None:
    with doors.raw() as client:
        try:
            client.send(b"GET /health/live HTTP/1.1\r\nhost: x\r\n" + b"x-pad: " + b"a" * 70_000)
        except ConnectionError:
            pass
        answer = parsed(client.rest())
    assert (answer.status, answer.error["code"]) == (431, "head_too_large")


def test_a_long_head_within_the_bound_is_taken(doors: Doors) -> None:
    assert doors.client.get("/health/live", headers={"x-pad": "a" * 50_000}).status_code == 200


# ---- headers


def test_every_answer_has_an_id_of_its_own(doors: Doors) -> None:
    paths = ["/health/live", "/health/ready", "/metrics", "/openapi.json", "/v1/models", "/v1/models/mock/echo", "/no"]
    answers = [doors.client.get(path) for path in paths]
    answers += [doors.chat(), doors.chat(stream=True), doors.chat("none"), doors.post(b"{"), doors.client.get(PATH)]
    ids = {answer.headers["x-request-id"] for answer in answers}
    assert len(ids) == len(answers)


def test_who_served_is_told(doors: Doors) -> None:
    for stream in (False, True):
        answer = doors.chat("named", stream=stream)
        assert answer.headers["x-gateway-provider"] == "up"
        assert answer.headers["x-gateway-model"] == "deep"
        assert answer.headers["x-gateway-attempts"] == "1"


def test_a_models_name_cannot_break_out_of_its_header(doors: Doors) -> None:
    answer = doors.chat("up/m\r\nset-cookie: a=b\r\n\r\n\u00e9")
    assert answer.headers["x-gateway-model"] == "m\\r\\nset-cookie: a=b\\r\\n\\r\\n\\xe9"
    assert "set-cookie" not in answer.headers


def test_of_the_upstreams_headers_only_a_few_go_on(doors: Doors) -> None:
    headers = {
        "set-cookie": "a=b",
        "x-ratelimit-remaining-requests": "1",
        "openai-organization": "ours",
        "x-request-id": "theirs",
        "openai-processing-ms": "12",
        "openai-version": "2020-10-01",
        "server": "theirs",
    }

    async def script(request: Received, wire: Wire) -> None:
        await wire.json(b'{"choices":[]}', headers=headers)

    doors.upstream.script = script
    answer = doors.chat()
    kept = {"openai-processing-ms", "openai-version"}
    ours = {"x-request-id", "x-gateway-provider", "x-gateway-model", "x-gateway-attempts"}
    assert set(answer.headers) == {"content-type", "content-length"} | kept | ours
    assert answer.headers["x-request-id"] != "theirs"


def test_of_the_callers_headers_only_a_few_go_on(doors: Doors) -> None:
    sent = {
        "authorization": "Bearer sk-mine",
        "x-api-key": "sk-mine",
        "api-key": "sk-mine",
        "cookie": "a=b",
        "openai-organization": "mine",
        "x-forwarded-for": "1.2.3.4",
        "x-stainless-lang": "python",
        "OpenAI-Beta": "assistants=v2",
        "traceparent": "00-1-2-01",
        "anthropic-version": "2023-06-01",
        "anthropic-beta": "x",
    }
    doors.chat(headers=sent)
    received = dict(doors.last().headers)
    assert received.pop("user-agent").startswith("llm-orchestration-gateway/")
    assert received.pop("host") == doors.upstream.url.removeprefix("http://").removesuffix("/v1")
    assert received.pop("content-length") == str(len(doors.last().body))
    assert received == {
        "authorization": "Bearer sk-upstream",
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "openai-beta": "assistants=v2",
        "traceparent": "00-1-2-01",
        "anthropic-version": "2023-06-01",
        "anthropic-beta": "x",
    }


def test_more_headers_go_on_by_setting() -> None:
    with opened({"server": {"forward_headers": ["X-Tenant"]}}) as doors:
        doors.chat(headers={"x-tenant": "t1"})
        assert doors.last().headers["x-tenant"] == "t1"


def test_no_browser_page_may_call_unless_said(doors: Doors) -> None:
    answer = doors.client.get("/v1/models", headers={"origin": "https://page.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]
    preflight = doors.client.options(
        PATH, headers={"origin": "https://page.example", "access-control-request-method": "POST"}
    )
    assert preflight.status_code == 405


def test_pages_that_are_named_may_call() -> None:
    origin = "https://page.example"
    with opened({"server": {"cors": {"origins": [origin]}}}) as doors:
        asked = {"origin": origin, "access-control-request-method": "POST"}
        asked["access-control-request-headers"] = "authorization,content-type"
        preflight = doors.client.options(PATH, headers=asked)
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == origin
        for answer in (doors.chat(headers={"origin": origin}), doors.chat("none", headers={"origin": origin})):
            assert answer.headers["access-control-allow-origin"] == origin
            assert "x-request-id" in answer.headers["access-control-expose-headers"]
        other = doors.chat(headers={"origin": "https://other.example"})
        assert "access-control-allow-origin" not in other.headers
        streamed = doors.chat(headers={"origin": origin}, stream=True)
        assert streamed.headers["access-control-allow-origin"] == origin
        assert streamed.text.startswith("data: {")
        assert streamed.text.endswith("data: [DONE]\n\n")


def test_what_fails_inside_the_gateway_is_logged_and_not_shown(
    doors: Doors, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(call: object) -> None:
        raise RuntimeError("sk-secret in a traceback")

    catalog = doors.served.gateway.catalog
    monkeypatch.setitem(catalog._handlers, "broken", broken)
    with caplog.at_level(logging.ERROR, "gateway"):
        answer = doors.chat("broken")
    assert answer.status_code == 500
    error = error_of(answer.content)
    assert error["message"] == (
        f"The gateway failed on this request; its log has more under {answer.headers['x-request-id']}."
    )
    assert (error["type"], error["code"]) == ("server_error", None)
    assert answer.headers["x-request-id"] in caplog.text


def test_raw_clients_are_closed_by_their_tests(doors: Doors) -> None:
    with Raw(doors.url) as client:
        client.send(b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n")
        client.until(b"live")
    doors.served.background.until(lambda: doors.served.connections <= 1)
