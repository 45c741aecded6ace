"""URLs of Redis as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.stores.address import Address


@pytest.mark.parametrize(
    ("url", "address", "shown"),
    [
        ("redis://h", Address("single", (("h", 6379),)), "redis://h:6379"),
        ("redis://h/", Address("single", (("h", 6379),)), "redis://h:6379"),
        ("redis://h:7000/2", Address("single", (("h", 7000),), database=2), "redis://h:7000/2"),
        ("rediss://h", Address("single", (("h", 6379),), tls=True), "rediss://h:6379"),
        ("redis://[::1]:7000", Address("single", (("::1", 7000),)), "redis://[::1]:7000"),
        ("redis://:pw@h", Address("single", (("h", 6379),), password="pw"), "redis://h:6379"),
        ("redis://me:a%40b@h", Address("single", (("h", 6379),), username="me", password="a@b"), "redis://h:6379"),
        ("redis://me:a@:/?#b@h/1", Address("single", (("h", 6379),), "", False, "", 1, "me", "a@:/?#b"), "redis://h:6379/1"),
        ("unix:///run/redis.sock", Address("single", socket="/run/redis.sock"), "unix:///run/redis.sock"),
        (
            "redis+sentinel://:pw@a,b:7/main/3",
            Address("sentinel", (("a", 26379), ("b", 7)), master="main", database=3, password="pw"),
            "redis+sentinel://a:26379,b:7/main/3",
        ),
        ("rediss+sentinel://a/m", Address("sentinel", (("a", 26379),), tls=True, master="m"), "rediss+sentinel://a:26379/m"),
        (
            "redis+cluster://a,b:7001",
            Address("cluster", (("a", 6379), ("b", 7001))),
            "redis+cluster://a:6379,b:7001",
        ),
    ],
)  # fmt: skip
def test_forms(url: str, address: Address, shown: str) -> None:
    found = Address.parse(url)
    assert found == address
    assert str(found) == shown
    assert repr(found) == f"Address({shown})"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("", "expected one of redis://"),
        ("memory", "expected one of redis://"),
        ("http://h", "expected one of redis://"),
        ("unix://redis.sock", "expected one of redis://"),
        ("redis://", "expected one of redis://"),
        ("redis+sentinels://h/m", "expected one of redis://"),
        ("redis://pw@h", "no colon"),
        ("redis://h:0", "expected host or host:port"),
        ("redis://h:70000", "expected host or host:port"),
        ("redis://h:port", "expected host or host:port"),
        ("redis://::1", "expected host or host:port"),
        ("redis://me:pw", "expected host or host:port"),
        ("redis://h,i", "takes one host"),
        ("redis://h/one", "number of a database"),
        ("redis://h/1/2", "number of a database"),
        ("redis://h/²", "number of a database"),
        ("redis://h?ssl_cert_reqs=none", "takes no \\?options"),
        ("redis+sentinel://h", "the master's name"),
        ("redis+sentinel://h/m/x", "number of a database"),
        ("redis+cluster://h/1", "no numbered databases"),
    ],
)
def test_what_is_wrong_is_told(url: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Address.parse(url)


@given(text=st.text(max_size=40), password=st.text("sEcR3t@:/?#[]%", min_size=6).map("zq".__add__))
def test_no_password_is_ever_shown(text: str, password: str) -> None:
    for url in (f"redis://:{password}@{text}", f"redis+sentinel://me:{password}@{text}", f"{text}:{password}@h"):
        try:
            shown = f"{Address.parse(url)} {Address.parse(url)!r}"
        except ValueError as error:
            shown = str(error)
        assert password not in shown
