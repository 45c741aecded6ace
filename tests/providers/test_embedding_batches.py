"""Requests for embeddings that a server would not take at once."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.providers.embedding_batches import AT_ONCE, Part, split
from gateway.testing import Received, Wire
from gateway.testing.upstream import Script
from tests.doors import Doors, error_of, opened


def body(given: Any, **more: Any) -> bytes:
    return json.dumps({"model": "up/m", "input": given, **more}).encode()


@given(
    st.lists(st.text(max_size=3) | st.lists(st.integers(0, 9), min_size=1, max_size=3), max_size=12), st.integers(1, 5)
)
def test_parts_are_all_of_it_in_order(inputs: list[Any], limit: int) -> None:
    parts = split(body(inputs), limit)
    if len(inputs) <= limit:
        assert parts == []
    else:
        assert [item for part in parts for item in json.loads(part.source)] == inputs
        assert [part.inputs for part in parts] == [len(json.loads(part.source)) for part in parts]
        assert all(part.inputs == limit for part in parts[:-1])


@pytest.mark.parametrize(
    "raw", [body("a,b,c,d"), body([1, 2, 3, 4]), b'{"input":[1,2,3,4', b"[,,,,]", b'{"x":[0,1,2,3]}']
)
def test_what_is_one_input_or_none_is_not_split(raw: bytes) -> None:
    assert split(raw, 2) == []


def test_inputs_keep_their_source() -> None:
    raw = b'{"input": ["\\u00e9" , "b",[1.0, 2] ]}'
    assert split(raw, 2) == [Part(b'["\\u00e9","b"]', 2), Part(b"[[1.0, 2]]", 1)]


# ---- through a provider


def embedding(**more: Any) -> Script:
    """Answer each input by its number: "7" by [7.0]."""

    async def script(request: Received, wire: Wire) -> None:
        given = request.json["input"]
        data = [{"object": "embedding", "index": at, "embedding": [float(text)]} for at, text in enumerate(given)]
        usage = {"prompt_tokens": len(given), "total_tokens": len(given)}
        await wire.json({"object": "list", "data": data, "model": "m", "usage": usage} | more)

    return script


@pytest.fixture(scope="module")
def _batched() -> Any:
    with opened(up={"embedding_batch": 3}) as doors:
        yield doors


@pytest.fixture
def batched(_batched: Doors) -> Any:
    _batched.upstream.script = embedding()
    _batched.upstream.received.clear()
    _batched.upstream.left = 0
    yield _batched
    _batched.quiet()


def asked(doors: Doors, given: Any, **more: Any) -> Any:
    return doors.client.post("/v1/embeddings", content=body(given, **more))


def test_a_large_request_goes_up_in_parts_and_comes_back_as_one(batched: Doors) -> None:
    inputs = [str(number) for number in range(20)]
    answer = asked(batched, inputs, dimensions=5, x=1.0)
    assert answer.status_code == 200
    document = answer.json()
    assert [item["embedding"] for item in document["data"]] == [[float(number)] for number in range(20)]
    assert [item["index"] for item in document["data"]] == list(range(20))
    assert document["usage"] == {"prompt_tokens": 20, "total_tokens": 20}
    assert answer.headers["x-gateway-attempts"] == "1"
    assert len(batched.upstream.received) == 7
    for received in batched.upstream.received:
        assert len(received.json["input"]) <= 3
        assert {name: received.json[name] for name in ("model", "dimensions", "x")} == {
            "model": "m",
            "dimensions": 5,
            "x": 1,
        }


def test_a_request_that_fits_goes_up_as_it_came(batched: Doors) -> None:
    raw = b'{ "model" : "up/m", "input":["1", "2" ,"3"],"x":1.00}'
    assert batched.client.post("/v1/embeddings", content=raw).status_code == 200
    assert [received.body for received in batched.upstream.received] == [raw.replace(b"up/m", b"m")]


def test_only_so_many_parts_are_under_way_at_once(batched: Doors) -> None:
    upstream = batched.upstream
    full = asyncio.Event()
    most = 0

    async def script(request: Received, wire: Wire) -> None:
        nonlocal most
        most = max(most, upstream.open)
        if upstream.open == AT_ONCE:
            full.set()
        await full.wait()
        await embedding()(request, wire)

    upstream.script = script
    assert asked(batched, ["1"] * 40).status_code == 200
    assert most == AT_ONCE


def test_where_one_part_fails_all_of_it_does_and_the_others_are_given_up(batched: Doors) -> None:
    async def script(request: Received, wire: Wire) -> None:
        if "7" not in request.json["input"]:
            await wire.left()
        await wire.json({"error": {"message": "too hot", "type": "requests", "code": "hot", "param": "input"}}, 429)

    batched.upstream.script = script
    answer = asked(batched, [str(number) for number in range(20)])
    assert answer.status_code == 429
    assert error_of(answer.content) == {"message": "too hot", "type": "requests", "param": "input", "code": "hot"}
    batched.upstream.background.until(lambda: batched.upstream.left == AT_ONCE - 1)
    assert len(batched.upstream.received) == AT_ONCE


def test_a_client_that_leaves_takes_all_parts_with_it(batched: Doors) -> None:
    async def script(request: Received, wire: Wire) -> None:
        await wire.left()

    batched.upstream.script = script
    with batched.raw() as client:
        client.post(body([str(number) for number in range(20)]), "/v1/embeddings")
        batched.upstream.background.until(lambda: batched.upstream.open == AT_ONCE)
    batched.upstream.background.until(lambda: batched.upstream.left == AT_ONCE)


@pytest.mark.parametrize("data", [[], [{"embedding": [1.0]}], [1, 2, 3]])
def test_a_part_that_is_not_answered_in_full_is_no_answer(batched: Doors, data: Any) -> None:
    batched.upstream.script = embedding(data=data)
    answer = asked(batched, ["1"] * 6)
    assert answer.status_code == 502
    assert error_of(answer.content)["code"] == "upstream_error"


def test_the_limit_is_a_setting() -> None:
    with opened(up={"embedding_batch": None}) as doors:
        doors.upstream.script = embedding()
        assert asked(doors, ["1"] * 3000).status_code == 200
        assert len(doors.upstream.received) == 1
    with opened() as doors:
        doors.upstream.script = embedding()
        assert len(asked(doors, ["1"] * 3000).json()["data"]) == 3000
        assert sorted(len(received.json["input"]) for received in doors.upstream.received) == [952, 2048]
