"""Workflows with memory behind a served gateway and a scripted model, for tests of what is remembered."""

import asyncio
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from openai import OpenAI

from gateway.testing import Received, Served, Upstream, Wire, completion, events, serve

KEYS = [{"name": name, "key": f"sk-{name}"} for name in ("me", "you")]
ID = "x-gateway-conversation-id"


class Model:
    """A model that answers `to <last message>`, unless `says` has a pattern of it; `fail` in it is a 400, `down` a 503.

    One whose last message holds `wait` is answered when `go` is set, and `waiting` counts those. A stream whose last
    message holds `cut` comes to its first word and no further.
    """

    def __init__(self) -> None:
        self.says: dict[str, str] = {}
        self.go = threading.Event()
        self.waiting = 0

    async def __call__(self, received: Received, wire: Wire) -> None:
        last = received.json["messages"][-1]["content"]
        if "fail" in last or "down" in last:
            await wire.json({"error": {"message": "no"}}, 400 if "fail" in last else 503)
            return
        if "wait" in last:
            self.waiting += 1
            while not self.go.is_set():  # noqa: ASYNC110 (it is set in another thread)
                await asyncio.sleep(0.005)
        said = next((said for pattern, said in self.says.items() if re.search(pattern, last)), f"to {last}")
        if received.json.get("stream") and "cut" in last:
            await wire.open()
            for event in events("begun")[:2]:
                await wire.chunk(event)
            await wire.left()
        elif received.json.get("stream"):
            await wire.stream(events(*re.split(r"(?= )", said)))
        else:
            await wire.json(completion(said))


class Remembering:
    """A served gateway whose model `m` is the scripted one."""

    def __init__(self, served: Served, upstream: Upstream, model: Model) -> None:
        self.served = served
        self.upstream = upstream
        self.model = model

    def ask(
        self,
        workflow: str,
        text: str | list[Any],
        name: str | None = "c",
        *,
        key: str = "me",
        stream: bool = False,
        **more: Any,
    ) -> str:
        """One turn; the text of its answer. It is written when this returns."""
        messages: Any = [{"role": "user", "content": text}] if isinstance(text, str) else text
        headers = {ID: name} if name else {}
        with self.client(key, headers) as client:
            wanted: Any = {"model": workflow, "messages": messages, **more}
            if stream:
                with client.chat.completions.create(**wanted, stream=True) as chunks:
                    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
            else:
                said = client.chat.completions.create(**wanted).choices[0].message.content or ""
        self.served.idle()
        return said

    def client(self, key: str = "me", headers: dict[str, str] | None = None) -> OpenAI:
        """The SDK."""
        return OpenAI(base_url=self.served.base_url, api_key=f"sk-{key}", max_retries=0, default_headers=headers)

    def shown(self, back: int = 1) -> list[str]:
        """What the model saw last, or in the call before that."""
        return [message["content"] for message in self.upstream.received[-back].json["messages"]]

    def kept(self, name: str = "c", key: str = "me", **query: str) -> list[str]:
        """The texts of a conversation's messages."""
        with self.client(key) as client:
            items = client.conversations.items.list(name, order="asc", extra_query=query)
            return [item.content[0].text for item in items]  # type: ignore[union-attr]

    def variables(self, name: str = "c", key: str = "me") -> Any:
        """What is kept beside them."""
        return self.get(f"/{name}", key).json().get("variables", {})

    def get(self, path: str, key: str = "me", method: str = "GET") -> httpx.Response:
        """A request to the conversations."""
        headers = {"authorization": f"Bearer sk-{key}"}
        return httpx.request(method, f"{self.served.base_url}/conversations{path}", headers=headers, trust_env=False)


@contextmanager
def remembering(database: str, **blocks: Any) -> Iterator[Remembering]:
    """A gateway with these blocks."""
    model = Model()
    with Upstream(model) as upstream:
        config = {
            "providers": {"up": {"type": "openai", "base_url": f"{upstream.url}/v1"}},
            "auth": {"keys": KEYS},
            "database": database,
            **blocks,
            "models": {"m": "up/m", **blocks.get("models", {})},
        }
        with serve(config, {}) as served:
            yield Remembering(served, upstream, model)
