"""What a request went without, as a header can hold it."""

from gateway.translate.dropped import DROPPED, name


def test_those_that_are_named_already_come_behind() -> None:
    headers = {DROPPED: b"b"}
    name(headers, ["a", "a.\n,é"])
    assert headers[DROPPED] == rb"a,a.\n\x2c\xe9,b"


def test_the_header_is_bounded() -> None:
    headers: dict[bytes, bytes] = {}
    name(headers, ["x" * 10_000] * 100)
    assert len(headers[DROPPED]) == 1024
