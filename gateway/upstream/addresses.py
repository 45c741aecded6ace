"""What kinds of addresses there are, so that a request can be kept from where it has no business.

Source: IANA's registries of special-purpose addresses (https://www.iana.org/assignments/iana-ipv4-special-registry,
https://www.iana.org/assignments/iana-ipv6-special-registry). Python's `is_global` follows them, but takes multicast
addresses, several that hold an IPv4 address inside, and unassigned space for global.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Literal

Kind = Literal["public", "private", "link-local", "special"]
"""`private`: this machine, and networks behind a router; `special`: where no server is, or what hides an address."""


def _four(*networks: str) -> tuple[IPv4Network, ...]:
    return tuple(map(IPv4Network, networks))


def _six(*networks: str) -> tuple[IPv6Network, ...]:
    return tuple(map(IPv6Network, networks))


_PRIVATE_4 = _four("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "198.18.0.0/15")
_LINK_4 = _four("169.254.0.0/16")
_SPECIAL_4 = _four("192.0.0.0/24", "192.88.99.0/24", "224.0.0.0/4", "240.0.0.0/4")
_PRIVATE_6 = _six("::1/128", "fc00::/7")
_LINK_6 = _six("fe80::/10")
_UNICAST_6 = _six("2000::/3")
# Protocol assignments with Teredo, documentation, 6to4: of what is left of 2000::/3, IANA gives addresses to hosts.
_SPECIAL_6 = _six("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052


def kind_of(address: str) -> Kind:
    """The kind of an IP address. Of one that stands for an IPv4 address (mapped, NAT64), the kind of that.

    Raises ValueError where it is no address.
    """
    given = ip_address(address)
    return _kind_of_4(given) if isinstance(given, IPv4Address) else _kind_of_6(given)


def _kind_of_4(given: IPv4Address) -> Kind:
    if _in(given, _PRIVATE_4):
        return "private"
    if _in(given, _LINK_4):
        return "link-local"
    return "public" if given.is_global and not _in(given, _SPECIAL_4) else "special"


def _kind_of_6(given: IPv6Address) -> Kind:
    if given.scope_id is not None or _in(given, _LINK_6):
        return "link-local"
    inner = given.ipv4_mapped
    if inner is not None:
        return _kind_of_4(inner)
    if given in _NAT64:
        return _kind_of_4(IPv4Address(int(given) & 0xFFFF_FFFF))
    if _in(given, _PRIVATE_6):
        return "private"
    return "public" if _in(given, _UNICAST_6) and given.is_global and not _in(given, _SPECIAL_6) else "special"


def _in(given: IPv4Address | IPv6Address, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    return any(given in network for network in networks)
