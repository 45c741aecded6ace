"""OpenAI's report of tokens, read and written."""

import json

import pytest
from msgspec import Raw

from gateway.wire.parts import Usage
from gateway.wire.usage import read_usage, written_usage
from gateway.wire.verbatim import encode


@pytest.mark.parametrize(
    ("source", "usage"),
    [
        (b"null", None),
        (b"{}", Usage()),
        (b'{"prompt_tokens":3,"total_tokens":3}', Usage(3)),
        (b'{"prompt_tokens":3.0,"completion_tokens":null}', Usage(3)),
        (
            b'{"prompt_tokens":5,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":2}}',
            Usage(5, 4, 2),
        ),
        (
            b'{"completion_tokens":4,"completion_tokens_details":{"reasoning_tokens":1}}',
            Usage(0, 4, reasoning=1),
        ),
        (b'{"prompt_tokens":5,"prompt_tokens_details":null}', Usage(5)),
        (b'{"prompt_tokens":"five"}', None),
        (b"[5]", None),
    ],
)
def test_reading(source: bytes, usage: Usage | None) -> None:
    assert read_usage(Raw(source)) == usage


def test_writing_keeps_what_else_stands_there() -> None:
    old = Raw(b'{"prompt_tokens":5,"cost":1.00,"prompt_tokens_details":{"cached_tokens":2,"audio_tokens":7}}')
    source = encode(written_usage(old, Usage(3, 2, 1)))
    assert b'"cost":1.00' in source
    assert json.loads(source) == {
        "prompt_tokens": 3,
        "cost": 1.0,
        "prompt_tokens_details": {"cached_tokens": 1, "audio_tokens": 7},
        "completion_tokens": 2,
        "total_tokens": 5,
    }
    assert written_usage(Raw(b"null"), Usage(1, 1, reasoning=1))["completion_tokens_details"] == {"reasoning_tokens": 1}
