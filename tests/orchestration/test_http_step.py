"""`http` steps: what they send, what they make of answers, and how they fail."""

import asyncio
import gzip
import json
import logging
import zlib
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
from openai import APIStatusError, AsyncOpenAI

from gateway.orchestration import maker
from gateway.seam import GatewayError
from gateway.testing import serve
from tests.orchestration.scripted import user, world
from tests.orchestration.sites import Peer, Upstream, answering, failure, until


@pytest.fixture
async def site() -> AsyncIterator[Upstream]:
    """A site at a private address that may be called."""
    server = await Upstream(answering(plain("ok"))).start()
    yield server
    await server.stop()


def allowed(site: Upstream) -> dict[str, Any]:
    return {"http_hosts": [{"host": f"http://127.0.0.1:{site.port}", "private": True}]}


def step(site: Upstream, path: str = "/", **http: Any) -> dict[str, Any]:
    return {"http": {"url": f"http://127.0.0.1:{site.port}{path}", **http}}


def simple(site: Upstream, path: str = "/", **http: Any) -> dict[str, Any]:
    """Blocks with a chain `c` that is one request."""
    return {"orchestrator": allowed(site), "chains": {"c": {"type": "simple", **step(site, path, **http)}}}


def row(site: Upstream, template: str, *, more: dict[str, Any] | None = None, **http: Any) -> dict[str, Any]:
    """Blocks with a chain `c` that asks for `f` and fills in a template."""
    first = {"name": "f", **step(site, **http), **(more or {})}
    steps = [first, {"name": "t", "template": template}]
    return {"orchestrator": allowed(site), "chains": {"c": {"type": "sequential", "steps": steps}}}


def answer(body: bytes, kind: str = "text/plain", status: int = 200, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Said", f"content-type: {kind}", f"content-length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def plain(text: str, status: int = 200) -> bytes:
    return answer(text.encode(), "text/plain", status)


def of_json(value: Any, status: int = 200) -> bytes:
    return answer(json.dumps(value).encode(), "application/json", status)


# What is sent


async def test_a_request_as_it_goes_out(site: Upstream) -> None:
    http = {
        "method": "POST",
        "headers": {"Authorization": "Bearer s3cret", "X-User": "{{ inputs.user }}", "accept": "text/x"},
        "query": {"n": 3, "flag": True, "many": ["a", "{{ input }}"], "none": None, "text": "{{ inputs.user }} & more"},
        "json": {"id": "{{ inputs.id }}", "deep": [{"text": "<{{ input }}>"}], "n": 1.5},
    }
    async with world(**simple(site, "/a/{{ inputs.id }}?fixed=1", **http)) as w:
        assert await w.ask("chain:c", "hi", inputs={"id": 7, "user": "Zoë"}) == "ok"
    ((head, body),) = site.peers[0].requests
    line, *headers = head.decode().split("\r\n")
    query = "fixed=1&n=3&flag=true&many=a&many=hi&text=Zo%C3%AB%20%26%20more"
    assert line == f"POST /a/7?{query} HTTP/1.1"
    assert sorted(headers) == [
        "", "", "accept-encoding: gzip", "accept: text/x", "authorization: Bearer s3cret",
        f"content-length: {len(body)}", "content-type: application/json", f"host: 127.0.0.1:{site.port}",
        "user-agent: llm-orchestration-gateway/0.1.0",
        "x-user: Zoë",
    ]  # fmt: skip
    assert json.loads(body) == {"id": 7, "deep": [{"text": "<hi>"}], "n": 1.5}


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_a_text_may_be_sent(site: Upstream, method: str) -> None:
    async with world(**simple(site, method=method, body="Zoë says {{ input }}")) as w:
        assert await w.ask("chain:c", "hi\n") == "ok"
    ((head, body),) = site.peers[0].requests
    assert head.startswith(f"{method} / ".encode())
    assert b"content-type: text/plain; charset=utf-8\r\n" in head
    assert body == "Zoë says hi\n".encode()


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_nothing_need_be_sent(site: Upstream, method: str) -> None:
    async with world(**simple(site, method=method)) as w:
        assert await w.ask("chain:c") == "ok"
    ((head, body),) = site.peers[0].requests
    assert body == b""
    assert b"content-type" not in head
    assert (b"content-length: 0" in head) == (method == "POST")


@pytest.mark.parametrize(
    "value", ["a\r\nx-evil: 1", "a\nb", "a\rb", "a\x00b", "\x1b[0m", "x" * 9000, "\ud800"], ids=ascii
)
async def test_a_header_cannot_be_broken_out_of(site: Upstream, value: str) -> None:
    body = {"model": "chain:c", "messages": [], "inputs": {"v": value}}
    async with world(**simple(site, headers={"x-one": "{{ inputs.v }}"})) as w:
        with pytest.raises(GatewayError) as caught:
            await w.gateway.run("chain:c", messages=[], inputs=body["inputs"])
    assert caught.value.status == 400
    assert site.peers == []


async def test_white_space_around_a_header_is_left_out(site: Upstream) -> None:
    async with world(**simple(site, headers={"x-one": "{{ input }}\n"})) as w:
        await w.ask("chain:c", " a ")
    assert b"x-one: a\r\n" in site.peers[0].requests[0][0]


@pytest.mark.parametrize("id", ["..", "a/../b", "", "a\nb"])
async def test_a_path_cannot_be_broken_out_of(site: Upstream, id: str) -> None:  # noqa: A002
    async with world(**simple(site, "/orders/{{ inputs.id }}/lines")) as w:
        error = await failure(w, inputs={"id": id})
    assert (error.status, error.code) == (400, "http_value")
    assert site.peers == []


# What is answered

CHUNKED = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("said", "value"),
    [
        (answer(b'{"status": "sent", "n": [1]}', "application/json"), {"status": "sent", "n": [1]}),
        (answer(b"[1]", "Application/JSON; charset=utf-8"), [1]),
        (answer(b"7", "application/vnd.api+json;x=y"), 7),
        (answer(b"null", "text/json"), None),
        (answer(b'{"a": 1}', "text/plain"), '{"a": 1}'),
        (answer(b"<p>hi</p>", "text/html"), "<p>hi</p>"),
        (answer('"Zoë"'.encode(), "text/plain; charset=UTF-8"), '"Zoë"'),
        (answer("Zoë €".encode("cp1252"), 'text/plain; x=y; charset="ISO-8859-1"'), "Zoë €"),
        (answer(b"a\xffb", "application/octet-stream"), "a\ufffdb"),
        (answer(b"", "application/json"), ""),
        (b"HTTP/1.1 204 No Content\r\n\r\n", ""),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi", "hi"),
        (answer(gzip.compress(b'{"a": 1}'), "application/json", 200, "content-encoding: gzip"), {"a": 1}),
        (CHUNKED + b"3\r\n[1,\r\n2\r\n2]\r\n0\r\n\r\n", [1, 2]),
    ],
)  # fmt: skip
async def test_what_an_answer_holds(site: Upstream, said: bytes, value: Any) -> None:
    site.script = answering(said)
    async with world(**row(site, "{{ f | tojson }}")) as w:
        assert json.loads(await w.ask("chain:c")) == value


async def test_fields_of_an_answer_are_read(site: Upstream) -> None:
    site.script = answering(of_json({"status": "sent", "lines": [{"name": "lamp"}, {"name": "chair"}]}))
    blocks = row(site, "{{ f.status }}: {% for one in f.lines %}{{ one.name }} {% endfor %}")
    async with world(**blocks) as w:
        assert await w.ask("chain:c") == "sent: lamp chair "


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_may_be_the_runs(site: Upstream, stream: bool) -> None:
    site.script = answering(of_json({"a": 1}))
    async with world(**simple(site)) as w:
        if stream:
            assert "".join([piece async for piece in w.gateway.run("chain:c", messages=[], stream=True)]) == '{"a":1}'
        else:
            assert (await w.gateway.run("chain:c", messages=[])).json == {"a": 1}


@pytest.mark.parametrize(
    "body", [b"{", b" ", b"nope", b'{"a": NaN}', b"\xff", b"[" * 100_000], ids=lambda body: body[:9]
)
async def test_json_that_is_none(site: Upstream, body: bytes) -> None:
    site.script = answering(answer(body, "application/json"))
    async with world(**simple(site)) as w:
        error = await failure(w)
    assert (error.status, error.code) == (502, "http_misshapen")
    assert error.message.startswith("Step 'answer' of chain:c: 127.0.0.1:")


async def test_statuses_that_are_expected(site: Upstream) -> None:
    site.script = answering(of_json({"found": False}, 404), plain("ok"))
    async with world(**row(site, "{{ f.found }}", expect=[200, 404])) as w:
        assert await w.ask("chain:c") == "false"
    site.script = answering(plain("ok", 201))
    async with world(**simple(site, expect=[200])) as w:
        assert "answered 201: ok" in (await failure(w)).message


# How it fails


@pytest.mark.parametrize(("status", "passing"), [(400, False), (401, False), (404, False), (408, True), (409, False),
                                                 (425, True), (429, True), (500, True), (503, True)])  # fmt: skip
async def test_a_status_is_a_failure(site: Upstream, status: int, passing: bool) -> None:
    site.script = answering(plain("It is\r\n\x00\x1b[31m  so,\u202e 是.", status))
    async with world(**simple(site)) as w:
        error = await failure(w)
    assert error.message == f"Step 'answer' of chain:c: 127.0.0.1:{site.port} answered {status}: It is [31m so, 是."
    assert (error.status, error.type, error.code) == (502, "upstream_error", "http_status")
    assert error.retryable == passing


async def test_what_is_secret_is_not_told(site: Upstream, caplog: pytest.LogCaptureFixture) -> None:
    """Not even by a server that says all that it was told, in what it answers and in what is shown of it."""

    async def echo(peer: Peer) -> None:
        while True:
            head, _ = await peer.request()
            await peer.send(answer(head * 3, "text/plain", 500))

    site.script = echo
    caplog.set_level(logging.DEBUG)
    http = {
        "headers": {"Authorization": "Bearer s3cret-key", "X-Other": "s3cret-other"},
        "query": {"token": "s3cret token"},
    }
    async with world(**simple(site, "/?key=s3cret-%20{{ input }}", **http)) as w:
        error = await failure(w, text="caller's")
        options = {"include_steps": True}
        stream = w.gateway.run("chain:c", messages=user("caller's"), stream=True, stream_options=options)
        with pytest.raises(GatewayError) as streamed:
            await stream.answer()
    shown = f"{error!r} {error.message} {streamed.value!r} {vars(error)} {caplog.text}"
    assert "s3cret" not in shown
    assert "answered 500: GET" in shown
    (peer,) = site.peers
    assert peer.requests[0][0].count(b"s3cret") == 4


@pytest.mark.parametrize("cut", range(100, 130))
async def test_not_even_half_a_secret_is_told(site: Upstream, cut: int) -> None:
    """Where what has come when the answer is looked at ends within it."""

    async def script(peer: Peer) -> None:
        await peer.request()
        said = ("." * 210 + "s3cret-key-of-many-letters")[: cut + 110].encode()
        await peer.send(b"HTTP/1.1 500 Oh\r\ncontent-length: 9999\r\n\r\n" + b"\n" * 100 + said[100:])
        await peer.gone()

    site.script = script
    async with world(**simple(site, headers={"authorization": "Bearer s3cret-key-of-many-letters"})) as w:
        assert "s3cr" not in (await failure(w)).message


async def test_what_may_pass_is_tried_again(site: Upstream) -> None:
    site.script = answering(plain("busy", 503), plain("busy", 429), plain("ok"))
    blocks = row(site, "{{ f }}", more={"retry": {"attempts": 3, "wait": 0}})
    async with world(**blocks) as w:
        assert await w.ask("chain:c") == "ok"
    assert sum(len(peer.requests) for peer in site.peers) == 3


async def test_what_will_not_pass_is_not_tried_again(site: Upstream) -> None:
    site.script = answering(plain("no", 404))
    blocks = row(site, "{{ f }}", more={"retry": {"attempts": 3, "wait": 0}, "default": "none"})
    async with world(**blocks) as w:
        assert await w.ask("chain:c") == "none"
    assert sum(len(peer.requests) for peer in site.peers) == 1


async def test_a_connection_that_is_reset_is_tried_again(site: Upstream) -> None:
    """In the head, before it, in the body; and a body that is shorter than was said."""
    ways = [b"", b"HTTP/1.1 2", plain("hello")[:-2]]

    async def script(peer: Peer) -> None:
        await peer.request()
        if not ways:
            await peer.send(plain("ok"))
            return
        await peer.send(ways.pop(0))
        if len(ways) == 1:
            peer.reset()

    site.script = script
    blocks = row(site, "{{ f }}", more={"retry": {"attempts": 4, "wait": 0}})
    async with world(**blocks) as w:
        assert await w.ask("chain:c") == "ok"
    assert len(site.peers) == 4


async def test_what_is_no_http_is_a_failure(site: Upstream) -> None:
    site.script = answering(b"SSH-2.0-OpenSSH_9.6\r\n")
    async with world(**simple(site)) as w:
        error = await failure(w)
    assert "sent what is no HTTP/1.1 answer" in error.message


async def test_nobody_is_there() -> None:
    server = await Upstream(answering(plain("x"))).start()
    port = server.port
    await server.stop()
    hosts = [{"host": f"http://127.0.0.1:{port}", "private": True}]
    chain = {"type": "simple", "http": {"url": f"http://127.0.0.1:{port}/"}}
    async with world(orchestrator={"http_hosts": hosts}, chains={"c": chain}) as w:
        error = await failure(w)
    assert (error.status, error.retryable) == (502, True)
    assert "Connection refused" in error.message


# Bounds


async def endless(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    while True:
        await peer.send(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")


async def until_close(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.0 200 OK\r\n\r\n")
    while True:
        await peer.send(b"x" * 0x4000)


async def bomb(peer: Peer) -> None:
    """Sends what becomes a gigabyte."""
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n")
    squeeze = zlib.compressobj(9, wbits=31)
    zeros = bytes(2**20)
    for _ in range(1024):
        if piece := squeeze.compress(zeros):
            await peer.send(b"%x\r\n%b\r\n" % (len(piece), piece))
    await peer.gone()


whole = answering(plain("x" * 70_000))


@pytest.mark.parametrize("script", [endless, until_close, bomb, whole])
async def test_a_large_answer_is_cut_off(site: Upstream, script: Any) -> None:
    site.script = script
    async with world(**simple(site, max_size="64KiB")) as w:
        error = await failure(w)
        assert error.message.endswith(f"The answer of 127.0.0.1:{site.port} is larger than 65536 bytes (max_size).")
        assert (error.status, error.code, error.retryable) == (502, "http_too_large", False)
        await until(lambda: not site.open or script is whole)


async def test_what_fits_to_the_byte_is_taken(site: Upstream) -> None:
    site.script = answering(plain("x" * 65536))
    async with world(**simple(site, max_size=65536)) as w:
        assert len(await w.ask("chain:c")) == 65536


async def drip(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
    while True:
        await peer.send(b"x")
        await asyncio.sleep(0.01)


async def drip_head(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\n")
    while True:
        await peer.send(b"x: y\r\n")
        await asyncio.sleep(0.01)


async def silent(peer: Peer) -> None:
    await peer.request()
    await peer.gone()


async def drip_failure(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 500 Oh\r\ncontent-length: 100000\r\n\r\n")
    while True:
        await peer.send(b"x")
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("script", [drip, drip_head, silent, drip_failure])
@pytest.mark.parametrize("own", [False, True])
async def test_a_slow_answer_is_cut_off(
    site: Upstream, script: Any, own: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the step's timeout, or by that of every request."""
    site.script = script
    monkeypatch.setattr(maker, "TIMEOUT", 30.0 if own else 0.2)
    async with world(**row(site, "{{ f }}", more={"timeout": "200ms"} if own else {})) as w:
        error = await failure(w)
        assert error.status == 504
        assert error.code == ("step_timeout" if own else "http_timeout")
        assert "0.2 s" in error.message
        await until(lambda: not site.open)


async def test_who_leaves_leaves_nothing_behind(site: Upstream) -> None:
    site.script = silent
    async with world(**simple(site)) as w:
        asked = w.env.tasks.spawn(w.ask("chain:c"))
        await until(lambda: site.peers and site.peers[0].requests)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        await until(lambda: not site.open)


async def test_many_at_one_time(site: Upstream) -> None:
    site.script = answering(of_json({"n": 1}))
    more = {"map": "{{ inputs.ids }}", "as": "id", "max_concurrent": 20}
    first = {"name": "f", **step(site, "/{{ id }}"), **more}
    steps = [first, {"name": "t", "template": "{{ f | map(attribute='n') | sum }}"}]
    async with world(orchestrator=allowed(site), chains={"c": {"type": "sequential", "steps": steps}}) as w:
        assert await w.ask("chain:c", inputs={"ids": list(range(200))}) == "200"
    asked = sorted(int(head.split(b" ")[1][1:]) for peer in site.peers for head, _ in peer.requests)
    assert asked == list(range(200))
    assert len(site.peers) <= 20


# As nodes and branches, and at the door


async def test_clients_get_what_it_says(site: Upstream) -> None:
    """Over HTTP, on uvloop: the answer whole and streamed, and a failure in OpenAI's shape."""
    site.script = answering(of_json({"a": 1}), of_json({"a": 1}), plain("Not here.", 404))
    config = {"providers": {"mock": {}}, **simple(site, "/{{ input }}")}
    with serve(config) as served:
        async with AsyncOpenAI(base_url=served.base_url, api_key="none", max_retries=0) as client:
            ask = partial(client.chat.completions.create, model="chain:c")
            whole = await ask(messages=[{"role": "user", "content": "x"}])
            assert whole.choices[0].message.content == '{"a":1}'
            chunks = [chunk async for chunk in await ask(messages=[{"role": "user", "content": "x"}], stream=True)]
            assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == '{"a":1}'
            with pytest.raises(APIStatusError) as failed:
                await ask(messages=[{"role": "user", "content": "x"}])
            with pytest.raises(APIStatusError) as refused:
                await ask(messages=[{"role": "user", "content": ".."}])
    told = f"Step 'answer' of chain:c: 127.0.0.1:{site.port} answered 404: Not here."
    assert failed.value.status_code == 502
    assert failed.value.body == {"message": told, "type": "upstream_error", "param": None, "code": "http_status"}
    assert (refused.value.status_code, refused.value.code) == (400, "http_value")
    assert refused.value.type == "invalid_request_error"


async def test_it_is_a_node_and_a_branch_like_any_other(site: Upstream) -> None:
    site.script = answering(of_json({"kind": "refund"}))
    graph = {
        "start": "look",
        "nodes": {"look": step(site, "/{{ input }}"), "yes": {"template": "It is one."}, "no": {"template": "No."}},
        "edges": [
            {"from": "look", "to": "yes", "when": "look.kind == 'refund'"},
            {"from": "look", "to": "no"},
            {"from": ["yes", "no"], "to": "END"},
        ],
    }
    chain = {
        "type": "parallel",
        "branches": {"a": step(site), "b": step(site, "/b")},
        "combine": {"template": "{{ a.kind }} {{ b.kind }}"},
    }
    async with world(orchestrator=allowed(site), graphs={"g": graph}, chains={"c": chain}) as w:
        assert await w.ask("graph:g", "4711") == "It is one."
        assert await w.ask("chain:c") == "refund refund"
