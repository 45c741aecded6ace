import pytest

from tests.doors import Doors, error_of, opened


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
