"""Whatever comes in: never a 500, never a hang, and errors in one shape."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.testing import Received, Wire, completion, events
from tests.doors import USER, Doors, error_of, events_of, opened, parsed

MODELS = ("mock/echo", "mock/lorem", "mock/tools", "up/m", "named")


@pytest.fixture(scope="module")
def swept() -> Iterator[Doors]:
    async def script(request: Received, wire: Wire) -> None:
        if b'"stream":true' in request.body.replace(b" ", b""):
            await wire.stream(events("Hello."))
        else:
            await wire.json(completion("Hello."))

    with opened({"server": {"max_body": "200KiB"}, "models": {"named": "up/deep"}}) as doors:
        doors.upstream.script = script
        yield doors


MEMBERS = {"/v1/embeddings": "data", "/v1/moderations": "results"}


def sound(doors: Doors, body: bytes, path: str = "/v1/chat/completions") -> httpx.Response:
    """Send a body; the answer must be one that a client can read."""
    answer = doors.client.post(path, content=body, headers={"content-type": "application/json"})
    assert answer.headers["x-request-id"]
    assert answer.status_code != 500, (body, answer.text)
    if answer.status_code != 200:
        assert 400 <= answer.status_code < 500, (body, answer.text)
        error_of(answer.content)
    elif answer.headers["content-type"] == "application/json":
        assert answer.json()[MEMBERS.get(path, "choices")] is not None
    else:
        *found, last = events_of(answer.content)
        if last != "[DONE]":
            error_of(json.dumps(last).encode())
        assert "[DONE]" not in found
    return answer


sweep = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=10**30, max_value=10**60)
    | st.floats()
    | st.text(max_size=20)
    | st.text(st.characters(categories=["Cs", "Lu"]), max_size=4)
)
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
FIELDS = "n max_tokens max_completion_tokens tools tool_choice response_format stop logprobs top_logprobs seed user"
messages = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["system", "user", "assistant", "tool", "developer", "x"]) | scalars},
        optional={"content": documents, "tool_calls": documents, "tool_call_id": scalars, "name": scalars},
    )
    | documents,
    max_size=4,
)
requests = st.fixed_dictionaries(
    {"model": st.sampled_from(MODELS)},
    optional={
        "messages": messages,
        "stream": st.booleans(),
        "stream_options": documents,
        **dict.fromkeys(FIELDS.split(), documents),
    },
)


@sweep
@given(document=documents)
def test_any_json(swept: Doors, document: Any) -> None:
    sound(swept, json.dumps(document).encode())


@sweep
@given(document=requests)
def test_requests_with_anything_in_their_fields(swept: Doors, document: Any) -> None:
    sound(swept, json.dumps(document).encode())


@sweep
@given(data=st.binary(max_size=300))
def test_any_bytes(swept: Doors, data: bytes) -> None:
    assert sound(swept, data).status_code == 400


VALID = json.dumps(
    {
        "model": "mock/echo",
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 1.0,
        "messages": [*USER, {"role": "assistant", "content": [{"type": "text", "text": "é😀"}]}],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
    }
).encode()


@sweep
@given(
    base=st.sampled_from([VALID, VALID.replace(b"mock/echo", b"up/m"), VALID.replace(b"true", b"false")]),
    cuts=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 12), st.binary(max_size=6)), min_size=1, max_size=4),
)
def test_a_valid_request_with_bytes_changed(swept: Doors, base: bytes, cuts: list[tuple[int, int, bytes]]) -> None:
    for place, gone, put in cuts:
        base = base[:place] + put + base[place + gone :]
    sound(swept, base)


def members(text: str) -> bytes:
    return b'{"model":"%s","messages":[{"role":"user","content":"x"}],' + text.encode() + b"}"


@pytest.mark.parametrize("model", [b"mock/echo", b"mock/tools", b"up/m"])
@pytest.mark.parametrize(
    "body",
    [
        members('"n":' + "9" * 5000),
        members('"n":1e999'),
        members('"max_tokens":-1'),
        members('"temperature":NaN'),
        members('"x":' + "[" * 50_000 + "]" * 50_000),
        members('"x":' + '{"a":' * 20_000 + "1" + "}" * 20_000),
        members('"x":"' + "\\ud83d" * 10 + '"'),
        members('"stream":true,"stream":false'),
        members('"stream":true,"stream_options":{"include_usage":true,"include_usage":false}'),
        members('"\\u006dodel":"up/m","stream":true'),
        members('"messages":[]'),
        members('"messages":[{"role":"user","content":"\\u0000"}]'),
        members('"messages":[' + ",".join(['{"role":"user","content":"x"}'] * 3000) + "]"),
        members('"x":"' + "x" * 150_000 + '"'),
        members('"' + "k" * 100_000 + '":1'),
        members(",".join(f'"k{n}":{n}' for n in range(10_000))),
        b'\xef\xbb\xbf{"model":"%s","messages":[]}',
        b'{"model":"%s","messages":[]}\x00',
        b'{"model":"%s","messages":[{"role":"user","content":"\xff\xfe"}]}',
        '{"model":"%s","messages":[]}'.encode("utf-16"),
    ],
)
def test_bodies_that_are_known_to_hurt(swept: Doors, model: bytes, body: bytes) -> None:
    sound(swept, body.replace(b"%s", model))


@sweep
@given(
    data=st.binary(max_size=200)
    | st.builds(
        lambda line, headers, body: line + b"\r\n" + b"".join(headers) + b"\r\n" + body,
        st.sampled_from([b"POST /v1/chat/completions HTTP/1.1", b"GET / HTTP/1.0", b"GET /health/live HTTP/1.1"])
        | st.binary(max_size=30),
        st.lists(
            st.sampled_from(
                [
                    b"host: x\r\n",
                    b"content-length: 5\r\n",
                    b"content-length: 0\r\n",
                    b"content-length: +5\r\n",
                    b"transfer-encoding: chunked\r\n",
                    b"transfer-encoding:\tchunked \r\n",
                    b"connection: close\r\n",
                    b"connection: upgrade\r\n",
                    b"upgrade: websocket\r\n",
                    b"expect: 100-continue\r\n",
                    b" folded\r\n",
                    b"\xff: \xff\r\n",
                ]
            )
            | st.binary(max_size=20),
            max_size=5,
        ),
        st.binary(max_size=20) | st.just(b"5\r\nhello\r\n0\r\n\r\n"),
    )
)
def test_any_http(swept: Doors, data: bytes) -> None:
    with swept.raw() as client:
        try:
            client.send(data)
            client.socket.shutdown(1)  # no more comes: an answer or a close must
            came = client.rest()
        except ConnectionError:
            came = b""
    if came.startswith(b"HTTP/1.1 4") and came.count(b"HTTP/1.1") == 1:
        parsed(came)
    assert b"HTTP/1.1 500" not in came


def test_after_all_of_it_the_gateway_serves(swept: Doors) -> None:
    assert swept.chat("mock/echo").status_code == 200
    swept.quiet()
    swept.served.background.until(lambda: swept.served.connections <= 1)
