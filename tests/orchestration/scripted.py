"""A scripted model that keeps what it was asked, behind a gateway that is used as a library."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from gateway import Gateway
from gateway.seam import Batch, Call, Chunk, Env, GatewayError, Head, Outcome, Reply, UpstreamError
from gateway.testing import completion, events
from gateway.wire.chat import CHAT_ANSWER, CHAT_EVENT

Say = str | Exception | Callable[[Any], Any]


class Scripted:
    """A provider in the gateway's own loop: `says` maps a pattern of the last user text to what is answered.

    What stands in `says` is a text, an error, or a function of the call's body. Texts that hold `wait` wait for `go`.
    Anything else is answered by `<last user text>`.
    """

    surfaces = ("chat",)
    models: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.says: dict[str, Say] = {}
        self.asked: list[dict[str, Any]] = []
        self.models_asked: list[str] = []
        self.calls: list[Call] = []
        self.ended: list[Outcome] = []
        self.running = 0
        self.most = 0
        self.cancelled = 0
        self.go = asyncio.Event()

    @property
    def prompts(self) -> list[str]:
        """The last user texts, in the order in which they came."""
        return [_last(body) for body in self.asked]

    async def __call__(self, call: Call) -> Reply:
        body = json.loads(call.request.raw)
        self.asked.append(body)
        self.calls.append(call)
        call.on_end(self.ended.append)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            said = await self._said(body)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.running -= 1
        if not call.request.stream:
            return Reply.of(call, Chunk(json.dumps(completion(said)).encode(), CHAT_ANSWER), Head())
        return Reply(call, self._stream(said), Head())

    async def _said(self, body: dict[str, Any]) -> str:
        text = _last(body)
        if "wait" in text:
            await self.go.wait()
        else:
            await asyncio.sleep(0)
        for pattern, said in self.says.items():
            if re.search(pattern, text):
                if callable(said):
                    said = said(body)
                if isinstance(said, Exception):
                    raise said
                return str(said)
        return f"<{text}>"

    async def _stream(self, said: str) -> AsyncIterator[Batch]:
        pieces = [*said.partition(" ")[:2], said.partition(" ")[2]] if " " in said else [said]
        for event in events(*pieces):
            if b"slow" in event:
                await self.go.wait()
            yield Batch(event, CHAT_EVENT)


def _last(body: Mapping[str, Any]) -> str:
    texts = [message["content"] for message in body["messages"] if message["role"] == "user"]
    return texts[-1] if texts and isinstance(texts[-1], str) else ""


def failing(status: int = 503, message: str = "It is down.") -> GatewayError:
    return UpstreamError(message, status=status)


class World:
    """A gateway with the model `m` (aliases `m2`), which is scripted."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        (model,) = (provider for name, provider in gateway._parts() if name == "providers.s")
        self.model: Scripted = model

    @property
    def env(self) -> Env:
        return self.gateway.env

    async def ask(self, name: str, text: str = "Hi", **more: Any) -> str:
        """The text that a chain or graph answers."""
        answer = await self.gateway.run(name, messages=more.pop("messages", user(text)), **more)
        return answer.text


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def once(target: str) -> dict[str, Any]:
    """A model that is asked once, whatever comes of it: what is tested is what steps do."""
    return {"targets": [{"to": target}], "retry": {"attempts": 1}}


SCRIPTED = {"type": "tests.orchestration.scripted:Scripted", "breaker": {"consecutive": 1000, "min_calls": 1000}}


@asynccontextmanager
async def world(**blocks: Any) -> AsyncIterator[World]:
    """A gateway with these blocks; nothing may run in it when it is left."""
    config = {
        "providers": {"s": SCRIPTED, **blocks.pop("providers", {})},
        "models": {"m": once("s/m"), "m2": once("s/m2"), **blocks.pop("models", {})},
        **blocks,
    }
    async with Gateway.load(config) as gateway:
        world = World(gateway)
        yield world
        await quiet(world)
        assert len(world.model.ended) == len(world.model.calls)


async def quiet(world: World) -> None:
    """Wait until no task is left."""
    async with asyncio.timeout(10):
        while len(world.env.tasks):  # noqa: ASYNC110 (what is waited for tells nobody)
            await asyncio.sleep(0)


async def until(true: Callable[[], bool]) -> None:
    """Wait until something has come to be so in this loop."""
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 (what is waited for tells nobody)
            await asyncio.sleep(0)
