"""How hosts are written that steps may call, and what each entry covers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.hosts import Allowed, HttpHost, Site, is_address, plain_host, readable


@pytest.mark.parametrize(
    ("entry", "covered", "others"),
    [
        ("api.example.com", ["https://api.example.com", "https://API.Example.COM"],
         ["http://api.example.com", "https://api.example.com:8443", "https://example.com", "https://x.api.example.com",
          "https://api.example.com.evil.org", "https://apiXexample.com", "https://evilapi.example.com"]),
        ("API.example.com:8443", ["https://api.example.com:8443"], ["https://api.example.com"]),
        ("http://api.example.com", ["http://api.example.com"], ["https://api.example.com", "http://api.example.com:81"]),
        ("https://api.example.com", ["https://api.example.com"], ["http://api.example.com"]),
        ("*.example.com", ["https://a.example.com", "https://a.b.example.com"],
         ["https://example.com", "https://aexample.com", "https://example.com.evil.org", "http://a.example.com"]),
        ("http://*.example.com:81", ["http://a.example.com:81"], ["http://a.example.com", "https://a.example.com:81"]),
        ("203.0.113.7", ["https://203.0.113.7"], ["https://203.0.113.70", "https://3.203.0.113.7x"]),
        ("[2606:4700:0:0::1111]", ["https://[2606:4700::1111]", "https://[2606:4700:0::0:1111]"], ["https://[::1]"]),
    ],
)  # fmt: skip
def test_what_an_entry_covers(entry: str, covered: list[str], others: list[str]) -> None:
    allowed = Allowed.parse(entry)
    for url in covered:
        assert allowed.covers(Site.parse(*url.split("://"))), url
    for url in others:
        assert not allowed.covers(Site.parse(*url.split("://"))), url


def test_an_entry_may_say_more() -> None:
    assert Allowed.parse(HttpHost(host="http://api.internal:9000", private=True)) == (
        ("http", "api.internal", 9000),
        True,
    )
    assert not Allowed.parse("api.internal").private


@pytest.mark.parametrize(
    "host",
    ["", ".", "a..b", ".a", "a.", "-a", "a-", "a b", "a\tb", "a\nb", "a%2eb", "a/b", "a\\b", "a?b", "a#b", "a@b", "a:b",
     "bücher.de", "a。b", "ａ.b", "1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "017700000001",
     "0177.0.0.1", "127.0.0.0x1", "127.0.0.1.", "256.1.1.1", "1.2.3.4.5", "a.1", "a.0x1f", "a.0x", "*", "*.a", "a*",
     "[::1%eth0]", "[::1%25eth0]", "[1.2.3.4]", "[]", "[::g]", "a" * 64, ".".join(["a" * 60] * 5), "a\u200b.b",
     "a\x00b"],
)  # fmt: skip
def test_what_is_no_host(host: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        plain_host(host)


@pytest.mark.parametrize(
    ("host", "plain"),
    [
        ("A.b-c.D_e", "a.b-c.d_e"),
        ("localhost", "localhost"),
        ("127.0.0.1", "127.0.0.1"),
        ("[0:0::1]", "::1"),
        ("[::FFFF:127.0.0.1]", "::ffff:7f00:1"),
        ("xn--bcher-kva.de", "xn--bcher-kva.de"),
        ("1.2.3.4x", "1.2.3.4x"),
    ],
)
def test_a_host_has_one_form(host: str, plain: str) -> None:
    assert plain_host(host) == plain


@given(st.text(max_size=20))
def test_any_text_is_a_host_or_none(text: str) -> None:
    try:
        plain = plain_host(text)
    except ValueError:
        return
    assert plain.isascii()
    assert not set(plain) & set(" /?#@\\%[]*")
    assert plain_host(f"[{plain}]" if ":" in plain else plain) == plain


@pytest.mark.parametrize("authority", ["a:", "a:0", "a:65536", "a:123456", "a:x", "a:1:2", "a:-1", "a:+1", "a:٣", "u@a",
                                       "u:p@a", "a\\@b", "[::1", "::1", "[::1]:", "[::1]x", ""])  # fmt: skip
def test_what_is_no_authority(authority: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        Site.parse("https", authority)


def test_addresses_are_told_from_names() -> None:
    assert [is_address(host) for host in ("::1", "1.2.3.4", "a.b", "a1.b2", "localhost")] == [True, True, *[False] * 3]


def test_what_cannot_be_read_is_left_out() -> None:
    assert [entry.site.host for entry in readable(["a.b", "*", "c.d"])] == ["a.b", "c.d"]
