import json
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest

from gateway.providers.mock import Mock, MockSettings
from gateway.seam import Call, Request, Target, Tasks, Timeouts
from gateway.seam.settings import decode


class Client:
    """Asks a mock provider and reads what it answers."""

    def __init__(self, tasks: Tasks) -> None:
        self.tasks = tasks
        self.provider = Mock()

    def configure(self, **settings: Any) -> Mock:
        self.provider = Mock(msgspec.convert(settings, MockSettings, dec_hook=decode))
        return self.provider

    def call(self, model: str = "echo", *, stream: bool = False, target: str | None = None, **body: Any) -> Call:
        raw = json.dumps({"model": model, "stream": stream, **body}).encode()
        request = Request("chat", raw, model=model, stream=stream)
        where = None if target is None else Target("mock", target, Timeouts())
        return Call(request, self.tasks, target=where)

    async def whole(self, model: str = "echo", **body: Any) -> dict[str, Any]:
        reply = await self.provider(self.call(model, **body))
        answer: dict[str, Any] = json.loads((await reply.whole()).raw)
        return answer

    async def message(self, model: str = "echo", **body: Any) -> dict[str, Any]:
        return (await self.whole(model, **body))["choices"][0]["message"]

    async def say(self, text: str, model: str = "echo", **body: Any) -> Any:
        return (await self.message(model, messages=[{"role": "user", "content": text}], **body))["content"]

    async def events(self, model: str = "echo", **body: Any) -> list[dict[str, Any]]:
        reply = await self.provider(self.call(model, stream=True, **body))
        events = [chunk.raw async for batch in reply for chunk in batch.chunks]
        assert events.pop() == b"data: [DONE]\n\n"
        return [json.loads(event.removeprefix(b"data: ")) for event in events]


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    client = Client(Tasks(logging.getLogger("test")))
    yield client
    assert client.provider.open == 0


@pytest.fixture
def user() -> Callable[[str], list[dict[str, str]]]:
    return lambda text: [{"role": "user", "content": text}]
