from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import BadRequestError, NotFoundError, OpenAI

from gateway.testing import Served, serve

KEYS = [{"name": name, "key": f"sk-{name}"} for name in ("me", "you")]


@pytest.fixture
def served(database_url: str) -> Iterator[Served]:
    config = {"providers": {"mock": {}}, "auth": {"keys": KEYS}, "database": database_url}
    with serve(config, {}) as served:
        yield served


@pytest.fixture
def client(served: Served) -> Iterator[OpenAI]:
    with OpenAI(base_url=served.base_url, api_key="sk-me", max_retries=0) as client:
        yield client


def user(text: str) -> Any:
    return {"type": "message", "role": "user", "content": text}


def test_the_sdk_s_whole_round(client: OpenAI) -> None:
    made = client.conversations.create(metadata={"topic": "demo"}, items=[user("Hello!")])
    assert (made.object, made.metadata) == ("conversation", {"topic": "demo"})
    assert client.conversations.retrieve(made.id) == made
    changed = client.conversations.update(made.id, metadata={"topic": "other"})
    assert changed.metadata == {"topic": "other"}
    assert client.conversations.retrieve(made.id).metadata == {"topic": "other"}

    added = client.conversations.items.create(
        made.id,
        items=[
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hm."}]},  # type: ignore[typeddict-item,list-item]
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
            {"type": "function_call", "call_id": "c2", "name": "g", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "1"},
            {"type": "function_call_output", "call_id": "c2", "output": "2"},
        ],
    )
    kinds = [item.type for item in added.data]
    assert kinds == ["message", "function_call", "function_call", "function_call_output", "function_call_output"]
    everything = list(client.conversations.items.list(made.id, order="asc", limit=2))
    assert [item.type for item in everything] == ["message", *kinds], "pages, also within one message's items"
    backwards = list(client.conversations.items.list(made.id, limit=2))
    assert [item.id for item in backwards] == [item.id for item in everything][::-1]

    first = everything[0]
    assert first.type == "message"
    assert first.content[0].text == "Hello!"  # type: ignore[union-attr]
    for item in everything:
        assert client.conversations.items.retrieve(item.id or "", conversation_id=made.id) == item
    left = client.conversations.items.delete(first.id, conversation_id=made.id)
    assert left.id == made.id
    with pytest.raises(NotFoundError):
        client.conversations.items.retrieve(first.id, conversation_id=made.id)
    assert len(list(client.conversations.items.list(made.id))) == 5

    gone = client.conversations.delete(made.id)
    assert (gone.deleted, gone.object) == (True, "conversation.deleted")
    with pytest.raises(NotFoundError) as missing:
        client.conversations.retrieve(made.id)
    assert missing.value.code == "conversation_not_found"


def test_another_key_s_conversations_are_not_there(client: OpenAI, served: Served) -> None:
    made = client.conversations.create(items=[user("mine")])
    item = client.conversations.items.list(made.id).data[0]
    with OpenAI(base_url=served.base_url, api_key="sk-you", max_retries=0) as other:
        refused = []
        for conversation in (made.id, "conv_never"):
            for act in (
                lambda name: other.conversations.retrieve(name),
                lambda name: other.conversations.update(name, metadata={}),
                lambda name: other.conversations.delete(name),
                lambda name: other.conversations.items.list(name),
                lambda name: other.conversations.items.create(name, items=[user("x")]),
                lambda name: other.conversations.items.retrieve(item.id, conversation_id=name),
                lambda name: other.conversations.items.delete(item.id, conversation_id=name),
            ):
                with pytest.raises(NotFoundError) as caught:
                    act(conversation)
                refused.append(str(caught.value).replace(conversation, "ID"))
        assert len(set(refused)) == 1, "what exists and what does not are told alike"
        assert other.get("/conversations", cast_to=httpx.Response).json()["data"] == []
        mine = other.conversations.create()
        with pytest.raises(NotFoundError):
            other.conversations.items.retrieve(item.id, conversation_id=mine.id)
        with pytest.raises(NotFoundError):
            other.conversations.items.delete(item.id, conversation_id=mine.id)
    assert len(client.conversations.items.list(made.id).data) == 1


def test_listing(client: OpenAI) -> None:
    made = [client.conversations.create().id for _ in range(5)]

    def page(**query: Any) -> Any:
        return client.get("/conversations", cast_to=httpx.Response, options={"params": query}).json()

    first = page(limit=2)
    assert [one["id"] for one in first["data"]] == made[:2:-1]
    assert first["has_more"]
    rest = page(after=first["last_id"])
    assert [one["id"] for one in rest["data"]] == made[2::-1]
    assert not rest["has_more"]
    assert [one["id"] for one in page(order="asc", limit=100)["data"]] == made


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "?limit=0", None, 400, "invalid_value"),
        ("GET", "?limit=x", None, 400, "invalid_value"),
        ("GET", "?order=up", None, 400, "invalid_value"),
        ("GET", "?after=conv_none", None, 404, "conversation_not_found"),
        ("POST", "", b"{", 400, "invalid_json"),
        ("POST", "", b"[]", 400, "invalid_type"),
        ("POST", "", b'{"metadata":{"a":1}}', 400, "invalid_type"),
        ("POST", "", b'{"metadata":{"%s":"a"}}' % (b"n" * 65), 400, "invalid_value"),
        ("POST", "", b'{"items":[1]}', 400, "invalid_value"),
        ("POST", "", b'{"items":[{"role":"user"}]}', 400, "invalid_value"),
        ("POST", "", b'{"items":[{"role":"boss","content":"a"}]}', 400, "invalid_value"),
        ("POST", "", b'{"items":[{"type":"reasoning"}]}', 400, "invalid_value"),
        ("POST", "", b'{"items":[{"type":"function_call"}]}', 400, "invalid_value"),
        ("POST", "", b'{"items":[{"type":7}]}', 400, "invalid_value"),
        ("POST", "", b'{"items":[{"role":"user","content":[{"type":"video"}]}]}', 400, "invalid_value"),
        ("POST", "", b'{"items":[%s]}' % b",".join([b"{}"] * 21), 400, "too_many_items"),
        ("POST", "/there", b"{}", 400, None),
        ("POST", "/there", b"", 400, "invalid_json"),
        ("POST", "/none", b'{"metadata":{}}', 404, "conversation_not_found"),
        ("POST", "/there/items", b"{}", 400, None),
        ("GET", "/there/items?after=msg_x", None, 400, "invalid_value"),
        ("GET", "/there/items/msg_x", None, 404, "item_not_found"),
        ("DELETE", "/there/items/msg_x", None, 404, "item_not_found"),
        ("GET", "/a%20b", None, 404, "conversation_not_found"),
        ("DELETE", "", None, 405, "method_not_allowed"),
        ("PUT", "/there", b"{}", 405, "method_not_allowed"),
        ("POST", "/there/items/msg_x", b"{}", 405, "method_not_allowed"),
    ],
)
def test_what_is_wrong_is_told(
    served: Served, client: OpenAI, method: str, path: str, body: bytes | None, status: int, code: str | None
) -> None:
    there = client.conversations.create().id
    answer = httpx.request(
        method,
        f"{served.base_url}/conversations{path.replace('there', there)}",
        content=body,
        headers={"authorization": "Bearer sk-me"},
    )
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    if code is not None:
        assert error["code"] == code


def test_it_needs_a_key(served: Served) -> None:
    for path in ("", "/x", "/x/items", "/x/items/y"):
        assert httpx.get(f"{served.base_url}/conversations{path}").status_code == 401


def test_metadata_has_bounds(client: OpenAI) -> None:
    with pytest.raises(BadRequestError, match="at most 16 pairs"):
        client.conversations.create(metadata={str(number): "" for number in range(17)})


def test_looking_makes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with serve({"providers": {"mock": {}}}, {}) as served:
        assert httpx.get(f"{served.base_url}/conversations").json()["data"] == []
        assert httpx.get(f"{served.base_url}/conversations/x").status_code == 404
        assert not (tmp_path / "gateway.db").exists()
        made = httpx.post(f"{served.base_url}/conversations").json()
        assert (tmp_path / "gateway.db").exists()
        assert httpx.get(f"{served.base_url}/conversations/{made['id']}").json() == made


def test_a_database_that_is_lost_is_a_503_and_costs_others_nothing(tmp_path: Path) -> None:
    config = {"providers": {"mock": {}}, "database": f"sqlite:///{tmp_path / 'none' / 'a.db'}"}
    with serve(config, {}) as served:
        answer = httpx.post(f"{served.base_url}/conversations")
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"
        assert answer.json()["error"]["code"] == "database_unavailable"
        ask = {"model": "mock/echo", "messages": [{"role": "user", "content": "Hello"}]}
        assert httpx.post(f"{served.base_url}/chat/completions", json=ask).status_code == 200
        assert httpx.get(f"{served.url}/health/ready").status_code == 200
        assert httpx.get(f"{served.url}/health").json()["database"] == {"up": False}
