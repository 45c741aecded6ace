"""Hosts that steps may call over HTTP: how they are written, and what each entry covers."""

import ipaddress
import re
from collections.abc import Iterable
from typing import Annotated, NamedTuple

from msgspec import Meta

from gateway.seam.settings import Settings

PORTS = {"http": 80, "https": 443}
_ENTRY = re.compile(r"(?:(https?)://)?(.+)", re.IGNORECASE | re.DOTALL)
_AUTHORITY = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]+)(?::([0-9]{1,5}))?")
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
_LONGEST = 253
"""Characters of a host name (RFC 1035 section 2.3.4)."""


class HttpHost(Settings):
    """A host that `http` steps may call."""

    host: Annotated[str, Meta(min_length=1)]
    """`api.example.com`, `*.example.com`, with `:port` where it is not 443, after `http://` where there is no TLS."""
    private: bool = False
    """true: it may be in a private network or on this machine."""


class Site(NamedTuple):
    """What a connection leads to; `host` is in lower case, an IPv6 address without brackets."""

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, scheme: str, authority: str) -> "Site":
        """What stands between `https://` and the path. Raises ValueError, saying what is wrong with it."""
        if "@" in authority:
            raise ValueError("expected a host without user and password: they go into headers")
        found = _AUTHORITY.fullmatch(authority)
        if found is None:
            raise ValueError("expected a host, or host:port")
        port = PORTS[scheme] if found[2] is None else int(found[2])
        if not 0 < port < 65536:
            raise ValueError("expected a port between 1 and 65535")
        return cls(scheme, plain_host(found[1]), port)


class Allowed(NamedTuple):
    """An entry of `orchestrator.http_hosts`, taken apart."""

    site: Site
    """Its host is what follows the `*`, where there is one: `.example.com`."""
    private: bool

    @classmethod
    def parse(cls, entry: str | HttpHost) -> "Allowed":
        """Take an entry apart. Raises ValueError, saying what is wrong with it."""
        text, private = (entry, False) if isinstance(entry, str) else (entry.host, entry.private)
        found = _ENTRY.fullmatch(text)
        if found is None or re.search(r"[/?#\\\s]", found[2]):
            raise ValueError("expected a host alone, such as api.example.com, *.example.com:8443, http://api.internal")
        scheme = (found[1] or "https").lower()
        wild = found[2].startswith("*.")
        site = Site.parse(scheme, found[2][2:] if wild else found[2])
        if wild and is_address(site.host):
            raise ValueError("expected a name after *.")
        return cls(site._replace(host=f".{site.host}") if wild else site, private)

    def covers(self, site: Site) -> bool:
        """Whether a site is meant. `*.example.com` does not mean `example.com` itself."""
        own = self.site
        if (own.scheme, own.port) != (site.scheme, site.port):
            return False
        return site.host.endswith(own.host) if own.host.startswith(".") else site.host == own.host


def readable(entries: Iterable[str | HttpHost]) -> list[Allowed]:
    """The entries that can be read; of the others `broken_rules` tells."""
    read = []
    for entry in entries:
        try:
            read.append(Allowed.parse(entry))
        except ValueError:
            continue
    return read


def plain_host(host: str) -> str:
    """A host in the one form in which it is compared. Raises ValueError, saying what is wrong with it.

    Whatever resolvers read as an IPv4 address and others as a name (`2130706433`, `0x7f.1`, `127.1`) is refused, as the
    URL standard has it (https://url.spec.whatwg.org/#ends-in-a-number-checker); so are a dot at the end and zones.
    """
    if host.startswith("["):
        if "%" in host:
            raise ValueError("expected an IPv6 address without a zone")
        try:
            return str(ipaddress.IPv6Address(host[1:-1]))
        except ValueError:
            raise ValueError("expected an IPv6 address between the brackets") from None
    labels = host.split(".")
    if not host.isascii():
        raise ValueError(f"expected a host in ASCII{_in_ascii(host)}")
    if len(host) > _LONGEST or not all(map(_LABEL.fullmatch, labels)):
        raise ValueError("expected a host name of letters, digits, hyphens and single dots between them")
    if _NUMBER.fullmatch(labels[-1]):
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            raise ValueError("expected a host name, or an IPv4 address of four decimal numbers") from None
    return host.lower()


def is_address(host: str) -> bool:
    """Whether a host in its plain form is an IP address."""
    return ":" in host or bool(_NUMBER.fullmatch(host.rpartition(".")[2]))


def _in_ascii(host: str) -> str:
    """How to write a name of other letters, where there is a way."""
    try:
        return f": write {host.encode('idna').decode()}"
    except UnicodeError:
        return ""
