import logging
from typing import Any

import pytest

from gateway.testing import serve
from tests.doors import USER, Doors, error_of, opened

AUTH = {"keys": [{"name": "web", "key": "sk-web"}, {"name": "free", "key": "sk-free"}]}


def config(**settings: Any) -> dict[str, Any]:
    return {"auth": AUTH, "pipeline": {"request": ["auth", {"use": "tenant", **settings}]}}


def ask(doors: Doors, key: str = "sk-free", **headers: str) -> Any:
    return doors.chat("mock/echo", headers={"x-api-key": key} | headers)


def test_a_header_names_the_tenant(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), opened(config()) as doors:
        assert ask(doors, **{"x-tenant": "acme"}).headers["x-tenant"] == "acme"
        assert "x-tenant" not in ask(doors).headers
        assert "tenant acme, model mock/echo, ok, " in caplog.text
        for bad in ("a b", "", "é".encode(), "x" * 65):
            answer = ask(doors, **{"x-tenant": bad})
            assert (answer.status_code, error_of(answer.content)["code"]) == (400, "unknown_tenant")


def test_a_keys_tenant_cannot_be_talked_over() -> None:
    with opened(config(keys={"web": "acme"}, known=["acme", "globex"], header="X-Org")) as doors:
        assert ask(doors, "sk-web", **{"x-org": "globex"}).headers["x-org"] == "acme"
        assert ask(doors, "sk-free", **{"x-org": "globex"}).headers["x-org"] == "globex"
        assert ask(doors, "sk-free", **{"x-org": "initech"}).status_code == 400


def test_a_tenant_can_be_required() -> None:
    with opened(config(required=True)) as doors:
        error = error_of(ask(doors).content)
        assert (error["code"], error["message"]) == ("missing_tenant", "Name your tenant in the header x-tenant.")


def test_streams_have_it_too() -> None:
    with serve({"providers": {"mock": {}}, "pipeline": {"request": ["tenant"]}}) as served:
        import httpx

        body = {"model": "mock/echo", "messages": USER, "stream": True}
        headers = {"x-tenant": "acme"}
        answer = httpx.post(f"{served.base_url}/chat/completions", json=body, headers=headers, trust_env=False)
        assert answer.headers["x-tenant"] == "acme"
        assert "[DONE]" in answer.text
