import pytest

from gateway.upstream import Origin


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://api.openai.com/v1", ("https", "api.openai.com", 443, "/v1", b"api.openai.com")),
        ("https://API.OpenAI.com/v1/", ("https", "api.openai.com", 443, "/v1", b"api.openai.com")),
        ("https://api.openai.com", ("https", "api.openai.com", 443, "", b"api.openai.com")),
        ("http://localhost:11434/", ("http", "localhost", 11434, "", b"localhost:11434")),
        ("http://a_b.local:80/x", ("http", "a_b.local", 80, "/x", b"a_b.local")),
        ("https://h:80", ("https", "h", 80, "", b"h:80")),
        ("http://[::1]:8000/v1", ("http", "::1", 8000, "/v1", b"[::1]:8000")),
        ("https://[2001:DB8::0:1]", ("https", "2001:db8::1", 443, "", b"[2001:db8::1]")),
        ("http://127.0.0.1:8000/a%20b", ("http", "127.0.0.1", 8000, "/a%20b", b"127.0.0.1:8000")),
    ],
)
def test_a_base_url_is_taken_apart(url, expected):
    assert Origin.parse(url) == expected


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("api.openai.com/v1", "http://"),
        ("ftp://x/", "scheme 'ftp'"),
        ("unix:/tmp/x", "scheme 'unix'"),
        ("https://", "a host"),
        ("https:///v1", "a host"),
        ("https://:80/", "a host"),
        ("https://user:secret@x/", "api_key"),
        ("https://user@x/", "api_key"),
        ("https://x/\r\ny: z", r"'\\r'"),
        ("https://x/\n", r"'\\n'"),
        ("https://x y/", "' '"),
        ("https://x/\x00", "x00"),
        ("https://x:0/", "port"),
        ("https://x:65536/", "port"),
        ("https://x:-1/", "port"),
        ("https://x:²/", "port"),
        ("https://x:/", "port"),
        ("https://x/?q=1", "query"),
        ("https://x/#f", "fragment"),
        ("https://[::g]/", "IPv6|host"),
        ("https://[fe80::1%25eth0]/", "zone|IPv6|host"),
        ("https://bücher.example/", "host name"),
        ("https://-x/", "host name"),
        ("https://a%0d%0ab/", "host name"),
        ("https://x/é", "ASCII"),
    ],
)
def test_anything_else_is_refused_with_the_reason(url, why):
    with pytest.raises(ValueError, match=why) as told:
        Origin.parse(url)
    assert "secret" not in str(told.value)


def test_the_address_for_messages():
    assert Origin.parse("https://api.openai.com/v1").address == "api.openai.com:443"
    assert Origin.parse("http://[::1]:8000").address == "[::1]:8000"
