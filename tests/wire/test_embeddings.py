"""Embeddings: their two forms, and the answers to parts of one request joined."""

import json
import struct
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.embeddings import EMBEDDINGS_ANSWER, in_base64, in_numbers, joined, packed, unpacked
from gateway.wire.parts import Key, Usage
from gateway.wire.verbatim import INVALID

FLOATS = st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=8)


def answer(*vectors: Any, **more: Any) -> bytes:
    data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(vectors)]
    return json.dumps({"object": "list", "data": data, "model": "m", **more}).encode()


@given(FLOATS)
def test_base64_is_of_little_endian_32_bit_floats(numbers: list[float]) -> None:
    assert packed(numbers) == b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()
    assert unpacked(packed(numbers)) == numbers


@given(st.lists(FLOATS, max_size=4))
def test_each_form_from_the_other(vectors: list[list[float]]) -> None:
    as_numbers, as_base64 = answer(*vectors), answer(*map(packed, vectors))
    assert json.loads(in_base64(as_numbers)) == json.loads(as_base64)
    assert json.loads(in_numbers(as_base64)) == json.loads(as_numbers)
    assert in_base64(as_base64) is as_base64
    assert in_numbers(as_numbers) is as_numbers


def test_all_else_keeps_its_bytes() -> None:
    source = b'{ "n": 1.00,"data" : [{"x":1e400,"embedding" : [1, 2.5]}, {"embedding":null}],"usage":{"a":1.0}}'
    assert in_base64(source) == (
        b'{ "n": 1.00,"data" : [{"x":1e400,"embedding":"AACAPwAAIEA="},{"embedding":null}],"usage":{"a":1.0}}'
    )


def test_a_word_is_not_taken_for_the_member() -> None:
    source = b'{"object":"embedding","data":[{"object":"embedding","embedding":"AACAPw=="}]}'
    assert json.loads(in_numbers(source))["data"][0]["embedding"] == [1.0]


@pytest.mark.parametrize("vector", ["!", "AAA", "AAAA", "AACAPwA="])
def test_what_is_no_base64_of_floats_is_told(vector: str) -> None:
    with pytest.raises(ValueError):
        in_numbers(answer(vector))


@pytest.mark.parametrize("vector", [["a"], [[1.0]], [None]])
def test_what_are_no_numbers_is_told(vector: Any) -> None:
    with pytest.raises((*INVALID, ValueError)):
        in_base64(answer(vector))


def test_parts_are_joined_in_order_and_their_usage_added() -> None:
    first = (
        b'{"id":"a","object":"list","model":"m","data":[{"index":1,"embedding":[2.00]},{"index":0,"embedding":[1.00]}],'
        b'"usage":{"prompt_tokens":3,"total_tokens":3,"cost":0.5,"details":{"text":3},"unit":"token"}}'
    )
    second = (
        b'{"id":"b","data":[{"object":"embedding","embedding":[3.00]}],'
        b'"usage":{"prompt_tokens":4,"total_tokens":4,"cost":0.25,"details":{"text":4,"image":1},"unit":"token"}}'
    )
    source = joined([first, second], [2, 1])
    assert b"2.00" in source
    document = json.loads(source)
    assert document["id"] == "a"
    assert [(item["index"], item["embedding"]) for item in document["data"]] == [(0, [1.0]), (1, [2.0]), (2, [3.0])]
    assert document["usage"] == {
        "prompt_tokens": 7,
        "total_tokens": 7,
        "cost": 0.75,
        "details": {"text": 7, "image": 1},
        "unit": "token",
    }


def test_parts_without_usage_have_none_together() -> None:
    assert "usage" not in json.loads(joined([answer([1.0]), answer([2.0])], [1, 1]))


@pytest.mark.parametrize("sizes", [[1, 1], [3, 1]])
def test_a_part_with_vectors_too_many_or_too_few_is_told(sizes: list[int]) -> None:
    with pytest.raises(ValueError, match="2 embeddings came"):
        joined([answer([1.0], [2.0]), answer([3.0])], sizes)


def test_the_codec_reads_usage_and_no_texts() -> None:
    doc = EMBEDDINGS_ANSWER.decode(answer([1.0], usage={"prompt_tokens": 5, "total_tokens": 5}))
    assert EMBEDDINGS_ANSWER.usage(doc) == Usage(5)
    assert EMBEDDINGS_ANSWER.parts(doc) == ()
    assert EMBEDDINGS_ANSWER.finish(doc) is None
    assert EMBEDDINGS_ANSWER.has_content(doc)
    assert EMBEDDINGS_ANSWER.ends(doc)
    assert EMBEDDINGS_ANSWER.closes(doc, Key(0, "text", 0))
    assert not EMBEDDINGS_ANSWER.trailer(doc)
    assert EMBEDDINGS_ANSWER.usage(EMBEDDINGS_ANSWER.decode(answer([1.0]))) is None
    for change in (EMBEDDINGS_ANSWER.replace, EMBEDDINGS_ANSWER.like):
        with pytest.raises(LookupError):
            change(b"{}", Key(0, "text", 0), "x")


def test_usage_is_changed_in_place() -> None:
    source = b'{"data":[ {"embedding":[1.00]} ],"usage":{"prompt_tokens":5,"total_tokens":5}}'
    changed = EMBEDDINGS_ANSWER.with_usage(source, Usage(7))
    assert changed == b'{"data":[ {"embedding":[1.00]} ],"usage":{"prompt_tokens":7,"total_tokens":7}}'
