import msgspec
import pytest

from gateway.seam.settings import decode
from gateway.upstream import ClientSettings


def settings(**given):
    return msgspec.convert(given, ClientSettings, dec_hook=decode)


def test_values_are_read_as_people_write_them():
    read = settings(keepalive="1m", max_body="1MiB", max_connections=5)
    assert (read.keepalive, read.max_body, read.max_connections) == (60, 1024 * 1024, 5)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"proxy": "http://p:1"}, "proxy needs transport: httpx"),
        ({"http2": True}, "http2 needs transport: httpx"),
        ({"max_connections": 0}, "at least 1"),
        ({"transport": "curl"}, "transport"),
        ({"max_conections": 1}, "max_conections"),
    ],
)
def test_what_cannot_be_is_told(given, why):
    with pytest.raises(msgspec.ValidationError, match=why):
        settings(**given)


def test_the_httpx_transport_takes_both():
    assert settings(transport="httpx", proxy="http://p:1", http2=True).http2
