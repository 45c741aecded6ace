"""The other doors, too: whatever comes in, never a 500, never a hang, and errors in one shape."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.testing import Received, Wire, completion
from tests.api.test_sweep import documents, scalars, sound, sweep
from tests.doors import Doors, opened

PATHS = ["/v1/completions", "/v1/embeddings", "/v1/moderations"]
MODELS = ["mock/echo", "mock/lorem", "mock/embed", "mock/moderate", "up/m"]
FIELDS = "n max_tokens stop logprobs echo suffix best_of user seed dimensions encoding_format stream stream_options"


class _Input(msgspec.Struct):
    input: msgspec.Raw


@pytest.fixture(scope="module")
def swept() -> Iterator[Doors]:
    async def script(request: Received, wire: Wire) -> None:
        inputs = 1
        if request.path.endswith("/embeddings"):
            given = msgspec.json.decode(request.body, type=_Input).input
            inputs = len(msgspec.json.decode(given, type=list[msgspec.Raw])) if bytes(given)[:1] == b"[" else 1
        await wire.json(completion("Hello.", data=[{"embedding": [1.0]}] * inputs, results=[]))

    with opened(up={"embedding_batch": 2}) as doors:
        doors.upstream.script = script
        yield doors


texts = scalars | st.lists(scalars | st.lists(st.integers(), max_size=2) | documents, max_size=4)
parts = st.lists(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["text", "image_url", "x"]) | scalars},
        optional={"text": scalars, "image_url": st.fixed_dictionaries({"url": scalars}) | scalars},
    ),
    max_size=3,
)
requests = st.fixed_dictionaries(
    {"model": st.sampled_from(MODELS)},
    optional={"prompt": texts, "input": texts | parts, **dict.fromkeys(FIELDS.split(), documents)},
)
# Requests that are nearly right come further than those in which everything is wrong.
near = st.fixed_dictionaries(
    {"model": st.sampled_from(MODELS), "prompt": st.text(max_size=9), "input": st.text(min_size=1, max_size=9) | parts},
    optional={"stream": st.booleans(), "echo": st.booleans(), "logprobs": st.integers(-1, 6), "n": st.integers(-1, 3)}
    | {"dimensions": st.integers(-1, 9), "encoding_format": st.sampled_from(["float", "base64", "x"]), "x": documents},
)


@pytest.mark.parametrize("path", PATHS)
@sweep
@given(document=documents | requests | near)
def test_any_json(swept: Doors, path: str, document: Any) -> None:
    sound(swept, json.dumps(document).encode(), path)


@pytest.mark.parametrize("path", PATHS)
@sweep
@given(data=st.binary(max_size=100))
def test_any_bytes(swept: Doors, path: str, data: bytes) -> None:
    assert sound(swept, data, path).status_code == 400


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("model", [b"mock/echo", b"mock/embed", b"mock/moderate", b"up/m"])
@pytest.mark.parametrize(
    "given",
    [
        b"[" * 50_000 + b"]" * 50_000,
        b'["a",' * 20_000 + b'"b"' + b"]" * 20_000,
        b"[" + b"9," * 50_000 + b"9]",
        b'["' + b'","' * 3000 + b'"]',
        b"[1e999]",
        b"[NaN]",
        b'"' + b"x" * 150_000 + b'"',
        b'"' + b"\\u0000" * 100 + b'"',
        b'"\\ud83d"',
        b'["a","\\ud83d"]',
        b'"a","input":["b"],"prompt":"c"',
        b"[" + b'{"type":"text","text":"kill"},' * 5000 + b'{"type":"text","text":"kill"}]',
    ],
)
def test_bodies_that_are_known_to_hurt(swept: Doors, path: str, model: bytes, given: bytes) -> None:
    sound(swept, b'{"model":"%s","input":%s,"prompt":%s}' % (model, given, given), path)
