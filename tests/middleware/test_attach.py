"""Retries that join the call which they repeat: the upstream is asked once, and nobody reads what is not theirs."""

import asyncio
import gc
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
import openai
import pytest
from openai import OpenAI

from gateway.build import Gateway
from gateway.config.attach import Attach as Settings
from gateway.middleware.attach import Attach
from gateway.seam import Call, Chunk, Handler, Inbound, InvalidRequest, Outcome, Reply, Shared, Size, owned
from gateway.testing import Background, Received, Wire, answer, chat_call, completion, events
from tests.doors import USER, Doors, events_of, hello, opened, text_of

KEYS = [
    {"name": "a", "key": "sk-a"},
    {"name": "b", "key": "sk-b"},
    {"name": "c", "key": "sk-c", "attach": True},
]
CONFIG: dict[str, Any] = {
    "auth": {"keys": KEYS},
    "models": {"kept": {"targets": [{"to": "up/m"}], "attach": True, "aliases": ["nick"]}},
    "attach": {"grace": "20s", "buffer": "64KiB"},
}
A, B, C = ({"authorization": f"Bearer sk-{name}"} for name in "abc")
RETRY = {"x-stainless-retry-count": "1"}


def named(name: str, caller: dict[str, str] = A) -> dict[str, str]:
    return {**caller, "idempotency-key": name}


class Gate:
    """A script that begins an answer, waits to be let on, and ends it; it counts nothing: `upstream.received` does."""

    def __init__(self, doors: Doors) -> None:
        self.background = doors.upstream.background
        self.open = self.background.call(asyncio.Event)
        self.begun = self.background.call(asyncio.Event)
        doors.upstream.script = self

    async def __call__(self, request: Received, wire: Wire) -> None:
        first, *rest = events("Hel", "lo.")[1:]
        if not request.json.get("stream"):
            await self.wait(wire)
            await wire.json(completion("Hello."))
            return
        await wire.open()
        await wire.chunk(first)
        await self.wait(wire)
        for event in rest:
            await wire.chunk(event)
        await wire.end()

    async def wait(self, wire: Wire) -> None:
        """Wait to be let on, or for the gateway to leave, which ends the script."""
        self.begun.set()
        create = asyncio.get_running_loop().create_task
        done, others = await asyncio.wait(
            {create(self.open.wait()), create(wire.left())}, return_when=asyncio.FIRST_COMPLETED
        )
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)  # else one may still read when the next request comes
        for task in done:
            task.result()

    def let(self) -> None:
        """Let all of them end."""
        self.background.call(self.open.set)


@pytest.fixture(scope="module")
def _attaching() -> Iterator[Doors]:
    with opened(CONFIG) as doors:
        yield doors
        gc.collect()
        assert not [thing for thing in gc.get_objects() if isinstance(thing, Reply | Shared)]


@pytest.fixture
def doors(_attaching: Doors) -> Iterator[Doors]:
    """A gateway of which nothing may be left but answers that wait for a retry."""
    _attaching.upstream.received.clear()
    _attaching.upstream.left = 0
    yield _attaching
    _attaching.quiet()
    part = attach_of(_attaching)
    _attaching.served.background.run(part.aclose())
    assert (part._found, part._alone, part._weight) == ({}, {}, 0)


def attach_of(doors: Doors) -> Attach:
    (part,) = (
        layer.component for layer in doors.served.gateway.rings["request"] if isinstance(layer.component, Attach)
    )
    return part


def body(**fields: Any) -> bytes:
    return json.dumps({"model": "up/m", "messages": USER, **fields}).encode()


def head_of(headers: dict[str, str]) -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items())


def leave(doors: Doors, gate: Gate, headers: dict[str, str], **fields: Any) -> None:
    """Ask, and leave while the answer is under way; returns when the gateway has seen it."""
    with doors.raw() as client:
        client.post(body(**fields), headers=head_of(headers))
        if fields.get("stream"):
            assert b"Hel" in client.until(b"Hel")
        doors.upstream.background.until(gate.begun.is_set)
    state = doors.served._server.server_state
    doors.served.background.until(lambda: not state.tasks)


def ask(doors: Doors, headers: dict[str, str], **fields: Any) -> httpx.Response:
    return doors.post(body(**fields), **headers)


STREAM = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


# ---- joining


@STREAM
@pytest.mark.parametrize(
    ("first", "second", "model"),
    [
        (named("x1"), named("x1"), "up/m"),
        (C, {**C, **RETRY}, "up/m"),
        (A, {**A, **RETRY}, "kept"),
        (A, {**A, **RETRY}, "nick"),
        (named("x1", C), named("x1", {**C, **RETRY}), "kept"),
    ],
    ids=["Idempotency-Key", "key", "model", "alias", "all"],
)
def test_a_retry_joins_the_call_that_still_runs(
    doors: Doors, first: dict[str, str], second: dict[str, str], model: str, stream: bool
) -> None:
    gate = Gate(doors)
    leave(doors, gate, first, stream=stream, model=model)
    assert doors.upstream.left == 0
    gate.let()
    joined = ask(doors, second, stream=stream, model=model)
    assert joined.status_code == 200
    assert joined.headers["x-gateway-attached"].startswith("req_")
    assert joined.headers["x-gateway-attached"] != joined.headers["x-request-id"]
    assert joined.headers["x-gateway-provider"] == "up"
    assert len(doors.upstream.received) == 1
    assert doors.upstream.left == 0
    fresh = ask(doors, B, stream=stream, model=model)  # what one who asks for the first time gets
    assert "x-gateway-attached" not in fresh.headers
    assert joined.content == fresh.content
    assert (text_of(joined.content) if stream else joined.json()["choices"][0]["message"]["content"]) == "Hello."


@STREAM
def test_a_retry_while_the_first_client_is_still_there(doors: Doors, stream: bool) -> None:
    """An Idempotency-Key needs nobody's leaving: both get all of it."""
    gate = Gate(doors)
    with doors.raw() as first, doors.raw() as second:
        for client in (first, second):
            client.post(body(stream=stream), headers=head_of(named("both")) + "connection: close\r\n")
        doors.upstream.background.until(gate.begun.is_set)
        gate.let()
        answers = [client.rest() for client in (first, second)]
    texts = [answer.partition(b"\r\n\r\n")[2] for answer in answers]
    assert texts[0] == texts[1]
    assert [b"x-gateway-attached" in answer for answer in answers].count(True) == 1
    assert len(doors.upstream.received) == 1


def test_one_leaves_and_the_other_reads_on(doors: Doors) -> None:
    gate = Gate(doors)
    with doors.raw() as stays:
        stays.post(body(stream=True), headers=head_of(named("stay")) + "connection: close\r\n")
        begun = stays.until(b"Hel")
        with doors.raw() as leaves:
            leaves.post(body(stream=True), headers=head_of(named("stay")))
            leaves.until(b"Hel")
        gate.let()
        assert b"[DONE]" in begun + stays.rest()
    assert len(doors.upstream.received) == 1
    assert doors.upstream.left == 0


@STREAM
def test_an_answer_that_is_complete_is_replayed(doors: Doors, stream: bool) -> None:
    gate = Gate(doors)
    gate.let()
    first, *others = (ask(doors, named("done"), stream=stream) for _ in range(3))
    assert [other.content for other in others] == [first.content] * 2
    assert "x-gateway-attached" not in first.headers
    assert {other.headers["x-gateway-attached"] for other in others} == {first.headers["x-request-id"]}
    assert len(doors.upstream.received) == 1


def test_what_ended_after_its_client_left_is_replayed(doors: Doors) -> None:
    gate = Gate(doors)
    leave(doors, gate, C, stream=True)
    gate.let()
    doors.quiet()  # it has ended, with nobody following
    assert text_of(ask(doors, {**C, **RETRY}, stream=True).content) == "Hello."
    assert len(doors.upstream.received) == 1


def test_usage_reaches_each_client_that_asks_for_it(doors: Doors) -> None:
    gate = Gate(doors)
    options = {"stream": True, "stream_options": {"include_usage": True}}
    leave(doors, gate, C, **options)
    gate.let()
    last = events_of(ask(doors, {**C, **RETRY}, **options).content)[-2]
    assert last["usage"]["total_tokens"] == 10


def test_what_is_translated_is_joined_as_well(doors: Doors) -> None:
    Gate(doors).let()
    ask = {"model": "up/m", "max_tokens": 9, "messages": USER, "stream": True}
    first, second = (doors.client.post("/v1/messages", json=ask, headers=named("claude")) for _ in range(2))
    assert b"message_stop" in first.content
    assert first.content == second.content
    assert "x-gateway-attached" in second.headers
    assert len(doors.upstream.received) == 1


# ---- not joining


@pytest.mark.parametrize(
    ("first", "second", "model"),
    [
        (A, {**A, **RETRY}, "up/m"),  # neither key nor model says attach
        (named("x"), {**A, **RETRY}, "kept"),  # without the name, named calls are not found
        (C, C, "up/m"),  # no retry, but the same question once more
        (C, {**C, "x-stainless-retry-count": "0"}, "up/m"),
        (C, {**A, **RETRY}, "kept"),  # another caller
        (named("y"), named("y", B), "up/m"),
    ],
    ids=["off", "unnamed", "again", "first-try", "another-caller", "another-callers-name"],
)
def test_others_are_calls_of_their_own(doors: Doors, first: dict[str, str], second: dict[str, str], model: str) -> None:
    gate = Gate(doors)
    leave(doors, gate, first, stream=True, model=model)
    gate.let()
    other = ask(doors, second, stream=True, model=model)
    assert "x-gateway-attached" not in other.headers
    assert len(doors.upstream.received) == 2


def test_another_body_is_another_call(doors: Doors) -> None:
    gate = Gate(doors)
    leave(doors, gate, C, stream=True, temperature=0)
    gate.let()
    assert "x-gateway-attached" not in ask(doors, {**C, **RETRY}, stream=True, temperature=1).headers
    assert len(doors.upstream.received) == 2


def test_where_it_does_not_apply_a_client_that_leaves_ends_its_call_at_once(doors: Doors) -> None:
    gate = Gate(doors)
    leave(doors, gate, A, stream=True)
    doors.upstream.background.until(lambda: doors.upstream.left == 1)
    gate.let()


def test_a_retry_takes_none_whose_client_is_still_there(doors: Doors) -> None:
    """Of two equal calls under way each is somebody's own: a third that failed and comes again is not given theirs."""
    gate = Gate(doors)
    with doors.raw() as first:
        first.post(body(stream=True), headers=head_of(C) + "connection: close\r\n")
        first.until(b"Hel")
        gate.let()
        assert "x-gateway-attached" not in ask(doors, {**C, **RETRY}, stream=True).headers
        first.rest()
    assert len(doors.upstream.received) == 2


def test_two_orphans_are_two_answers(doors: Doors) -> None:
    gate = Gate(doors)
    leave(doors, gate, C, stream=True)
    leave(doors, gate, C, stream=True)
    gate.let()
    ids = {ask(doors, {**C, **RETRY}, stream=True).headers.get("x-gateway-attached") for _ in range(3)}
    assert len(ids) == 3
    assert None in ids  # the third was a call of its own
    assert len(doors.upstream.received) == 3


def test_one_handed_over_whole_is_not_kept_for_retries_without_a_name(doors: Doors) -> None:
    gate = Gate(doors)
    gate.let()
    ask(doors, C, stream=True)
    assert "x-gateway-attached" not in ask(doors, {**C, **RETRY}, stream=True).headers
    assert len(doors.upstream.received) == 2


# ---- the name


def test_a_name_with_another_body_is_refused(doors: Doors) -> None:
    gate = Gate(doors)
    gate.let()
    assert ask(doors, named("twice")).status_code == 200
    refused = ask(doors, named("twice"), temperature=1)
    assert refused.status_code == 422
    error = refused.json()["error"]
    assert (error["type"], error["code"]) == ("invalid_request_error", "idempotency_key_reused")
    assert "another body" in error["message"]
    assert len(doors.upstream.received) == 1
    assert ask(doors, named("twice", B), temperature=1).status_code == 200  # names are each caller's own


@pytest.mark.parametrize("name", ["", "x" * 256])
def test_a_name_of_no_sense_is_refused(doors: Doors, name: str) -> None:
    refused = ask(doors, named(name))
    assert refused.status_code == 400
    assert refused.json()["error"]["code"] == "invalid_idempotency_key"


# ---- failing


def test_a_call_that_failed_is_asked_again(doors: Doors) -> None:
    async def failing(request: Received, wire: Wire) -> None:
        await wire.json({"error": {"message": "busy"}}, 503)

    doors.upstream.script = failing
    assert ask(doors, named("again")).status_code == 503
    doors.upstream.script = hello
    answer = ask(doors, named("again"))
    assert answer.status_code == 200
    assert "x-gateway-attached" not in answer.headers
    assert len(doors.upstream.received) == 2


def test_a_failure_reaches_all_who_wait_for_the_head(doors: Doors) -> None:
    gate = Gate(doors)

    async def failing(request: Received, wire: Wire) -> None:
        await gate.wait(wire)
        await wire.json({"error": {"message": "busy"}}, 503)

    doors.upstream.script = failing
    with doors.raw() as first, doors.raw() as second:
        for client in (first, second):
            client.post(body(), headers=head_of(named("fails")) + "connection: close\r\n")
        doors.upstream.background.until(gate.begun.is_set)
        part = attach_of(doors)
        doors.served.background.until(lambda: [kept.followers for (kept,) in part._found.values()] == [2])
        gate.let()
        answers = [client.rest() for client in (first, second)]
    assert [answer.split(b" ")[1] for answer in answers] == [b"503", b"503"]
    assert len(doors.upstream.received) == 1


def test_a_stream_that_breaks_breaks_for_all_and_is_asked_again(doors: Doors) -> None:
    gate = Gate(doors)

    async def breaking(request: Received, wire: Wire) -> None:
        await wire.open()
        await wire.chunk(events("Hel")[1])
        await gate.wait(wire)
        wire.reset()

    doors.upstream.script = breaking
    with doors.raw() as first, doors.raw() as second:
        begun = []
        for client in (first, second):
            client.post(body(stream=True), headers=head_of(named("breaks")) + "connection: close\r\n")
            begun.append(client.until(b"Hel"))
        gate.let()
        for client in (first, second):
            assert b'"error"' in client.rest()
    assert len(doors.upstream.received) == 1
    doors.upstream.script = hello
    assert "x-gateway-attached" not in ask(doors, named("breaks"), stream=True).headers
    assert len(doors.upstream.received) == 2


# ---- bounds


def test_what_outgrows_its_buffer_is_not_joined(doors: Doors) -> None:
    texts = ["x" * 1000] * 100
    gate = Gate(doors)

    async def long(request: Received, wire: Wire) -> None:
        await wire.open()
        for event in events(*texts):
            await wire.chunk(event)
        await wire.end()

    doors.upstream.script = long
    first, second = (ask(doors, named("long"), stream=True) for _ in range(2))
    assert text_of(first.content) == text_of(second.content) == "".join(texts)
    assert "x-gateway-attached" not in second.headers
    assert len(doors.upstream.received) == 2
    assert attach_of(doors)._alone == {}
    gate.let()


def test_left_alone_beyond_its_buffer_a_call_is_given_up(doors: Doors) -> None:
    gate = Gate(doors)

    async def endless(request: Received, wire: Wire) -> None:
        await wire.open()
        first, *rest = events("Hel", "x" * 10000)[1:3]
        await wire.chunk(first)
        await gate.wait(wire)
        while True:
            await wire.chunk(rest[0])

    doors.upstream.script = endless
    leave(doors, gate, C, stream=True)
    gate.let()
    doors.upstream.background.until(lambda: doors.upstream.left == 1)


def test_the_window_closes() -> None:
    with opened({**CONFIG, "attach": {"grace": "50ms"}}) as doors:
        gate = Gate(doors)
        leave(doors, gate, named("late"), stream=True)
        doors.upstream.background.until(lambda: doors.upstream.left == 1)
        doors.quiet()
        gate.let()
        assert "x-gateway-attached" not in ask(doors, named("late"), stream=True).headers
        part = attach_of(doors)
        doors.served.background.until(lambda: part._found == {})


def test_memory_is_bounded() -> None:
    with opened({**CONFIG, "attach": {"buffer": "64KiB", "memory": "150KiB"}}) as doors:
        gate = Gate(doors)
        for number in range(4):
            leave(doors, gate, named(str(number)), stream=True)
        doors.upstream.background.until(lambda: doors.upstream.left == 2)  # the first two made room
        gate.let()
        doors.quiet()
        joined = ["x-gateway-attached" in ask(doors, named(str(number)), stream=True).headers for number in (3, 2, 1)]
        assert joined == [True, True, False]


def test_nobody_waits_for_a_retry_when_the_gateway_stops() -> None:
    with opened({**CONFIG, "attach": {"grace": "1h"}}) as doors:
        Gate(doors).let()
        ask(doors, named("kept"))


# ---- clients that retry


class Relay:
    """A proxy that cuts its first connection once `mark` has come from the gateway, or, without one, has been asked."""

    def __init__(self, url: str, mark: bytes | None) -> None:
        parts = urlsplit(url)
        self._to = (parts.hostname, parts.port)
        self._mark = mark
        self.cut = 0
        self.cutting = True

    async def start(self) -> str:
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    async def stop(self) -> None:
        self._server.close()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection(*self._to)

        async def pump() -> None:
            while data := await reader.read(65536):
                up_writer.write(data)
            up_writer.close()

        asking = asyncio.get_running_loop().create_task(pump())
        cutting, self.cutting = self.cutting, False
        seen = b""
        while data := await up_reader.read(65536):
            seen += data
            writer.write(data)
            if cutting and self._mark is not None and self._mark in seen:
                self.cut += 1
                break
        asking.cancel()
        up_writer.transport.abort()
        writer.transport.abort()


@contextmanager
def relayed(doors: Doors, mark: bytes | None) -> Iterator[tuple[Relay, str]]:
    with Background() as background:
        relay = Relay(doors.url, mark)
        url = background.run(relay.start())
        try:
            yield relay, url
        finally:
            background.run(relay.stop())


def test_openais_client_whose_connection_is_cut_midstream(doors: Doors) -> None:
    gate = Gate(doors)
    with relayed(doors, b'"Hel"') as (relay, url), OpenAI(api_key="sk-a", base_url=url) as client:

        def stream() -> str:
            chunks = client.chat.completions.create(
                model="up/m",
                messages=[{"role": "user", "content": "Hello?"}],
                stream=True,
                extra_headers={"Idempotency-Key": "one-answer"},
            )
            return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)

        with pytest.raises((openai.APIConnectionError, httpx.TransportError)):
            stream()
        assert relay.cut == 1
        gate.let()
        assert stream() == "Hello."
    assert len(doors.upstream.received) == 1
    assert doors.upstream.left == 0


@STREAM
def test_openais_client_retries_by_itself(doors: Doors, stream: bool) -> None:
    """It times out while the model thinks; its own retry, marked as such, finds the call that goes on."""
    gate = Gate(doors)
    asked: list[httpx.Request] = []

    async def thinking(request: Received, wire: Wire) -> None:
        await gate.wait(wire)
        await (wire.stream(events("Hello.")) if request.json.get("stream") else wire.json(completion("Hello.")))

    def note(request: httpx.Request) -> None:
        asked.append(request)
        if len(asked) == 2:
            gate.let()

    doors.upstream.script = thinking
    http = httpx.Client(event_hooks={"request": [note]})
    with OpenAI(api_key="sk-c", base_url=f"{doors.url}/v1", timeout=0.3, http_client=http) as client:
        raw = client.chat.completions.with_raw_response.create(
            model="up/m", messages=[{"role": "user", "content": "Hello?"}], stream=stream
        )
        answer: Any = raw.parse()
        if stream:
            text = "".join(chunk.choices[0].delta.content or "" for chunk in answer if chunk.choices)
        else:
            text = answer.choices[0].message.content
    assert text == "Hello."
    assert [request.headers["x-stainless-retry-count"] for request in asked] == ["0", "1"]
    assert "x-gateway-attached" in raw.headers
    assert len(doors.upstream.received) == 1
    assert doors.upstream.left == 0


def test_a_crowd_that_leaves_and_comes_again(doors: Doors) -> None:
    """Fifty clients are cut off at one time; all of their retries are served by the calls that they began."""
    gate = Gate(doors)
    crowd = [doors.raw() for _ in range(50)]
    for number, client in enumerate(crowd):
        client.post(body(stream=True, user=str(number)), headers=head_of(C))
    for client in crowd:
        client.until(b"Hel")
        client.socket.close()
    state = doors.served._server.server_state
    doors.served.background.until(lambda: not state.tasks)
    gate.let()
    for number in range(50):
        assert text_of(ask(doors, {**C, **RETRY}, stream=True, user=str(number)).content) == "Hello."
    assert len(doors.upstream.received) == 50
    assert doors.upstream.left == 0


# ---- in a ring of its own


def inbound(call: Call, *headers: tuple[bytes, bytes]) -> Call:
    call.put(Inbound(headers))
    return call


def counting(calls: list[Call]) -> Handler:
    async def handler(call: Call) -> Reply:
        calls.append(call)
        return answer(call, "Hello.")

    return handler


async def asked(part: Attach, call: Call, inner: Handler) -> Chunk:
    async def ring(call: Call) -> Reply:
        return await part(call, inner)

    return await (await owned(ring, call)).whole()


async def test_a_call_that_it_does_not_apply_to_goes_on_as_it_is() -> None:
    part, calls = Attach(Settings()), []
    for call in (chat_call(), inbound(chat_call()), inbound(chat_call(), (b"x-stainless-retry-count", b"1"))):
        await asked(part, call, counting(calls))
        assert calls.pop() is call


async def test_tokens_are_settled_once_and_each_client_is_counted() -> None:
    """Whoever stands further in sees one call; whoever stands outside sees one for each client."""
    part, calls = Attach(Settings()), []
    inner: list[Outcome] = []
    outer: list[Outcome] = []

    async def settling(call: Call) -> Reply:
        call.on_end(inner.append)
        return await counting(calls)(call)

    for _ in range(3):
        call = inbound(chat_call(), (b"idempotency-key", b"k"))
        call.on_end(outer.append)
        await asked(part, call, settling)
    assert len(calls) == 1
    assert [outcome.usage.output for outcome in inner] == [3]
    assert [outcome.usage.output for outcome in outer] == [3, 3, 3]
    await part.aclose()


async def test_before_auth_callers_are_told_apart_by_what_they_send() -> None:
    part, calls = Attach(Settings()), []
    for secret in (b"Bearer one", b"Bearer two", b"Bearer one"):
        call = inbound(chat_call(), (b"idempotency-key", b"k"), (b"authorization", secret))
        await asked(part, call, counting(calls))
    assert len(calls) == 2
    await part.aclose()


class Tenant:
    """A caller that a plugin has told by other means than a key."""

    def __init__(self, name: str, attach: float = 0) -> None:
        self.name = name
        self.attach = attach

    def may_use(self, model: str) -> bool:
        return True


async def test_callers_are_told_apart_by_name() -> None:
    part, calls = Attach(Settings()), []
    for name in ("one", "two", "one"):
        call = inbound(chat_call(), (b"idempotency-key", b"k"))
        call.caller = Tenant(name)
        await asked(part, call, counting(calls))
    assert len(calls) == 2
    await part.aclose()


async def test_a_plugins_caller_may_attach() -> None:
    part, calls = Attach(Settings()), []
    for attach in (0, 5):
        call = inbound(chat_call())
        call.caller = Tenant("one", attach)
        await asked(part, call, counting(calls))
        assert (calls.pop() is call) == (not attach)


async def test_memory_counts_what_was_asked_too() -> None:
    part, calls = Attach(Settings(memory=Size(5000))), []
    for name in (b"1", b"2", b"3", b"3", b"1"):
        await asked(part, inbound(chat_call("x" * 2000), (b"idempotency-key", name)), counting(calls))
    assert len(calls) == 4  # the first had to make room
    await part.aclose()


async def test_a_refusal_further_in_is_each_clients_own_and_not_kept() -> None:
    part, calls = Attach(Settings()), []

    async def refusing(call: Call) -> Reply:
        calls.append(call)
        raise InvalidRequest("No.", headers=[(b"x-a", b"1")])

    for _ in range(2):
        with pytest.raises(InvalidRequest, match="No"):
            await asked(part, inbound(chat_call(), (b"idempotency-key", b"k")), refusing)
    assert len(calls) == 2
    assert (part._found, part._alone) == ({}, {})


# ---- the configuration


@pytest.mark.parametrize("workers", [1, 2])
def test_start_says_that_each_worker_knows_its_own_calls(workers: int) -> None:
    document = {"server": {"workers": workers}, "providers": {"mock": {"type": "mock"}}, "attach": {}}
    notes = [note for note in Gateway.load(document, {}).notes if note.startswith("attach: ")]
    assert len(notes) == workers - 1


def test_absent_it_is_not_in_the_path() -> None:
    with opened({"auth": {"keys": KEYS[:2]}}) as doors:
        assert [layer.name for layer in doors.served.gateway.rings["request"]] == ["auth"]
