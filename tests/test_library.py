"""The gateway without HTTP: answers, streams, errors; no port, no task and no thread is left."""

import asyncio
import gc
import json
import socket
import subprocess
import sys
import threading
from typing import Any

import pytest

from gateway import Gateway
from gateway.library import Answer
from gateway.seam import (
    Call,
    GatewayError,
    Handler,
    InvalidRequest,
    ModelNotFound,
    Outcome,
    Reply,
    UpstreamError,
    Usage,
)
from gateway.testing import Received, Upstream, Wire, completion, events
from tests.doors import block, hello

USER = [{"role": "user", "content": "Hello?"}]
MOCK = {"providers": {"mock": {"type": "mock"}}}
HERE = __name__
OUTCOMES: list[Outcome] = []
CALLS: list[Call] = []


async def noting(call: Call, call_next: Handler) -> Reply:
    CALLS.append(call)
    call.on_end(OUTCOMES.append)
    return await call_next(call)


NOTED = MOCK | {"pipeline": {"model": [f"{HERE}:noting"]}}


@pytest.fixture(autouse=True)
def _fresh() -> None:
    OUTCOMES.clear()
    CALLS.clear()


async def test_an_answer() -> None:
    async with Gateway.load(NOTED) as gateway:
        answer = await gateway.run("mock/echo", messages=USER, temperature=0, stop=None)
        assert answer.text == "Hello?"
        assert (answer.provider, answer.model, answer.finish) == ("mock", "echo", "stop")
        assert answer.usage.output > 0
        assert not answer.estimated
        assert answer.document == json.loads(answer.raw)
        assert answer.document["object"] == "chat.completion"
        assert repr(answer) == "Answer('Hello?', model='echo', provider='mock')"
        with pytest.raises(UpstreamError, match="no JSON"):
            _ = answer.json
    assert [outcome.kind for outcome in OUTCOMES] == ["ok"]
    assert CALLS[0].origin == "library"
    assert CALLS[0].id.startswith("req_")
    assert CALLS[0].request.body == {"model": "mock/echo", "messages": USER, "temperature": 0}


async def test_structured_output() -> None:
    schema = {"type": "object", "properties": {"score": {"type": "integer"}}, "required": ["score"]}
    shape = {"type": "json_schema", "json_schema": {"name": "s", "strict": True, "schema": schema}}
    async with Gateway.load(MOCK) as gateway:
        answer = await gateway.run("mock/echo", messages=USER, response_format=shape)
        assert isinstance(answer.json["score"], int)


async def test_tools_and_choices_are_in_the_document() -> None:
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
    async with Gateway.load(MOCK) as gateway:
        answer = await gateway.run("mock/tools", messages=USER, tools=[tool])
        assert answer.document["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == "look"
        assert answer.text == ""
        assert (await gateway.run("mock/echo", messages=USER, n=2)).text == "Hello?"
        stream = gateway.run("mock/tools", messages=USER, tools=[tool], stream=True)
        assert [piece async for piece in stream] == []
        assert (await stream.answer()).finish == "tool_calls"


@pytest.mark.parametrize("way", ["entered", "awaited", "read"])
async def test_a_stream(way: str) -> None:
    async with Gateway.load(NOTED) as gateway:
        stream = gateway.run("mock/echo", messages=[{"role": "user", "content": "One, two, three."}], stream=True)
        assert (stream.usage, stream.model, stream.provider) == (None, "", "")
        if way == "entered":
            async with stream as entered:
                pieces = [piece async for piece in entered]
        else:
            pieces = [piece async for piece in (await stream if way == "awaited" else stream)]
        assert len(pieces) > 1
        assert "".join(pieces) == "One, two, three."
        assert (stream.provider, stream.model) == ("mock", "echo")
        assert stream.usage is not None
        assert stream.usage.output > 0
        assert [piece async for piece in stream] == []
        answer = await stream.answer()
        assert isinstance(answer, Answer)
        assert (answer.text, answer.usage) == ("One, two, three.", stream.usage)
        assert answer.document["object"] == "chat.completion"
    assert [outcome.kind for outcome in OUTCOMES] == ["ok"]
    assert CALLS[0].request.body["stream"] is True


async def test_the_rest_of_a_stream_at_once() -> None:
    async with Gateway.load(MOCK) as gateway, gateway.run("mock/lorem", messages=USER, stream=True) as stream:
        first = await anext(stream)
        answer = await stream.answer()
        assert answer.text.startswith(first)
        assert len(answer.text) > len(first)


async def test_a_target_that_answers_whole_streams_too() -> None:
    async def whole(request: Received, wire: Wire) -> None:
        await wire.json(completion("All at once."))

    with Upstream(whole) as upstream:
        async with Gateway.load({"providers": {"up": block(upstream)}}) as gateway:
            stream = gateway.run("up/m", messages=USER, stream=True)
            assert [piece async for piece in stream] == ["All at once."]
            assert stream.usage == Usage(7, 3)


async def test_streams_that_are_left_are_closed() -> None:
    async def endless(request: Received, wire: Wire) -> None:
        await wire.open()
        for event in events("one", "two", done=False, finish=None, usage=False):
            await wire.chunk(event)
        await wire.left()

    with Upstream(endless) as upstream:
        config = {"providers": {"up": block(upstream)}, "pipeline": {"model": [f"{HERE}:noting"]}}
        async with Gateway.load(config) as gateway:
            async with gateway.run("up/m", messages=USER, stream=True) as left:
                assert await anext(left) == "one"
            with pytest.raises(GatewayError, match="no whole answer"):
                await left.answer()
            assert [piece async for piece in left] == []
            unread = await gateway.run("up/m", messages=USER, stream=True)
            begun = gateway.run("up/m", messages=USER, stream=True)
            assert await anext(begun) == "one"
            gateway.run("up/m", messages=USER, stream=True)  # never begun: nothing to close
        assert [outcome.kind for outcome in OUTCOMES] == ["cancelled"] * 3
        assert unread.usage is None
        upstream.background.until(lambda: upstream.left == 3)


async def test_a_stream_that_is_closed_while_it_is_read_has_no_answer() -> None:
    reading = asyncio.Event()

    async def endless(request: Received, wire: Wire) -> None:
        await wire.open()
        await wire.chunk(b"".join(events("one", done=False, finish=None, usage=False)))
        await wire.left()

    with Upstream(endless) as upstream:
        async with Gateway.load({"providers": {"up": block(upstream)}}) as gateway:
            stream = gateway.run("up/m", messages=USER, stream=True)
            assert await anext(stream) == "one"

            async def read() -> Answer:
                reading.set()
                return await stream.answer()

            task = asyncio.get_running_loop().create_task(read())
            await reading.wait()
            await asyncio.sleep(0)
        with pytest.raises(GatewayError):
            await task


async def test_a_stream_that_breaks_raises_and_has_no_answer() -> None:
    async def cut(request: Received, wire: Wire) -> None:
        await wire.stream(events("one", done=False))

    with Upstream(cut) as upstream:
        async with Gateway.load({"providers": {"up": block(upstream)}}) as gateway:
            stream = gateway.run("up/m", messages=USER, stream=True)
            assert await anext(stream) == "one"
            with pytest.raises(UpstreamError, match="DONE"):
                _ = [piece async for piece in stream]
            assert stream.usage is None
            with pytest.raises(GatewayError, match="no whole answer"):
                await stream.answer()


async def test_inputs_go_into_the_request() -> None:
    async with Gateway.load(NOTED) as gateway:
        with pytest.raises(GatewayError):  # a plain model has no use for them
            await gateway.run("mock/echo", inputs={"topic": "x"})
        assert CALLS[0].request.body == {"model": "mock/echo", "messages": [], "inputs": {"topic": "x"}}


async def test_a_model_that_is_not_named() -> None:
    with Upstream(hello) as upstream:
        async with Gateway.load({"providers": {"up": block(upstream, model="m")}}) as gateway:
            assert (await gateway.run(messages=USER)).text == "Hello."
            assert upstream.received[0].json["model"] == "m"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("arguments", "kind", "told"),
    [
        ({"model": "mock/echo"}, InvalidRequest, "Missing required parameter: 'messages'"),
        ({"model": "mock/echo", "messages": "Hello?"}, InvalidRequest, "'messages' must be an array"),
        ({"messages": USER}, InvalidRequest, "Name a model"),
        ({"model": "mcok/echo", "messages": USER}, ModelNotFound, "Did you mean 'mock/echo'"),
        ({"model": "mock/echo", "messages": USER, "x": object()}, InvalidRequest, "cannot be written as JSON"),
        ({"model": "mock/echo", "messages": [{"role": "user", "content": "\ud800"}]}, InvalidRequest, "as JSON"),
        ({"model": 5, "messages": USER}, InvalidRequest, "Invalid body"),
    ],
)
async def test_errors_are_those_that_callers_over_http_see(
    arguments: dict[str, Any], kind: type[GatewayError], told: str, stream: bool
) -> None:
    async with Gateway.load(MOCK) as gateway:
        with pytest.raises(kind, match=told):
            await gateway.run(**arguments, stream=stream)


async def failing(call: Call, call_next: Handler) -> Reply:
    raise KeyError("sk-secret")


class Broken:
    surfaces = ("chat",)

    async def __call__(self, call: Call) -> Reply:
        raise KeyError("sk-secret")


async def test_what_fails_inside_is_a_gateway_error_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with Gateway.load({"providers": {"x": {"type": f"{HERE}:Broken"}}}) as gateway:
        with pytest.raises(GatewayError, match="its log has more under req_") as caught:
            await gateway.run("x/y", messages=USER)
        assert "sk-secret" not in caught.value.message
        assert "sk-secret" in caplog.text


async def test_it_must_be_open() -> None:
    gateway = Gateway.load(MOCK)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="async with"):
            await gateway.run("mock/echo", messages=USER)
        async with gateway:
            assert (await gateway.run("mock/echo", messages=USER)).text


async def test_keys_are_the_doors_affair() -> None:
    config = NOTED | {"auth": {"keys": [{"name": "a", "key": "sk-a", "models": ["none"]}]}}
    async with Gateway.load(config) as gateway:
        assert (await gateway.run("mock/echo", messages=USER)).text == "Hello?"
    assert CALLS[0].caller is None


async def test_a_cancelled_call_ends() -> None:
    async def silent(request: Received, wire: Wire) -> None:
        await wire.left()

    with Upstream(silent) as upstream:
        config = {"providers": {"up": block(upstream)}, "pipeline": {"model": [f"{HERE}:noting"]}}
        async with Gateway.load(config) as gateway:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await gateway.run("up/m", messages=USER)
        upstream.background.until(lambda: upstream.left == 1)
    assert [outcome.kind for outcome in OUTCOMES] == ["cancelled"]


async def test_no_server_no_port_no_task_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    def bind(*_: object) -> None:
        raise AssertionError("a port was opened")

    monkeypatch.setattr(socket.socket, "bind", bind)
    monkeypatch.setattr(asyncio.get_running_loop(), "create_server", bind)
    before = asyncio.all_tasks(), threading.active_count()
    async with Gateway.load(MOCK) as gateway:
        await gateway.run("mock/echo", messages=USER)
        async with gateway.run("mock/echo", messages=USER, stream=True) as stream:
            await anext(stream)
        assert len(gateway.env.tasks) == 0
        assert asyncio.all_tasks() == before[0]
    assert (asyncio.all_tasks(), threading.active_count()) == before
    gc.collect()


def test_importing_the_package_loads_nothing() -> None:
    program = (
        "import sys, gateway; assert gateway.__version__; assert 'gateway.build' not in sys.modules\n"
        "from gateway import Gateway; assert Gateway.__module__ == 'gateway.build'\n"
        "assert 'uvicorn' not in sys.modules, 'a library needs no server'\n"
        "try: gateway.Nothing\n"
        "except AttributeError: print('good')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "good\n"
