"""Anthropic's doors, as far as they themselves go: before a scripted upstream that speaks messages."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from gateway.testing import Received, Wire, message, messages_event, messages_events
from gateway.testing.upstream import Script
from tests.doors import USER, Doors, anthropic_error_of, named_events_of, opened

PATH = "/v1/messages"
COUNT = "/v1/messages/count_tokens"
UP = {"type": "anthropic", "models": ["m"]}
KEYS = {"keys": [{"name": "all", "key": "sk-all"}, {"name": "few", "key": "sk-few", "models": ["claude-*"]}]}


async def hello(request: Received, wire: Wire) -> None:
    if request.path.endswith("count_tokens"):
        await wire.json({"input_tokens": 14})
    elif request.json.get("stream"):
        await wire.stream(messages_events("Hello."))
    else:
        await wire.json(message("Hello."))


@pytest.fixture(scope="module")
def _anthropic() -> Iterator[Doors]:
    models = {"named": {"targets": [{"to": "up/m"}], "aliases": ["claude-fast"]}}
    with opened({"auth": KEYS, "models": models, "server": {"max_body": "64KiB"}}, UP) as doors:
        doors.client.headers["x-api-key"] = "sk-all"
        yield doors


@pytest.fixture
def doors(_anthropic: Doors) -> Iterator[Doors]:
    _anthropic.upstream.script = hello
    _anthropic.upstream.received.clear()
    _anthropic.upstream.left = 0
    yield _anthropic
    _anthropic.quiet()


def refused(answer: httpx.Response) -> tuple[int, str, str]:
    return anthropic_error_of(answer)


# ---- what comes in


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        (b"", "The body is not valid JSON: "),
        (b"[]", "body: Expected `object`, got `array`."),
        (b'{"model":"named","max_tokens":1}', "messages: field required."),
        (b'{"model":"named","max_tokens":1,"messages":null}', "messages: expected an array of messages."),
        (b'{"model":"named","max_tokens":1,"messages":"x"}', "messages: expected an array of messages."),
        (b'{"model":"named","messages":[]}', "max_tokens: field required."),
        (b'{"model":"named","messages":[],"max_tokens":null}', "max_tokens: field required."),
        (b'{"model":"named","messages":[],"max_tokens":0}', "max_tokens: expected at least 1."),
        (b'{"model":"named","messages":[],"max_tokens":"1"}', "max_tokens: Expected `int | null`, got `str`."),
        (b'{"model":5,"messages":[],"max_tokens":1}', "model: Expected `str | null`, got `int`."),
        (b'{"model":"named","messages":[],"max_tokens":1,"stream":1}', "stream: Expected `bool | null`, got `int`."),
        (b'{"messages":[],"max_tokens":1}', "You must provide a 'model' parameter"),
        (b'{"model":"\\ud83d","messages":[],"max_tokens":1}', "a text holds half of a surrogate pair"),
    ],
)
def test_what_is_wrong_with_a_body_is_told(doors: Doors, body: bytes, wrong: str) -> None:
    status, kind, text = refused(doors.post(body, PATH))
    assert (status, kind) == (400, "invalid_request_error")
    assert wrong in text
    if b"max_tokens" not in wrong.encode() and b'"stream":1' not in body:
        assert wrong in refused(doors.post(body, COUNT))[2]
    assert not doors.upstream.received


def test_what_is_no_concern_of_the_gateway_passes(doors: Doors) -> None:
    answer = doors.messages(
        "named", messages=[{"role": 1}, 2], system=3, tools="x", stream=None, metadata={"user_id": None}
    )
    assert answer.json()["content"][0]["text"] == "Hello."


def test_other_refusals_have_anthropics_shape_too(doors: Doors) -> None:
    assert refused(doors.messages(headers={"x-api-key": "nope"}))[:2] == (401, "authentication_error")
    for model in ("nope", "up/m"):
        status, kind, text = refused(doors.messages(model, headers={"x-api-key": "sk-few"}))
        assert (status, kind) == (404, "not_found_error")
        assert f"The model '{model}' does not exist" in text
    assert "Did you mean 'claude-fast'" in refused(doors.messages("claude-fas", headers={"x-api-key": "sk-few"}))[2]
    assert refused(doors.messages("named", system="x" * 70_000))[:2] == (413, "request_too_large")
    for path in (PATH, COUNT):
        wrong = doors.client.get(path)
        assert refused(wrong)[:2] == (405, "invalid_request_error")
        assert wrong.headers["allow"] == "POST"
    for path in ("/v1/messages/", "/v1/messages/batches"):
        assert refused(doors.client.post(path))[:2] == (404, "not_found_error")
    assert "error" in doors.client.post("/v1/messagesx").json()
    assert "type" not in doors.client.post("/v1/messagesx").json()


@pytest.mark.parametrize("key", [{"x-api-key": "sk-few"}, {"authorization": "Bearer sk-few", "x-api-key": ""}])
@pytest.mark.parametrize("path", [PATH, f"{PATH}?beta=true"])
def test_an_alias_both_kinds_of_key_and_a_query(doors: Doors, key: dict[str, str], path: str) -> None:
    body = json.dumps({"model": "claude-fast", "max_tokens": 1, "messages": USER}).encode()
    answer = doors.post(body, path, **key)
    assert answer.json()["content"][0]["text"] == "Hello."
    assert doors.last().json["model"] == "m"


def test_a_switched_off_provider_is_told() -> None:
    config = {"providers": {"anthropic": {"api_key": "${NOT_SET_ANYWHERE}"}}}
    with opened(config) as doors:
        status, kind, text = refused(doors.messages("anthropic/claude"))
        assert (status, kind) == (529, "overloaded_error")
        assert "set NOT_SET_ANYWHERE" in text


def test_somebody_is_there(doors: Doors) -> None:
    assert doors.client.head("/").status_code == doors.client.get("/").status_code == 200


def test_the_surfaces_calls_are_counted(doors: Doors) -> None:
    def counted() -> float:
        lines = doors.client.get("/metrics").text.splitlines()
        wanted = 'gateway_requests_total{model="named",outcome="ok",provider="up"}'
        return sum(float(line.split()[-1]) for line in lines if line.startswith(wanted))

    before = counted()
    doors.messages("named")
    doors.messages("named", stream=True)
    doors.quiet()
    assert counted() == before + 2


def test_what_another_dialect_cannot_carry_is_named_or_refused() -> None:
    up = {"type": "openai", "translation": "strict"}
    with opened(up=up) as doors:
        status, kind, text = refused(doors.messages("up/m", top_k=3))
        assert (status, kind) == (400, "invalid_request_error")
        assert "cannot carry top_k" in text
        assert not doors.upstream.received
        answer = doors.messages("up/m")
        assert (answer.status_code, answer.headers.get("x-gateway-dropped")) == (200, None)
        answer = doors.messages("mock/echo", top_k=3, stream=True)
        assert answer.headers["x-gateway-dropped"] == "top_k"


# ---- a count before a call


def test_an_anthropic_target_counts_itself(doors: Doors) -> None:
    answer = doors.client.post(COUNT, json={"model": "claude-fast", "messages": USER})
    assert answer.json() == {"input_tokens": 14}
    assert "x-gateway-estimated" not in answer.headers
    for model in ("nope", "up/m"):
        answer = doors.client.post(COUNT, json={"model": model, "messages": USER}, headers={"x-api-key": "sk-few"})
        assert refused(answer)[:2] == (404, "not_found_error")
    answer = doors.client.post(COUNT, json={"model": "named", "messages": USER}, headers={"x-api-key": "x"})
    assert refused(answer)[:2] == (401, "authentication_error")


# ---- a model that is silent


@pytest.fixture(scope="module")
def _holding() -> Iterator[Doors]:
    stream = {"hold": "60s", "hold_messages": "100ms", "ping": "50ms"}
    with opened({"server": {"stream": stream}}, UP) as doors:
        yield doors


@pytest.fixture
def holding(_holding: Doors) -> Iterator[Doors]:
    """A gateway that commits to a stream of messages after 100 ms and pings every 50."""
    yield _holding
    _holding.quiet()


def silent(*pieces: bytes, first: bytes = b"") -> tuple[Script, asyncio.Event]:
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


PING = b'event: ping\ndata: {"type": "ping"}\n\n'
STREAM = {"model": "up/m", "max_tokens": 9, "messages": USER, "stream": True}


def after_pings(doors: Doors, go: asyncio.Event, wanted: int = 3) -> list[tuple[str, Any]]:
    """Ask for a stream, wait for so many pings, let the upstream go on, and return what came after them."""
    with doors.client.stream("POST", PATH, json=STREAM) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert answer.headers["request-id"] == answer.headers["x-request-id"]
        assert "x-gateway-provider" not in answer.headers
        data = b""
        pieces = answer.iter_raw()
        while data.count(PING) < wanted:
            data += next(pieces)
        (_, start), *pings = named_events_of(data)
        assert pings == [("ping", {"type": "ping"})] * wanted
        expected = message(
            id=start["message"]["id"],
            model="up/m",
            stop_reason=None,
            usage={
                "input_tokens": 0,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0,
                "output_tokens": 0,
            },
        )
        assert start == {"type": "message_start", "message": expected}
        assert start["message"]["id"] == f"msg_{answer.headers['request-id'].removeprefix('req_')}"
        doors.upstream.background.call(go.set)
        return named_events_of(b"".join(pieces))


USAGE = {
    "input_tokens": 7,
    "cache_creation_input_tokens": 5,
    "cache_read_input_tokens": 11,
    "cache_creation": {"ephemeral_5m_input_tokens": 5},
    "output_tokens": 3,
}


@pytest.mark.parametrize("early", [0, 1, 2])
@pytest.mark.parametrize("joined", [False, True])
def test_a_silent_model_is_bridged_by_a_start_and_pings(holding: Doors, early: int, joined: bool) -> None:
    pieces = messages_events("Hel", "lo", usage=USAGE)
    rest = pieces[early:]
    holding.upstream.script, go = silent(*([b"".join(rest)] if joined else rest), first=b"".join(pieces[:early]))
    came = after_pings(holding, go)
    assert came[0] == ("ping", {"type": "ping"})  # the provider's own: what it sent stays
    assert came[1:-2] == named_events_of(b"".join(pieces[2:-2]))
    assert came[-2][1]["usage"] == {name: count for name, count in USAGE.items() if name != "cache_creation"}
    assert came[-1][0] == "message_stop"


def test_counts_that_the_end_tells_itself_stay(holding: Doors) -> None:
    *pieces, _, stop = messages_events("Hello", usage=USAGE)
    usage = b'{"output_tokens": 3, "input_tokens": 8.0, "cache_read_input_tokens": null, "more": 1.00}'
    source = b'{"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": %s}' % usage
    holding.upstream.script, go = silent(*pieces, b"event: message_delta\ndata: %s\n\n" % source, stop)
    came = after_pings(holding, go)
    shown = {"output_tokens": 3, "input_tokens": 8.0, "more": 1.0}
    assert came[-2][1]["usage"] == shown | {"cache_read_input_tokens": 11, "cache_creation_input_tokens": 5}


@pytest.mark.parametrize(
    ("piece", "kind"),
    [
        (
            messages_event("error", error={"type": "rate_limit_error", "message": "No."}),
            {"type": "rate_limit_error", "message": "No."},
        ),
        (b"", None),
    ],
)
def test_an_error_behind_pings_is_an_event(holding: Doors, piece: bytes, kind: dict[str, str] | None) -> None:
    holding.upstream.script, go = silent(*filter(None, (*messages_events(done=False), piece)))
    ((name, shown),) = after_pings(holding, go)
    assert name == shown["type"] == "error"
    assert kind is None or shown["error"] == kind
    assert shown["error"]["type"] in ("rate_limit_error", "api_error")


def test_a_refusal_behind_pings_is_an_event(holding: Doors) -> None:
    go = asyncio.Event()

    async def script(request: Received, wire: Wire) -> None:
        await go.wait()
        await wire.json({"type": "error", "error": {"type": "permission_error", "message": "No."}}, 403)

    holding.upstream.script = script
    ((name, shown),) = after_pings(holding, go)
    assert name == "error"
    assert shown["error"] == {"type": "permission_error", "message": "No."}


def test_a_whole_answer_behind_pings_comes_as_its_events(holding: Doors) -> None:
    go = asyncio.Event()

    async def script(request: Received, wire: Wire) -> None:
        await go.wait()
        await wire.json(message("Hello.", usage=USAGE))

    holding.upstream.script = script
    came = after_pings(holding, go)
    assert [name for name, _ in came] == [
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    usage = came[-2][1]["usage"]
    assert [usage[name] for name in ("input_tokens", "cache_read_input_tokens", "output_tokens")] == [7, 11, 3]


def test_a_silent_model_of_another_dialect_is_bridged_too() -> None:
    mock = {"type": "mock", "models": {"late": {"like": "echo", "first_token": "250ms"}}}
    stream = {"hold_messages": "50ms", "ping": "50ms"}
    with opened({"server": {"stream": stream}, "providers": {"mock": mock}}, {"model": "late"}) as doors:
        doors.upstream.script, go = silent()  # what names no model goes there
        with doors.client.stream("POST", PATH, json={**STREAM, "model": None}) as held:
            start = named_events_of(next(held.iter_raw()))[0][1]
            assert start["message"]["model"] == "up/late"
            doors.upstream.background.call(go.set)
        answer = doors.messages("mock/late", stream=True)
        (first, start), *rest = named_events_of(answer.content)
        kinds = [name for name, _ in rest if name != "ping"]
        assert first == "message_start"
        assert start["message"]["model"] == "mock/late"
        assert ("ping", {"type": "ping"}) in rest
        assert kinds[0] == "content_block_start"
        assert kinds[-2:] == ["message_delta", "message_stop"]
        assert "message_start" not in kinds
        assert dict(rest)["message_delta"]["usage"]["input_tokens"] > 0


def test_a_fast_answer_is_never_held(holding: Doors) -> None:
    holding.upstream.script = hello
    for _ in range(20):
        answer = holding.messages(stream=True)
        assert answer.content == b"".join(messages_events("Hello."))
        assert answer.headers["x-gateway-provider"] == "up"


# ---- clients that leave


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_before_the_head_cancels_the_call(doors: Doors, stream: bool) -> None:
    async def script(request: Received, wire: Wire) -> None:
        await wire.left()

    doors.upstream.script = script
    with doors.raw() as client:
        client.post(json.dumps({**STREAM, "stream": stream}).encode(), PATH, "x-api-key: sk-all\r\n")
        doors.upstream.background.until(lambda: doors.upstream.open == 1)
    doors.upstream.background.until(lambda: doors.upstream.left == 1)


def test_a_client_that_leaves_while_pinged_cancels_the_call(holding: Doors) -> None:
    async def script(request: Received, wire: Wire) -> None:
        await wire.open()
        await wire.chunk(messages_events()[0])
        await wire.left()

    holding.upstream.script = script
    left = holding.upstream.left
    with holding.raw() as client:
        client.post(json.dumps(STREAM).encode(), PATH)
        client.until(PING)
    holding.upstream.background.until(lambda: holding.upstream.left == left + 1)


def test_a_client_that_leaves_in_mid_stream_cancels_the_call(doors: Doors) -> None:
    async def script(request: Received, wire: Wire) -> None:
        await wire.open()
        for piece in messages_events("Hello", done=False):
            await wire.chunk(piece)
        await wire.left()

    doors.upstream.script = script
    with doors.raw() as client:
        client.post(json.dumps(STREAM).encode(), PATH, "x-api-key: sk-all\r\n")
        client.until(b"content_block_stop")
    doors.upstream.background.until(lambda: doors.upstream.left == 1)
