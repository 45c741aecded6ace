"""The door to embeddings: what it takes, and in which form it answers."""

import json
from typing import Any

import pytest

from gateway.testing import Received, Wire
from gateway.testing.upstream import Script
from gateway.wire.embeddings import packed
from tests.doors import Doors, error_of

NUMBERS = b'{"data":[{"embedding":[1.00,2.5],"index":0,"x":1e2}],"usage":{"prompt_tokens":3},"n":1.00}'
BASE64 = NUMBERS.replace(b"[1.00,2.5]", b'"%s"' % packed([1, 2.5]).encode())


def answering(document: bytes) -> Script:
    async def script(request: Received, wire: Wire) -> None:
        await wire.json(document)

    return script


def post(doors: Doors, body: Any) -> Any:
    content = body if isinstance(body, bytes) else json.dumps({"model": "up/m", **body}).encode()
    return doors.client.post("/v1/embeddings", content=content)


@pytest.mark.parametrize("form", [None, "float", "base64"])
@pytest.mark.parametrize("answer", [NUMBERS, BASE64])
def test_the_form_that_was_asked_for_whichever_the_provider_answers_in(
    doors: Doors, form: str | None, answer: bytes
) -> None:
    doors.upstream.script = answering(answer)
    came = post(doors, {"input": "x", "encoding_format": form} if form else {"input": "x"})
    wanted = BASE64 if form == "base64" else NUMBERS
    assert came.json() == json.loads(wanted)
    if answer == wanted:
        assert came.content == answer
    assert b'"x":1e2' in came.content
    assert b'"n":1.00' in came.content
    assert int(came.headers["content-length"]) == len(came.content)


def test_forms_that_only_the_provider_knows_are_its_own(doors: Doors) -> None:
    doors.upstream.script = answering(BASE64)
    assert post(doors, {"input": "x", "encoding_format": "ubinary"}).content == BASE64
    assert doors.last().json["encoding_format"] == "ubinary"


@pytest.mark.parametrize("vector", [b'"AAA"', b'"!"'])
def test_a_vector_that_is_none_is_the_providers_failure(doors: Doors, vector: bytes) -> None:
    doors.upstream.script = answering(b'{"data":[{"embedding":%s}]}' % vector)
    answer = post(doors, {"input": "x"})
    assert (answer.status_code, error_of(answer.content)["code"]) == (502, "upstream_error")
    assert 'outcome="failed"' in doors.client.get("/metrics").text


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        (b"{", None, "invalid_json"),
        (b"[]", None, "invalid_type"),
        ({}, "input", "missing_required_parameter"),
        ({"input": None}, "input", "missing_required_parameter"),
        ({"input": 5}, "input", "invalid_type"),
        ({"input": {"text": "x"}}, "input", "invalid_type"),
        ({"input": ""}, "input", "invalid_value"),
        ({"input": []}, "input", "empty_array"),
        (b'{"model":"up/m","input":[ \n ]}', "input", "empty_array"),
        ({"input": "x", "encoding_format": 5}, "encoding_format", "invalid_type"),
        ({"input": "x", "model": 5}, "model", "invalid_type"),
        (b'{"input":"x"}', "model", "missing_required_parameter"),
    ],
)
def test_what_the_door_refuses(doors: Doors, body: Any, param: str | None, code: str) -> None:
    answer = post(doors, body)
    error = error_of(answer.content)
    assert (answer.status_code, error["param"], error["code"]) == (400, param, code)
    assert not doors.upstream.received


def test_the_default_of_chat_is_none_for_embeddings() -> None:
    from tests.doors import opened

    with opened({"providers": {"first": {"type": "mock"}}}, {"model": "m"}) as doors:
        answer = post(doors, b'{"input":"x"}')
        assert error_of(answer.content)["code"] == "missing_required_parameter"


@pytest.mark.parametrize("given", ["x", ["x", "y"], [1, 2], [[1, 2], [3]], [{"text": "x"}]])
def test_every_form_of_input_goes_up(doors: Doors, given: Any) -> None:
    doors.upstream.script = answering(NUMBERS)
    assert post(doors, {"input": given, "dimensions": 5, "unknown": [1]}).status_code == 200
    assert doors.last().json == {"model": "m", "input": given, "dimensions": 5, "unknown": [1]}


@pytest.mark.parametrize(
    ("model", "path", "body"),
    [
        ("mock/echo", "/v1/embeddings", {"input": "x"}),
        ("mock/embed", "/v1/moderations", {"input": "x"}),
        ("mock/embed", "/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}]}),
    ],
)
def test_a_model_of_another_kind_is_told(doors: Doors, model: str, path: str, body: Any) -> None:
    answer = doors.client.post(path, json={"model": model, **body})
    error = error_of(answer.content)
    assert (answer.status_code, error["code"], error["param"]) == (400, "unsupported_surface", "model")


def test_keys_and_unknown_models(doors: Doors) -> None:
    assert post(doors, {"model": "nowhere", "input": "x"}).status_code == 404
