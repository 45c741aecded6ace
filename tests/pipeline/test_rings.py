"""Rings from the configuration: order, defaults, settings, and what is told of an entry that cannot be."""

import asyncio
import re
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from gateway.build import Gateway
from gateway.components import Components
from gateway.config.problems import ConfigError
from gateway.pipeline.rings import RINGS
from gateway.pipeline.stock import STOCK
from gateway.seam import Call, Env, Handler, Reply, Settings
from gateway.testing import Received, Wire, completion, events
from tests.doors import error_of, opened

HERE = __name__
KEYS = {"keys": [{"name": "dev", "key": "sk-dev"}]}
MOCK = {"mock": {"type": "mock"}}
EVENTS: list[str] = []


class Mark:
    """Adds its mark to the request's first text and to a header of the answer."""

    class Settings(Settings):
        mark: str = "?"

    def __init__(self, settings: Settings) -> None:
        self.mark = settings.mark

    async def start(self, env: Env) -> None:
        EVENTS.append(f"start {self.mark}")
        if self.mark == "fails":
            raise RuntimeError("no licence")

    async def aclose(self) -> None:
        EVENTS.append(f"close {self.mark}")

    async def __call__(self, call: Call, call_next: Handler) -> Reply:
        first = next(call.request.texts())
        first.text += self.mark
        reply = await call_next(call)
        marks = reply.head.headers.get(b"x-marks", b"")
        reply.head.headers[b"x-marks"] = marks + self.mark.encode()
        return reply


async def function(call: Call, call_next: Handler) -> Reply:
    return await call_next(call)


def generator(call: Call) -> Iterator[int]:
    yield 1


def mark(name: str) -> dict[str, str]:
    return {"use": f"{HERE}:Mark", "mark": name}


def problems(config: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        Gateway.load({"providers": MOCK, **config}, {})
    return [str(problem) for problem in caught.value.problems]


def test_order_is_the_lists_and_the_rings() -> None:
    EVENTS.clear()
    pipeline = {
        "request": [mark("1"), f"{HERE}:function", mark("2")],
        "model": [mark("3")],
        "attempt": [mark("4"), {"use": f"{HERE}:Mark"}],
    }
    with opened({"pipeline": pipeline}) as doors:
        answer = doors.chat("mock/echo")
        assert answer.json()["choices"][0]["message"]["content"] == "Hello?1234?"
        assert answer.headers["x-marks"] == "?4321"
        assert answer.headers["x-gateway-provider"] == "mock"
    assert [event for event in EVENTS if "start" in event] == [f"start {name}" for name in "1234?"]
    assert [event for event in EVENTS if "close" in event] == [f"close {name}" for name in "?4321"]


def test_the_attempt_ring_is_each_providers() -> None:
    with opened({"pipeline": {"attempt": [mark("!")]}}) as doors:
        doors.chat("up/m")
        assert doors.last().json["messages"][0]["content"] == "Hello?!"
        assert doors.chat("mock/echo").json()["choices"][0]["message"]["content"] == "Hello?!"


def test_a_ring_that_is_omitted_keeps_its_default() -> None:
    with opened({"auth": KEYS, "pipeline": {"model": []}}) as doors:
        assert doors.chat("mock/echo").status_code == 401
        assert doors.chat("mock/echo", headers={"x-api-key": "sk-dev"}).status_code == 200
    gateway = Gateway.load({"auth": KEYS, "providers": MOCK})
    assert [[layer.name for layer in gateway.rings[ring]] for ring in RINGS] == [["auth"], [], []]
    assert gateway.rings["request"][0].middleware is gateway.rings["request"][0].component  # stock is not watched
    for pipeline in (None, {}, {"request": None}):
        assert Gateway.load({"auth": KEYS, "pipeline": pipeline}).rings["request"]


def test_a_block_is_the_default_of_its_entry() -> None:
    with opened({"auth": KEYS, "pipeline": {"request": [mark("1"), {"use": "auth"}]}}) as doors:
        assert doors.chat("mock/echo", headers={"x-api-key": "sk-dev"}).status_code == 200
        assert doors.client.get("/v1/models").status_code == 401
    other = {"keys": [{"name": "other", "key": "sk-other"}]}
    with opened({"auth": KEYS, "pipeline": {"request": [{"use": "auth", **other}]}}) as doors:
        assert doors.chat("mock/echo", headers={"x-api-key": "sk-dev"}).status_code == 401
        assert doors.chat("mock/echo", headers={"x-api-key": "sk-other"}).status_code == 200
    Gateway.load({"server": {"host": "0.0.0.0"}, "pipeline": {"request": [{"use": "auth", **other}]}})


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"pipeline": {"requests": []}}, ["pipeline … requests"]),
        ({"pipeline": {"request": "auth"}}, ["pipeline.request: "]),
        ({"pipeline": {"request": [5]}}, ["pipeline.request[0]"]),
        ({"pipeline": {"request": [{"mark": "x"}]}}, ["pipeline.request[0]: expected … {use: NAME}"]),
        ({"pipeline": {"request": [{"use": ""}]}}, ["pipeline.request[0]: expected … {use: NAME}"]),
        (
            {"auth": KEYS, "pipeline": {"request": ["aut"]}},
            ["pipeline.request[0].use: nothing is called 'aut'; did you mean auth?", "pipeline.request: the block"],
        ),
        (
            {"auth": KEYS, "pipeline": {"request": [mark("1")]}},
            ["pipeline.request: the block 'auth' is configured, and this ring leaves 'auth' out; add {use: auth}, or"],
        ),
        ({"auth": KEYS, "pipeline": {"model": ["auth"]}}, ["pipeline.model[0].use: auth belongs into request, not"]),
        ({"pipeline": {"request": ["auth"]}}, ["pipeline.request[0] … keys … missing"]),
        ({"auth": {"keys": [{"name": "a"}]}}, ["auth.keys[0]: expected either key or sha256"]),
        (
            {"auth": {"keys": [{"name": "a"}]}, "pipeline": {"request": ["auth"]}},
            ["auth.keys[0]: expected either key or sha256"],
        ),
        (
            {"auth": KEYS, "pipeline": {"request": [{"use": "auth", "keys": [{"name": "a"}]}]}},
            ["pipeline.request[0].keys[0]: expected either key or sha256"],
        ),
        (
            {"auth": KEYS, "pipeline": {"request": [{"use": "auth", "kyes": []}]}},
            ["pipeline.request[0] … kyes"],
        ),
        (
            {"pipeline": {"request": [{"use": f"{HERE}:Mark", "mrak": "x"}, {"use": f"{HERE}:Mark", "mark": 1.5}]}},
            [
                "pipeline.request[0] … mrak",
                "pipeline.request[1].mark: ",
            ],
        ),
        (
            {"pipeline": {"attempt": [{"use": f"{HERE}:function", "timeout": "soon"}]}},
            ["pipeline.attempt[0].timeout: expected a duration"],
        ),
        (
            {"pipeline": {"attempt": [{"use": f"{HERE}:function", "timeout": 0}]}},
            ["pipeline.attempt[0].timeout: expected a duration above 0"],
        ),
        (
            {"pipeline": {"attempt": [f"{HERE}:generator"]}},
            [f"pipeline.attempt[0].use: {HERE}:generator ({HERE}:generator) has a `yield`"],
        ),
    ],
)
def test_an_entry_that_cannot_be_is_told(config: dict[str, Any], told: list[str]) -> None:
    found = problems(config)
    assert len(found) == len(told)
    for problem, pieces in zip(found, told, strict=True):
        assert re.match(".*".join(map(re.escape, pieces.split(" … "))), problem)


def test_the_stock_middlewares_are_there() -> None:
    for name, stock in STOCK.items():
        found = Components().find(name, {name: stock.maker}, "")
        assert found.stock
        assert set(stock.rings) <= set(RINGS)


def test_metrics_stand_outermost_unless_they_are_switched_off() -> None:
    with opened({"auth": KEYS, "pipeline": {"request": ["auth", mark("1")]}}) as doors:
        doors.chat("mock/echo")
        assert 'outcome="refused"' in doors.client.get("/metrics").text
    with opened({"orchestrator": {"enable_metrics": False}}) as doors:
        doors.chat("mock/echo")
        assert "gateway_requests" not in doors.client.get("/metrics").text


async def test_a_start_that_fails_is_told_with_the_plugins_name() -> None:
    EVENTS.clear()
    gateway = Gateway.load({"providers": MOCK, "pipeline": {"request": [mark("1"), mark("fails"), mark("3")]}})
    told = rf"^{HERE}:Mark \(in the request ring\) could not start: no licence$"
    with pytest.raises(RuntimeError, match=told):
        await gateway.__aenter__()
    assert EVENTS == ["start 1", "start fails", "close fails", "close 1"]


def test_a_setting_that_the_entry_keeps_for_itself_is_told() -> None:
    class Greedy(Mark):
        class Settings(Settings):
            timeout: int = 3

    sys.modules[HERE].Greedy = Greedy  # type: ignore[attr-defined]
    (problem,) = problems({"pipeline": {"model": [f"{HERE}:Greedy"]}})
    assert problem.endswith("has a setting `timeout`, which entries keep for the gateway; rename it")


# ---- over the wire


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plugins").mkdir()
    yield tmp_path / "plugins"
    for name in [name for name in sys.modules if name.startswith("plugins.")]:
        del sys.modules[name]


BROKEN = """
import asyncio
import functools
from gateway.seam import Reply

def meant(function):
    @functools.wraps(function)
    async def guarded(call, call_next):
        is_meant = call.request.body["user"] == function.__name__
        return await (function(call, call_next) if is_meant else call_next(call))
    return guarded

@meant
async def raises(call, call_next):
    raise RuntimeError("sk-secret")

def raises_in_a_thread(call):
    if call.request.body["user"] == "raises_in_a_thread":
        raise RuntimeError("sk-secret")

@meant
async def returns_nothing(call, call_next):
    await (await call_next(call)).aclose()

@meant
async def hangs(call, call_next):
    await asyncio.Event().wait()

@meant
async def taps(call, call_next):
    return (await call_next(call)).tap(lambda batch: 1 / 0)

@meant
async def breaks_its_source(call, call_next):
    reply = await call_next(call)
    async def batches():
        async for batch in reply:
            raise RuntimeError("sk-secret")
            yield batch
    return Reply(call, batches(), reply.head, inner=reply)
"""
KINDS = ("raises", "raises_in_a_thread", "returns_nothing", "hangs", "taps", "breaks_its_source")


@pytest.mark.parametrize("ring", RINGS)
def test_a_plugin_that_fails_is_an_error_with_its_name(plugins: Path, ring: str) -> None:
    (plugins / "broken.py").write_text(BROKEN)

    async def script(request: Received, wire: Wire) -> None:
        if request.json.get("stream"):
            await wire.stream(events("Hel", "lo."))
        else:
            await wire.json(completion())

    entries = [{"use": f"broken:{kind}", "timeout": "100ms" if kind == "hangs" else "30s"} for kind in KINDS]
    with opened({"pipeline": {ring: entries}}) as doors:
        doors.upstream.script = script
        for kind in KINDS:
            for stream in (False, True):
                answer = doors.chat("up/m", stream=stream, user=kind)
                status, code = (504, "plugin_timeout") if kind == "hangs" else (500, "plugin_failed")
                assert answer.status_code == status
                error = error_of(answer.content)
                assert f"'broken:{kind}'" in error["message"]
                assert (error["code"], error["type"]) == (code, "server_error")
                assert "sk-secret" not in answer.text
                doors.quiet()
        assert doors.chat("up/m", user="none").status_code == 200


def test_functions_that_block_wait_their_turn_while_the_gateway_goes_on() -> None:
    may, begun = threading.Event(), threading.Semaphore(0)

    def blocks(call: Call) -> None:
        begun.release()
        assert may.wait(20)

    sys.modules[HERE].blocks = blocks  # type: ignore[attr-defined]
    config = {"server": {"threads": 2}, "pipeline": {"attempt": [f"{HERE}:blocks"]}}
    with opened(config) as doors, ThreadPoolExecutor(10) as pool:
        answers = [pool.submit(doors.chat, "mock/echo") for _ in range(10)]
        assert all(begun.acquire(timeout=20) for _ in range(2))
        assert doors.client.get("/health/live").status_code == 200
        threads = doors.served.gateway.env.threads
        doors.served.background.until(lambda: len(threads) == 10)
        assert not begun.acquire(timeout=0)
        may.set()
        assert [answer.result(20).status_code for answer in answers] == [200] * 10


def test_a_client_that_leaves_ends_a_plugins_wait(plugins: Path) -> None:
    (plugins / "hangs.py").write_text(
        "import asyncio\nasync def hangs(call, call_next):\n    await asyncio.Event().wait()\n"
    )
    with opened({"pipeline": {"request": ["hangs"]}}) as doors:
        with doors.raw() as raw:
            raw.post(b'{"model":"mock/echo","messages":[]}')
            tasks = doors.served._server.server_state.tasks
            doors.served.background.until(lambda: bool(tasks))
        doors.served.idle()


def test_threads_are_drained_when_the_gateway_is_left() -> None:
    entered, may, over = threading.Event(), threading.Event(), []

    def slow(call: Call) -> None:
        entered.set()
        assert may.wait(20)
        over.append(True)

    sys.modules[HERE].slow = slow  # type: ignore[attr-defined]

    async def main() -> None:
        async with Gateway.load({"providers": MOCK, "pipeline": {"model": [f"{HERE}:slow"]}}) as gateway:
            from gateway.testing import chat_call

            task = gateway.env.tasks.spawn(gateway.env.run(chat_call()))  # type: ignore[arg-type]
            assert await asyncio.get_running_loop().run_in_executor(None, entered.wait, 20)
            task.cancel()
            asyncio.get_running_loop().call_later(0.05, may.set)
        assert over == [True]

    asyncio.run(main())


def test_what_may_be_a_secret_is_not_shown() -> None:
    entry = {
        "use": "slack_errors",
        "url": "https://hooks.slack.com/services/T/B/sk-secret",
        "every": "1m",
        "patience": 5,
    }
    (layer,) = Gateway.load({"providers": MOCK, "pipeline": {"request": [entry]}}).rings["request"]
    assert layer.shown == {"url": "…", "every": "1m", "patience": 5}
    assert re.fullmatch(r"plugins/slack_errors\.py:\d+", layer.origin)
    nested = layer._replace(settings={"api": {"key": "k", "name": "n"}, "list": ["a", "x://y"], "text": "x" * 61})
    assert nested.shown == {"api": {"key": "…", "name": "n"}, "list": ["a", "…"], "text": "…"}


def test_models_as_they_were_built() -> None:
    models = {
        "fast": {"targets": [{"to": "mock/echo"}], "aliases": ["quick"], "timeout": {"total": "3s"}},
        "e": "mock/x",
    }
    gateway = Gateway.load({"providers": MOCK, "models": models})
    assert gateway.models["fast"][:2] == (("mock/echo",), ("quick",))
    assert gateway.models["fast"].timeouts.total == 3
    assert gateway.models["e"].targets == ("mock/x",)
