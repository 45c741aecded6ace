from typing import Any
from urllib.parse import quote

import pytest

from tests.doors import Doors, anthropic_error_of, error_of, opened


@pytest.fixture(scope="module")
def listed():
    config = {
        "auth": {
            "keys": [
                {"name": "all", "key": "sk-all"},
                {"name": "few", "key": "sk-few", "models": ["mock/e*", "a:b/c"]},
                {"name": "none", "key": "sk-none", "models": []},
            ]
        },
        "models": {"a:b/c": {"targets": [{"to": "mock/echo"}], "aliases": ["claude-fast"]}},
    }
    with opened(config, {"models": ["gpt-1"]}) as doors:
        yield doors


def ids(doors: Doors, key: str) -> list[str]:
    answer = doors.client.get("/v1/models", headers={"authorization": f"Bearer {key}"})
    assert answer.status_code == 200
    assert answer.json()["object"] == "list"
    return [model["id"] for model in answer.json()["data"]]


def test_each_key_sees_what_it_may_use(listed: Doors) -> None:
    assert ids(listed, "sk-all") == [
        "a:b/c",
        "claude-fast",
        "up/gpt-1",
        "mock/echo",
        "mock/lorem",
        "mock/tools",
        "mock/embed",
        "mock/moderate",
    ]
    assert ids(listed, "sk-few") == ["a:b/c", "mock/echo", "mock/embed"]
    assert ids(listed, "sk-none") == []


@pytest.mark.parametrize("path", ["a:b/c", "a%3Ab%2Fc", "a%3ab%2fc", "mock/echo", "mock%2Fecho"])
def test_a_model_may_be_asked_for_raw_and_encoded(listed: Doors, path: str) -> None:
    for method in ("GET", "HEAD"):
        answer = listed.client.request(method, f"/v1/models/{path}", headers={"api-key": "sk-few"})
        assert answer.status_code == 200
    shown = listed.client.get(f"/v1/models/{path}", headers={"api-key": "sk-few"}).json()
    assert set(shown) == {"id", "object", "created", "owned_by"}
    assert shown["id"] in ("a:b/c", "mock/echo")
    assert shown["owned_by"] == "mock"


@pytest.mark.parametrize("name", ["claude-fast", "up/gpt-1", "nope", "x" * 5000, "%FF", "%0d%0a", ""])
def test_a_model_that_is_not_there_for_this_key(listed: Doors, name: str) -> None:
    answer = listed.client.get(f"/v1/models/{name}", headers={"api-key": "sk-few"})
    assert answer.status_code == 404
    error = error_of(answer.content)
    assert (error["code"], error["param"]) == ("model_not_found", "model")
    assert "claude-fast'?" not in error["message"]


# ---- in Anthropic's shape

VERSION = {"anthropic-version": "2023-06-01"}


def page(doors: Doors, query: str = "", key: str = "sk-all") -> Any:
    answer = doors.client.get(f"/v1/models{query}", headers={"x-api-key": key, **VERSION})
    assert answer.status_code == 200, answer.text
    assert answer.headers["request-id"] == answer.headers["x-request-id"]
    return answer.json()


def test_who_sends_a_version_gets_anthropics_shape(listed: Doors) -> None:
    shown = page(listed, key="sk-few")
    ids = [model["id"] for model in shown["data"]]
    assert ids[0] == "a:b/c"
    assert (shown["has_more"], shown["first_id"], shown["last_id"]) == (False, ids[0], ids[-1])
    one = listed.client.get("/v1/models/a%3Ab%2Fc", headers={"x-api-key": "sk-few", **VERSION}).json()
    assert one == shown["data"][0]
    assert set(one) == {"type", "id", "display_name", "created_at", "lifecycle"}
    assert one["created_at"].endswith("Z")
    assert page(listed, key="sk-none") == {"data": [], "has_more": False, "first_id": None, "last_id": None}


def test_pages(listed: Doors) -> None:
    everything = [model["id"] for model in page(listed, "?limit=1000")["data"]]
    first = page(listed, "?limit=3")
    assert [model["id"] for model in first["data"]] == everything[:3]
    assert first["has_more"]
    rest = page(listed, f"?limit=1000&after_id={quote(first['last_id'], safe='')}")
    assert [model["id"] for model in rest["data"]] == everything[3:]
    assert not rest["has_more"]
    before = page(listed, f"?limit=2&before_id={quote(everything[4])}")
    assert [model["id"] for model in before["data"]] == everything[2:4]
    assert before["has_more"]
    assert not page(listed, f"?limit=4&before_id={quote(everything[4])}")["has_more"]


def test_twenty_stand_on_a_page_unless_said() -> None:
    with opened({"models": {f"m{number}": "mock/echo" for number in range(40)}}) as doors:
        assert [len(page(doors, query)["data"]) for query in ("", "?limit=30", "?limit=")] == [20, 30, 20]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=-1", "limit=x", "limit=1e3", "after_id=no", "before_id=no"]
)
def test_what_is_wrong_with_a_page_is_told(listed: Doors, query: str) -> None:
    answer = listed.client.get(f"/v1/models?{query}", headers={"x-api-key": "sk-all", **VERSION})
    status, kind, text = anthropic_error_of(answer)
    assert (status, kind) == (400, "invalid_request_error")
    assert query.partition("=")[0] in text


def test_refusals_have_anthropics_shape_too(listed: Doors) -> None:
    answer = listed.client.get("/v1/models", headers={"x-api-key": "nope", **VERSION})
    assert anthropic_error_of(answer)[:2] == (401, "authentication_error")
    answer = listed.client.get("/v1/models/claude-fast", headers={"x-api-key": "sk-few", **VERSION})
    assert anthropic_error_of(answer)[:2] == (404, "not_found_error")
