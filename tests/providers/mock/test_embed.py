"""The mock's vectors, and what it refuses."""

import json
import logging
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import CreateEmbeddingResponse

from gateway.providers.mock import Mock
from gateway.providers.mock.embed import DIMENSIONS, MOST_DIMENSIONS, MOST_INPUTS, vector
from gateway.seam import Call, InvalidRequest, Request, Tasks
from gateway.wire.embeddings import unpacked


def near(one: str, other: str, dimensions: int = DIMENSIONS) -> float:
    return sum(a * b for a, b in zip(vector(one, dimensions), vector(other, dimensions), strict=True))


@given(st.text(max_size=50), st.integers(1, 64))
def test_vectors_are_of_length_one_and_always_the_same(text: str, dimensions: int) -> None:
    numbers = vector(text, dimensions)
    assert len(numbers) == dimensions
    assert math.isclose(math.hypot(*numbers), 1, rel_tol=1e-5)
    assert vector(text, dimensions) == numbers
    assert vector(text.upper(), dimensions) == vector(text.upper().casefold(), dimensions)


def test_similar_texts_are_near_each_other() -> None:
    question = "How do I get my money back?"
    assert near(question, question) == pytest.approx(1, abs=1e-5)
    assert near(question, "how can I get the money back") > 0.5
    assert near("refund policy", "policy for refunds") > 0.4
    assert abs(near(question, "The weather in Oslo is mild today.")) < 0.25
    assert near(question, "how can I get the money back") > near(question, "Where is my luggage?")


def test_a_very_long_text_is_told_apart_by_its_last_word() -> None:
    long = "word " * 2000
    assert vector(f"{long}one", DIMENSIONS) != vector(f"{long}two", DIMENSIONS)


async def ask(given: Any, **more: Any) -> dict[str, Any]:
    request = Request("embeddings", json.dumps({"model": "embed", "input": given, **more}).encode(), model="embed")
    reply = await Mock()(Call(request, Tasks(logging.getLogger("test"))))
    document: dict[str, Any] = json.loads((await reply.whole()).raw)
    assert reply.usage()[0].input == document["usage"]["prompt_tokens"]
    assert not reply.usage()[1]
    return document


async def test_an_answer() -> None:
    answer = await ask(["Hello big world", "", "x"][::2])
    CreateEmbeddingResponse.model_validate(answer, strict=True)
    assert [item["index"] for item in answer["data"]] == [0, 1]
    assert answer["data"][0]["embedding"] == vector("Hello big world", DIMENSIONS)
    assert answer["model"] == "embed"
    assert answer["usage"] == {"prompt_tokens": 4, "total_tokens": 4}


async def test_forms_and_dimensions() -> None:
    numbers = (await ask("Hello", dimensions=7))["data"][0]["embedding"]
    assert len(numbers) == 7
    packed = (await ask("Hello", dimensions=7, encoding_format="base64"))["data"][0]["embedding"]
    assert unpacked(packed) == numbers


async def test_tokens_are_taken_too() -> None:
    one, two = await ask([1, 2, 3]), await ask([[1, 2, 3], [4]])
    assert one["usage"]["prompt_tokens"] == 3
    assert two["usage"]["prompt_tokens"] == 4
    assert one["data"][0] == two["data"][0]


@pytest.mark.parametrize(
    ("given", "more", "param"),
    [
        (None, {}, "input"),
        (5, {}, "input"),
        ([], {}, "input"),
        ("", {}, "input[0]"),
        (["a", ""], {}, "input[1]"),
        (["a", 1], {}, "input[1]"),
        ([1, "a"], {}, "input[0]"),
        ([[]], {}, "input[0]"),
        ([True], {}, "input[0]"),
        (["a"] * (MOST_INPUTS + 1), {}, "input"),
        ("a", {"dimensions": 0}, "dimensions"),
        (["a"] * MOST_INPUTS, {"dimensions": MOST_DIMENSIONS}, "dimensions"),
        ("a", {"dimensions": MOST_DIMENSIONS + 1}, "dimensions"),
        ("a", {"dimensions": 1.5}, "dimensions"),
        ("a", {"encoding_format": "int8"}, "encoding_format"),
        ("a", {"encoding_format": 5}, "encoding_format"),
    ],
)
async def test_what_openai_would_refuse(given: Any, more: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await ask(given, **more)
    assert caught.value.param == param
