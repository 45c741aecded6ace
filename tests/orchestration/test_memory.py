"""Chains with memory, served, asked by the SDK."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from openai import APIStatusError, OpenAI

from gateway.testing import Received, Served, Upstream, Wire, completion, events, serve

KEYS = [{"name": name, "key": f"sk-{name}"} for name in ("me", "you")]
ID = "x-gateway-conversation-id"


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    async def script(received: Received, wire: Wire) -> None:
        last = received.json["messages"][-1]["content"]
        if last == "fail":
            await wire.json({"error": {"message": "no"}}, 400)
        elif received.json.get("stream"):
            await wire.stream(events("to ", last))
        else:
            await wire.json(completion(f"to {last}"))

    with Upstream(script) as upstream:
        yield upstream


@contextmanager
def tutor(upstream: Upstream, database: str, **memory: Any) -> Iterator[Served]:
    chain = {"type": "conversational", "model": "fast", "system": "You teach.", "memory": memory}
    config = {
        "providers": {"up": {"type": "openai", "base_url": f"{upstream.url}/v1"}},
        "models": {"fast": "up/m"},
        "auth": {"keys": KEYS},
        "database": database,
        "chains": {"tutor": chain},
    }
    with serve(config, {}) as served:
        yield served


def ask(
    served: Served, text: str, name: str | None = "c", *, key: str = "me", stream: bool = False, **more: Any
) -> str:
    headers = {ID: name} if name else {}
    with OpenAI(base_url=served.base_url, api_key=f"sk-{key}", max_retries=0, default_headers=headers) as client:
        wanted: Any = {"model": "chain:tutor", "messages": [{"role": "user", "content": text}], **more}
        if not stream:
            return client.chat.completions.create(**wanted).choices[0].message.content or ""
        with client.chat.completions.create(**wanted, stream=True) as chunks:
            return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def shown(upstream: Upstream) -> list[str]:
    """What the model saw last."""
    return [message["content"] for message in upstream.received[-1].json["messages"]]


def test_a_chain_remembers_through_a_restart(upstream: Upstream, database_url: str) -> None:
    with tutor(upstream, database_url, last=2) as served:
        assert ask(served, "a") == "to a"
        assert ask(served, "b", stream=True) == "to b"
        assert shown(upstream) == ["You teach.", "a", "to a", "b"]
    with tutor(upstream, database_url, last=2) as served:
        ask(served, "c")
        assert shown(upstream) == ["You teach.", "b", "to b", "c"]
        ask(served, "x", key="you")
        assert shown(upstream) == ["You teach.", "x"], "another key's conversation of that name is another"
        ask(served, "y", None)
        assert shown(upstream) == ["You teach.", "y"]
        with pytest.raises(APIStatusError):
            ask(served, "fail")
        with OpenAI(base_url=served.base_url, api_key="sk-me") as client:
            items = list(client.conversations.items.list("c", order="asc"))
        assert [item.content[0].text for item in items] == ["a", "to a", "b", "to b", "c", "to c"]  # type: ignore[union-attr]


def test_the_id_in_the_body_stays_here(upstream: Upstream, database_url: str) -> None:
    with tutor(upstream, database_url, last=2) as served:
        ask(served, "a", None, metadata={"conversation_id": "m"})
        assert "metadata" not in upstream.received[-1].json
        ask(served, "b", None, metadata={"conversation_id": "m", "own": "1"})
        assert upstream.received[-1].json["metadata"] == {"own": "1"}
        assert shown(upstream) == ["You teach.", "a", "to a", "b"]


def test_anthropics_clients_have_conversations_too(upstream: Upstream, database_url: str) -> None:
    with tutor(upstream, database_url, last=2) as served:
        ask(served, "a")
        body = {"model": "chain:tutor", "max_tokens": 99, "messages": [{"role": "user", "content": "b"}]}
        headers = {"x-api-key": "sk-me", ID: "c", "anthropic-version": "2023-06-01"}
        answer = httpx.post(f"{served.base_url}/messages", json=body, headers=headers)
        assert answer.json()["content"][0]["text"] == "to b"
        assert shown(upstream) == ["You teach.", "a", "to a", "b"]
        ask(served, "c")
        assert shown(upstream) == ["You teach.", "b", "to b", "c"]


def test_without_a_database_only_what_keeps_something_is_refused(upstream: Upstream, tmp_path: Any) -> None:
    with tutor(upstream, f"sqlite:///{tmp_path / 'none' / 'a.db'}", last=2) as served:
        assert ask(served, "a", None) == "to a"
        with pytest.raises(APIStatusError) as refused:
            ask(served, "a")
        assert (refused.value.status_code, refused.value.code) == (503, "database_unavailable")
        assert httpx.get(f"{served.url}/health/ready").status_code == 200
