"""Which addresses are public."""

import ipaddress

import pytest

from gateway.upstream.addresses import kind_of

PUBLIC = [
    "1.1.1.1", "8.8.8.8", "93.184.216.34", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0",
    "223.255.255.255", "2606:4700:4700::1111", "2a00:1450:4001::200e", "2001:4860:4860::8888", "::ffff:8.8.8.8",
    "64:ff9b::808:808",
]  # fmt: skip
PRIVATE = [
    "127.0.0.1", "127.255.255.254", "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1",
    "100.64.0.1", "100.100.100.200", "100.127.255.255", "198.18.0.1", "::1", "fc00::1", "fd00:ec2::254",
    "::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1",
]  # fmt: skip
LINK_LOCAL = ["169.254.169.254", "169.254.0.1", "fe80::1", "fe80::1%eth0", "febf::1", "::ffff:169.254.169.254",
              "64:ff9b::a9fe:a9fe", "2606:4700:4700::1111%1"]  # fmt: skip
SPECIAL = [
    "0.0.0.0", "0.1.2.3", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "192.0.0.1", "192.0.0.170",
    "192.0.2.1", "198.51.100.1", "203.0.113.1", "192.88.99.1", "::", "::ffff:0.0.0.0", "::ffff:224.0.0.1",
    "::127.0.0.1",
    "::10.0.0.1", "::8.8.8.8", "2002:7f00:1::", "2002:a00:1::1", "2002:808:808::1", "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1", "2001:10::1", "2001:20::1", "3fff::1", "64:ff9b:1::a00:1",
    "100::1", "5f00::1", "fec0::1", "ff02::1", "ff0e::1", "4000::1", "::ffff:0:127.0.0.1",
]  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_public(address: str) -> None:
    assert kind_of(address) == "public"


@pytest.mark.parametrize("address", PRIVATE)
def test_private(address: str) -> None:
    assert kind_of(address) == "private"


@pytest.mark.parametrize("address", LINK_LOCAL)
def test_link_local(address: str) -> None:
    assert kind_of(address) == "link-local"


@pytest.mark.parametrize("address", SPECIAL)
def test_special(address: str) -> None:
    assert kind_of(address) == "special"


@pytest.mark.parametrize("block", [f"{number}.0.0.0/8" for number in range(256)])
def test_nothing_is_public_that_python_knows_to_be_otherwise(block: str) -> None:
    network = ipaddress.ip_network(block)
    for address in (network[0], network[1], network[77777], network[-2], network[-1]):
        if not address.is_global or address.is_multicast or address.is_reserved or address.is_unspecified:
            assert kind_of(str(address)) != "public"


@pytest.mark.parametrize("text", ["localhost", "1.2.3", "0x7f.0.0.1", "127.0.0.01", "", "[::1]"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError):
        kind_of(text)
