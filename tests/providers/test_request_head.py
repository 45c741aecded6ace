"""What every request to a server begins with."""

import pytest

from gateway.providers.request_head import request_head
from gateway.upstream import Origin

ORIGIN = Origin.parse("http://example.com:81/v1")


def lines(key_header: str, headers: dict[str, str]) -> list[str]:
    head = request_head(ORIGIN, "/v1/x", api_key="sk-1", key_header=key_header, headers=headers)
    return head.decode().split("\r\n")


def test_the_files_headers_win_whatever_their_case() -> None:
    told = lines("Authorization", {"User-Agent": "mine", "X-Team": "a"})
    assert told[0] == "POST /v1/x HTTP/1.1"
    assert {"host: example.com:81", "authorization: Bearer sk-1", "user-agent: mine", "x-team: a"} < set(told)
    assert len(told) == len({line.partition(":")[0] for line in told})


def test_another_header_holds_the_key_alone() -> None:
    assert "api-key: sk-1" in lines("Api-Key", {})


@pytest.mark.parametrize("headers", [{"x": "a\r\nb: c"}, {"a b": "c"}])
def test_what_is_no_header_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="header"):
        lines("api-key", headers)
