"""Many customers of a graph that remembers, through a restart: nothing is lost, and nothing crosses over."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.servers import free_port, wait_for

AT_ONCE = 50
CONVERSATIONS, TURNS = 500, 10
ROOT = Path(__file__).parents[2]
GRAPH: dict[str, Any] = {
    "start": "learn",
    "memory": {"last": 4},
    "state": {
        "facts": {"reduce": "append", "keep": True},
        "turns": {"reduce": "add", "type": "integer", "keep": True},
    },
    "nodes": {
        "learn": {"template": "{{ input }}", "save": "facts"},
        "count": {"function": "tests.orchestration.test_many:one", "save": "turns"},
        "newest": {"template": "{{ newest | default('nothing') }} < {{ input }}", "keep": True},
        "answer": {"model": "mock/echo"},
    },
    "edges": [
        {"from": "learn", "to": ["count", "newest"]},
        {"from": ["count", "newest"], "to": "answer"},
        {"from": "answer", "to": "END"},
    ],
}


async def one() -> int:
    return 1


class Served:
    """`gateway serve`, a process of its own that may be stopped in any way and started again."""

    def __init__(self, folder: Path, database: str) -> None:
        keys = [{"name": name, "key": f"sk-{name}"} for name in ("me", "you")]
        config = {
            "providers": {"mock": {}},
            "auth": {"keys": keys},
            "database": {"url": database, "timeout": "20s"},  # a busy machine is no outage
            "graphs": {"g": GRAPH},
        }
        self._path = folder / "gateway.json"
        self._path.write_text(json.dumps(config))  # which is YAML too
        self._log = folder / "log"
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "gateway", "serve", "--config", str(self._path), "--port", str(self._port)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stderr=log, stdout=log, cwd=ROOT, env={**os.environ})
        wait_for(self._ready, self.url, 60)

    def end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(40)
            self._process = None

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health/ready", trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False


@contextmanager
def serving(folder: Path, database: str) -> Iterator[Served]:
    served = Served(folder, database)
    try:
        served.start()
        yield served
    finally:
        served.end(signal.SIGKILL)


class Customers:
    """Conversations of two keys that have the same names; every other client sends all that was said, each time."""

    def __init__(self, url: str) -> None:
        limits = httpx.Limits(max_connections=AT_ONCE)
        self._client = httpx.AsyncClient(base_url=f"{url}/v1", limits=limits, trust_env=False, timeout=60)
        self.said: dict[tuple[str, str], list[str]] = {
            (key, f"c{number}"): [] for number in range(CONVERSATIONS // 2) for key in ("me", "you")
        }
        self.answered = 0
        self.halfway = lambda: None
        """What is done when half of all turns have been answered."""

    async def __aenter__(self) -> "Customers":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def take(self, turns: int) -> None:
        """Bring each conversation to so many turns, some conversations at a time, or until the server is gone."""
        waiting = iter(list(self.said))

        async def client() -> None:
            with suppress(httpx.TransportError):
                for key, name in waiting:
                    while len(self.said[key, name]) < turns:
                        await self._turn(key, name)

        await asyncio.gather(*(client() for _ in range(AT_ONCE)))

    async def _turn(self, key: str, name: str) -> None:
        before = self.said[key, name]
        text = f"{key} {name} {len(before)}"
        history = [message for one in before for message in _turn(one)] if int(name[1:]) % 2 else []
        headers = {"x-gateway-conversation-id": name, "authorization": f"Bearer sk-{key}"}
        body = {"model": "graph:g", "messages": [*history, {"role": "user", "content": text}]}
        answer = await self._client.post("/chat/completions", json=body, headers=headers)
        assert answer.json()["choices"][0]["message"]["content"] == text
        before.append(text)
        self.answered += 1
        if self.answered == CONVERSATIONS * TURNS // 2:
            self.halfway()

    async def kept(self, key: str, name: str) -> list[str]:
        """What the turns of a conversation were, by its messages; all else that is kept says the same."""
        headers = {"authorization": f"Bearer sk-{key}"}
        found = (await self._client.get(f"/conversations/{name}", headers=headers)).json()
        if "error" in found:
            assert found["error"]["code"] == "conversation_not_found"
            return []
        page = await self._client.get(f"/conversations/{name}/items?order=asc&limit=100", headers=headers)
        texts = [(item["role"], item["content"][0]["text"]) for item in page.json()["data"]]
        users = [text for role, text in texts if role == "user"]
        assert texts == [(message["role"], message["content"]) for text in users for message in _turn(text)]
        newest = " < ".join(["nothing", *users])
        assert found["variables"] == {"facts": users, "turns": len(users), "newest": newest}
        return users

    async def look(self, *, lost: int) -> None:
        """Compare all conversations; of each at most `lost` turns may be missing, or be there unheard of."""
        for (key, name), said in self.said.items():
            kept = await self.kept(key, name)
            assert kept == [f"{key} {name} {number}" for number in range(len(kept))]
            assert abs(len(kept) - len(said)) <= lost
            said[:] = kept


def _turn(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}, {"role": "assistant", "content": text}]


@pytest.mark.slow
async def test_a_server_that_is_stopped_in_the_middle(database_url: str, tmp_path: Path) -> None:
    with serving(tmp_path, database_url) as served:
        async with Customers(served.url) as customers:
            await customers.take(TURNS // 2)
        served.end(signal.SIGTERM)
        served.start()
        said = customers.said
        async with Customers(served.url) as customers:
            customers.said = said
            await customers.look(lost=0)
            await customers.take(TURNS)
            await customers.look(lost=0)
            assert all(len(texts) == TURNS for texts in said.values())


@pytest.mark.slow
async def test_a_server_that_is_killed_in_the_middle(database_url: str, tmp_path: Path) -> None:
    with serving(tmp_path, database_url) as served:
        async with Customers(served.url) as customers:
            customers.halfway = lambda: served.end(signal.SIGKILL)
            await customers.take(TURNS)
            assert customers.answered < CONVERSATIONS * TURNS
        served.start()
        said = customers.said
        async with Customers(served.url) as customers:
            customers.said = said
            # The answer's last byte does not wait for the write: what was under way may be missing, each turn whole.
            await customers.look(lost=1)
            await customers.take(TURNS)
            await customers.look(lost=0)
            assert all(len(texts) == TURNS for texts in said.values())
