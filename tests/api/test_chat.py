"""Chat completions over the wire: what passes, and to the byte."""

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.testing import Received, Wire, events
from gateway.testing.upstream import Script
from tests.doors import USER, Doors, events_of, opened, parsed, text_of

ROLE, HEL, LO, FINISH, USAGE, DONE = events("Hel", "lo.")
WHOLE = (ROLE, HEL, LO, FINISH, USAGE, DONE)


def streaming(*pieces: bytes) -> Script:
    async def script(request: Received, wire: Wire) -> None:
        await wire.stream(pieces)

    return script


def counted(doors: Doors, model: str) -> int:
    """How many of that model's requests ended well, as the metrics tell."""
    total = 0.0
    for line in doors.client.get("/metrics").text.splitlines():
        if line.startswith("gateway_requests_total{") and f'model="{model}"' in line and 'outcome="ok"' in line:
            total += float(line.rpartition(" ")[2])
    return int(total)


# ---- whole


def test_a_whole_answer_passes_to_the_byte(doors: Doors) -> None:
    body = b'\n{"choices" : [{"index":0,"message":{"content":"\\u00e9"},"x":1.00}],"big":12345678901234567890123}\r\n'

    async def script(request: Received, wire: Wire) -> None:
        await wire.json(body)

    doors.upstream.script = script
    assert doors.chat().content == body


def test_stream_null_and_false_ask_for_a_whole_answer(doors: Doors) -> None:
    for stream in (None, False):
        assert doors.chat(stream=stream).json()["object"] == "chat.completion"


# ---- streams


@pytest.mark.parametrize("usage", [False, True])
@pytest.mark.parametrize("cut", [0, 1, 7, 4096])
def test_a_stream_passes_to_the_byte(doors: Doors, usage: bool, cut: int) -> None:
    data = b"".join(WHOLE)
    pieces = WHOLE if cut == 0 else [data[n : n + cut] for n in range(0, len(data), cut)]
    doors.upstream.script = streaming(*pieces)
    answer = doors.chat(stream=True, stream_options={"include_usage": usage})
    assert answer.content == (data if usage else data.replace(USAGE, b""))
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-accel-buffering"] == "no"
    assert "content-length" not in answer.headers


def test_usage_that_the_client_did_not_ask_for_is_counted_all_the_same(doors: Doors) -> None:
    seen = []
    catalog = doors.served.gateway.catalog
    original = catalog._handlers["named"]

    async def watched(call: Any) -> Any:
        call.on_end(lambda outcome: seen.append(outcome))
        return await original(call)

    catalog._handlers["named"] = watched
    try:
        doors.upstream.script = streaming(*WHOLE)
        for usage in (False, True):
            doors.chat("named", stream=True, stream_options={"include_usage": usage})
        doors.quiet()
    finally:
        catalog._handlers["named"] = original
    assert [(o.kind, o.usage.input, o.usage.output, o.estimated) for o in seen] == [("ok", 7, 3, False)] * 2


def test_usage_in_an_event_with_content_stays_there(doors: Doors) -> None:
    last = FINISH.replace(b'"object"', b'"usage": {"prompt_tokens": 7, "completion_tokens": 3}, "object"')
    doors.upstream.script = streaming(ROLE, HEL, last, DONE)
    assert doors.chat(stream=True).content == ROLE + HEL + last + DONE


def test_comments_pass_and_the_streams_own_fields_do_not(doors: Doors) -> None:
    doors.upstream.script = streaming(
        b": OPENROUTER PROCESSING\n\n",
        b"id: 1\nevent: message\nretry: 500\n" + ROLE,
        b"retry: 3000\n\n",
        b"id: 2\n\n",
        b"event: ping\n\n",
        HEL.removesuffix(b"\n") + b"id: 3\n\n",
        b": still here\n\n",
        LO.replace(b"data: ", b"data:"),
        DONE,
    )
    expected = b": OPENROUTER PROCESSING\n\n" + ROLE + HEL + b": still here\n\n" + LO + DONE
    assert doors.chat(stream=True).content == expected


@pytest.mark.parametrize("newline", [b"\r\n", b"\r"])
@pytest.mark.parametrize("cut", [0, 1])
def test_other_newlines_become_plain_ones(doors: Doors, newline: bytes, cut: int) -> None:
    data = b"\xef\xbb\xbf" + b"".join(WHOLE).replace(b"\n", newline)
    doors.upstream.script = streaming(*([bytes((byte,)) for byte in data] if cut else [data]))
    assert doors.chat(stream=True).content == b"".join(WHOLE).replace(USAGE, b"")


def test_what_stands_behind_the_end_mark_stays_away(doors: Doors) -> None:
    doors.upstream.script = streaming(*WHOLE, LO, b": more\n\n")
    assert doors.chat(stream=True).content == b"".join(WHOLE).replace(USAGE, b"")


def test_a_piece_is_passed_on_as_it_comes(doors: Doors) -> None:
    gates = [asyncio.Event() for _ in range(2)]

    async def script(request: Received, wire: Wire) -> None:
        await wire.open()
        await wire.chunk(ROLE + HEL)
        await gates[0].wait()
        await wire.chunk(LO[:20])
        await wire.chunk(LO[20:])
        await gates[1].wait()
        await wire.chunk(FINISH + DONE)
        await wire.end()

    doors.upstream.script = script
    body = {"model": "up/m", "messages": USER, "stream": True}
    with doors.client.stream("POST", "/v1/chat/completions", json=body) as answer:
        pieces = answer.iter_raw()
        assert next(pieces) == ROLE + HEL
        doors.upstream.background.call(gates[0].set)
        assert next(pieces) == LO
        doors.upstream.background.call(gates[1].set)
        assert b"".join(pieces) == FINISH + DONE


def test_a_stream_without_any_text_comes_with_its_end(doors: Doors) -> None:
    doors.upstream.script = streaming(ROLE, FINISH, USAGE, DONE)
    assert doors.chat(stream=True).content == ROLE + FINISH + DONE


def test_a_long_beginning_without_content_is_not_kept_for_ever(doors: Doors) -> None:
    go = asyncio.Event()
    comment = b": " + b"x" * 1000 + b"\n\n"

    async def script(request: Received, wire: Wire) -> None:
        await wire.open()
        for _ in range(70):
            await wire.chunk(comment)
        await go.wait()
        await wire.chunk(b"".join(WHOLE))
        await wire.end()

    doors.upstream.script = script
    body = {"model": "up/m", "messages": USER, "stream": True}
    with doors.client.stream("POST", "/v1/chat/completions", json=body) as answer:
        pieces = answer.iter_raw()
        assert next(pieces).startswith(comment)
        doors.upstream.background.call(go.set)
        assert b"".join(pieces).endswith(DONE)


@pytest.mark.parametrize(
    "delta",
    [
        {"tool_calls": [{"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}]},
        {"refusal": "No."},
        {"reasoning_content": "Hm."},
        {"reasoning": "Hm."},
        {"function_call": {"name": "f", "arguments": ""}},
        {"audio": {"id": "a", "data": "AAAA"}},
        {"content": [{"type": "text", "text": "Hm."}]},
    ],
)
def test_content_of_any_kind_begins_the_answer(doors: Doors, delta: dict[str, Any]) -> None:
    broken = b'data: {"error":{"message":"No."}}\n\n'
    first = b"data: " + json.dumps({"choices": [{"index": 0, "delta": delta}]}).encode() + b"\n\n"
    doors.upstream.script = streaming(ROLE, first, broken)
    answer = doors.chat(stream=True)
    assert answer.status_code == 200
    assert answer.content.startswith(ROLE + first)
    assert events_of(answer.content)[-1]["error"]["message"] == "No."


def test_an_http_1_0_client_gets_its_stream(doors: Doors) -> None:
    doors.upstream.script = streaming(*WHOLE)
    body = json.dumps({"model": "up/m", "messages": USER, "stream": True}).encode()
    with doors.raw() as client:
        client.send(b"POST /v1/chat/completions HTTP/1.0\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
        assert DONE in client.rest()


def test_the_metrics_count_each_request_once(doors: Doors) -> None:
    doors.upstream.script = streaming(*WHOLE)
    before = counted(doors, "named")
    doors.chat("named")
    doors.chat("named", stream=True)
    doors.quiet()
    assert counted(doors, "named") == before + 2


# ---- a model that is silent


@pytest.fixture(scope="module")
def _holding() -> Iterator[Doors]:
    stream = {"hold": "100ms", "ping": "50ms"}
    failures = [{"kind": "error_event", "status": 429, "after": 0}]
    mock = {"type": "mock", "models": {"late": {"first_token": "250ms"}, "fails": {"failures": failures}}}
    with opened({"server": {"stream": stream}, "providers": {"mock": mock}}) as doors:
        yield doors


@pytest.fixture
def holding(_holding: Doors) -> Iterator[Doors]:
    """A gateway that commits to a stream after 100 ms and pings every 50."""
    yield _holding
    _holding.quiet()


def silent(first: bytes, *pieces: bytes) -> tuple[Script, asyncio.Event]:
    go = asyncio.Event()

    async def script(request: Received, wire: Wire) -> None:
        await wire.open()
        if first:
            await wire.chunk(first)
        await go.wait()
        for piece in pieces:
            await wire.chunk(piece)
        await wire.end()

    return script, go


PING = b": ping\n\n"
STREAM = {"model": "up/m", "messages": USER, "stream": True}


def after_pings(doors: Doors, go: asyncio.Event, wanted: int = 3) -> bytes:
    """Ask for a stream, wait for so many pings, let the upstream go on, and return all that came."""
    with doors.client.stream("POST", "/v1/chat/completions", json=STREAM) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert answer.headers["x-request-id"].startswith("req_")
        assert "x-gateway-provider" not in answer.headers
        data = b""
        pieces = answer.iter_raw()
        while data.count(PING) < wanted:
            data += next(pieces)
        assert data == PING * wanted
        doors.upstream.background.call(go.set)
        return data + b"".join(pieces)


@pytest.mark.parametrize("first", [b"", ROLE])
def test_a_silent_model_is_bridged_by_pings(holding: Doors, first: bytes) -> None:
    holding.upstream.script, go = silent(first, *WHOLE[1 if first else 0 :])
    came = after_pings(holding, go)
    assert came.replace(PING, b"") == ROLE + HEL + LO + FINISH + DONE
    assert came.endswith(ROLE + HEL + LO + FINISH + DONE)  # no ping once the answer has begun


@pytest.mark.parametrize(
    ("piece", "code"),
    [
        (b'data: {"error":{"message":"No.","code":"rate_limit_exceeded"}}\n\n', "rate_limit_exceeded"),
        (b"", "upstream_error"),
    ],
)
def test_an_error_behind_pings_is_an_event_without_end_mark(holding: Doors, piece: bytes, code: str) -> None:
    holding.upstream.script, go = silent(ROLE, *([piece] if piece else []))
    (shown,) = events_of(after_pings(holding, go))
    assert shown["error"]["code"] == code
    assert list(shown["error"]) == ["message", "type", "param", "code"]


def test_a_refusal_behind_pings_is_an_event(holding: Doors) -> None:
    go = asyncio.Event()

    async def script(request: Received, wire: Wire) -> None:
        await go.wait()
        await wire.json({"error": {"message": "No.", "type": "x", "param": None, "code": "y"}}, 400)

    holding.upstream.script = script
    (shown,) = events_of(after_pings(holding, go))
    assert shown == {"error": {"message": "No.", "type": "x", "param": None, "code": "y"}}


def test_a_client_that_leaves_while_pinged_cancels_the_call(holding: Doors) -> None:
    async def script(request: Received, wire: Wire) -> None:
        await wire.left()

    holding.upstream.script = script
    left = holding.upstream.left
    with holding.raw() as client:
        client.post(json.dumps(STREAM).encode())
        client.until(PING)
    holding.upstream.background.until(lambda: holding.upstream.left == left + 1)


def test_a_fast_answer_is_never_held(holding: Doors) -> None:
    holding.upstream.script = streaming(*WHOLE)
    for _ in range(20):
        answer = holding.chat(stream=True)
        assert PING not in answer.content
        assert answer.headers["x-gateway-provider"] == "up"


def test_a_fast_error_keeps_its_status(holding: Doors) -> None:
    answer = holding.chat("mock/fails", stream=True)
    assert answer.status_code == 429


def test_the_mock_is_pinged_too(holding: Doors) -> None:
    content = holding.chat("mock/late", stream=True).content
    assert content.startswith(PING)
    assert text_of(content) == "Hello?"


def test_whole_answers_are_not_pinged(holding: Doors) -> None:
    answer = holding.chat("mock/late")
    assert answer.json()["choices"][0]["message"]["content"] == "Hello?"


def test_pings_come_as_often_as_is_said(holding: Doors) -> None:
    holding.upstream.script, go = silent(b"", *WHOLE)
    began = time.monotonic()
    after_pings(holding, go, wanted=5)
    assert time.monotonic() - began >= 0.1 + 4 * 0.05 - 0.01


# ---- the mock's failures, as a provider's


FAILURES = {
    "status": {"kind": "status", "status": 429, "retry_after": "2s"},
    "auth": {"kind": "status", "status": 403},
    "reset": {"kind": "reset"},
    "late-reset": {"kind": "reset", "after": 2},
    "truncate": {"kind": "truncate", "after": 2},
    "event": {"kind": "error_event", "status": 503},
    "late-event": {"kind": "error_event", "status": 503, "after": 2},
    "stall": {"kind": "stall"},
}


@pytest.fixture(scope="module")
def failing() -> Iterator[Doors]:
    models = {name: {"like": "lorem", "failures": [failure]} for name, failure in FAILURES.items()}
    timeout = {"first_token": "100ms", "total": "100ms"}
    config = {
        "providers": {"mock": {"type": "mock", "models": models}},
        "models": {"patient": {"targets": [{"to": "mock/stall"}], "timeout": timeout}},
    }
    with opened(config) as doors:
        yield doors


@pytest.mark.parametrize(
    ("model", "stream", "status"),
    [
        ("mock/status", False, 429),
        ("mock/status", True, 429),
        ("mock/auth", False, 403),
        ("mock/reset", False, 502),
        ("mock/reset", True, 502),
        ("mock/late-reset", False, 502),
        ("mock/event", True, 503),
        ("mock/truncate", False, 502),
        ("patient", False, 504),
        ("patient", True, 504),
    ],
)
def test_a_failure_of_the_mock_before_content_has_its_status(
    failing: Doors, model: str, stream: bool, status: int
) -> None:
    answer = failing.chat(model, stream=stream)
    assert answer.status_code == status
    assert list(answer.json()["error"]) == ["message", "type", "param", "code"]
    assert answer.headers["x-gateway-provider"] == "mock"
    assert answer.headers.get("retry-after") == ("2" if model == "mock/status" else None)
    failing.quiet()


@pytest.mark.parametrize("model", ["mock/late-reset", "mock/truncate", "mock/late-event"])
def test_a_failure_of_the_mock_after_content_is_an_event(failing: Doors, model: str) -> None:
    answer = failing.chat(model, stream=True)
    assert answer.status_code == 200
    *found, last = events_of(answer.content)
    assert list(last) == ["error"]
    assert text_of(answer.content)
    assert "[DONE]" not in found
    failing.quiet()


def test_an_answer_that_is_cut_off_is_not_complete(doors: Doors) -> None:
    doors.upstream.script = streaming(*WHOLE)
    with doors.raw() as client:
        client.post(json.dumps(STREAM).encode(), headers="connection: close\r\n")
        answer = parsed(client.rest())
    assert answer.complete
    assert answer.body.endswith(DONE)
