"""The door to moderations, where the model's name may be left out."""

import json
from typing import Any

import pytest

from gateway.testing import Received, Wire
from tests.doors import Doors, block, error_of, opened

VERDICT = {"id": "modr-1", "model": "m", "results": [{"flagged": False}]}


async def passing(request: Received, wire: Wire) -> None:
    await wire.json(VERDICT)


def post(doors: Doors, body: Any) -> Any:
    return doors.client.post("/v1/moderations", content=body if isinstance(body, bytes) else json.dumps(body).encode())


@pytest.mark.parametrize("given", ["", "x", ["x", "y"], [{"type": "image_url", "image_url": {"url": "https://x"}}]])
def test_a_moderation_passes(doors: Doors, given: Any) -> None:
    doors.upstream.script = passing
    answer = post(doors, {"model": "up/m", "input": given, "x": 1})
    assert answer.json() == VERDICT
    assert doors.last().json == {"model": "m", "input": given, "x": 1}


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        (b"nothing", None, "invalid_json"),
        ({"model": "up/m"}, "input", "missing_required_parameter"),
        ({"model": "up/m", "input": 5}, "input", "invalid_type"),
        ({"model": "up/m", "input": []}, "input", "empty_array"),
    ],
)
def test_what_the_door_refuses(doors: Doors, body: Any, param: str | None, code: str) -> None:
    answer = post(doors, body)
    error = error_of(answer.content)
    assert (answer.status_code, error["param"], error["code"]) == (400, param, code)


def test_a_request_that_names_no_model_goes_to_the_first_provider_that_has_one(doors: Doors) -> None:
    answer = post(doors, {"input": "I will kill you"})  # the provider `up` stands first and has none
    assert answer.headers["x-gateway-provider"] == "mock"
    assert answer.headers["x-gateway-model"] == "moderate"
    assert answer.json()["results"][0]["flagged"]
    with opened(up={"moderation_model": "judge"}) as other:
        other.upstream.script = passing
        assert post(other, {"input": "x"}).headers["x-gateway-model"] == "judge"
        assert other.last().json["model"] == "judge"


def test_where_no_provider_moderates_a_model_must_be_named(doors: Doors) -> None:
    with opened(
        {"providers": {"up": block(doors.upstream), "mock": {"type": "mock", "moderation_model": None}}}
    ) as off:
        answer = post(off, {"input": "x"})
        assert (answer.status_code, error_of(answer.content)["param"]) == (400, "model")


def test_openai_itself_has_a_model_for_those_who_name_none() -> None:
    with opened(
        {"providers": {"mock": {"type": "mock", "moderation_model": None}, "o": {"type": "openai", "api_key": "sk"}}}
    ) as doors:
        gateway = doors.served.gateway
        assert gateway._moderation_model() == "o/omni-moderation-latest"
