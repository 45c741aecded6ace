"""What the doors to OpenAI's endpoints make of a body."""

import msgspec
import pytest
from msgspec import Raw

from gateway.api.openai_door import StreamOptions, check_input, looked_at
from gateway.seam import InvalidRequest


class Look(msgspec.Struct):
    model: str | None = None
    stream_options: StreamOptions | None = None


LOOK = msgspec.json.Decoder(Look)


def test_a_look_takes_what_it_knows_and_leaves_the_rest() -> None:
    look = looked_at(LOOK, b'{"model":"m","x":1e400,"stream_options":{"include_usage":true,"y":[]}}')
    assert (look.model, look.stream_options and look.stream_options.include_usage) == ("m", True)


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        (b"", None, "invalid_json"),
        (b"{", None, "invalid_json"),
        (b'{"model":"\\ud83d"}', None, "invalid_json"),
        (b'{"model":"\xff"}', None, "invalid_json"),
        (b"5", None, "invalid_type"),
        (b'{"model":5}', "model", "invalid_type"),
        (b'{"stream_options":{"include_usage":"yes"}}', "stream_options.include_usage", "invalid_type"),
    ],
)
def test_what_cannot_be_looked_at(body: bytes, param: str | None, code: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        looked_at(LOOK, body)
    assert (caught.value.param, caught.value.code) == (param, code)


@pytest.mark.parametrize("source", [b'"a"', b'["a"]', b"[1]", b"[[]]", b'[ "" ]', b'"\\u0000"'])
def test_inputs(source: bytes) -> None:
    check_input("input", Raw(source))
    check_input("input", Raw(b'""'), empty=True)


@pytest.mark.parametrize(
    ("source", "code"),
    [
        (b"", "missing_required_parameter"),
        (b"null", "missing_required_parameter"),
        (b"true", "invalid_type"),
        (b"5", "invalid_type"),
        (b"{}", "invalid_type"),
        (b'""', "invalid_value"),
        (b"[]", "empty_array"),
        (b"[ \n\t ]", "empty_array"),
    ],
)
def test_what_is_no_input(source: bytes, code: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_input("input", Raw(source))
    assert (caught.value.param, caught.value.code) == ("input", code)
