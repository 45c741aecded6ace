"""Where a provider lives: a base URL, taken apart once."""

import ipaddress
import re
from typing import NamedTuple
from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}
_UNSAFE = re.compile(r"[\x00-\x20\x7f]")
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252})")


class Origin(NamedTuple):
    """Scheme, host and port of a provider, and the path that its endpoints hang below.

    `host` is in lower case and without the brackets of an IPv6 literal; `path` is the prefix without a slash at its
    end (`/v1`, or an empty string); `host_header` is the value of the Host header (RFC 9110 section 7.2): the port is
    left out where it is the scheme's own.
    """

    scheme: str
    host: str
    port: int
    path: str
    host_header: bytes

    @classmethod
    def parse(cls, url: str) -> "Origin":
        """Take a base URL such as `https://api.openai.com/v1` apart.

        Raises ValueError, saying what is wrong, for anything but an http or https URL of host, port and path; a user
        or password in it is refused, and so are spaces and control characters, which urllib would drop in silence.
        """
        if found := _UNSAFE.search(url):
            raise ValueError(f"expected a URL without spaces and control characters, found {found[0]!r} in it")
        parts = urlsplit(url)
        if parts.scheme not in _PORTS:
            raise ValueError(f"expected a URL that starts with http:// or https://, found scheme {parts.scheme!r}")
        if "@" in parts.netloc:
            raise ValueError("expected a URL without user and password: keys go into api_key")
        if "?" in url or "#" in url:
            raise ValueError("expected a URL without query and fragment")
        if not parts.path.isascii():
            raise ValueError("expected a path in ASCII: percent-encode the rest")
        host, port = _host(parts.hostname), _port(parts.netloc, _PORTS[parts.scheme])
        shown = f"[{host}]" if ":" in host else host
        if port != _PORTS[parts.scheme]:
            shown = f"{shown}:{port}"
        return cls(parts.scheme, host, port, parts.path.rstrip("/"), shown.encode("ascii"))

    @property
    def address(self) -> str:
        """`host:port`, as messages show it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _host(host: str | None) -> str:
    if not host:
        raise ValueError("expected a host after http:// or https://, found none")
    if ":" in host:
        try:
            return str(ipaddress.IPv6Address(host)) if "%" not in host else _refuse_zone(host)
        except ipaddress.AddressValueError as error:
            raise ValueError(f"expected an IPv6 address between the brackets: {error}") from None
    if not _HOST.fullmatch(host):
        raise ValueError(f"expected a host name of letters, digits, dots and hyphens, found {host!r}")
    return host.lower()


def _refuse_zone(host: str) -> str:
    raise ValueError(f"expected an IPv6 address without a zone, found {host!r}")


def _port(netloc: str, default: int) -> int:
    _, colon, digits = netloc.rpartition("]")[2].partition(":")
    if not colon:
        return default
    if not (digits.isascii() and digits.isdigit() and 0 < int(digits) < 65536):
        raise ValueError(f"expected a port between 1 and 65535, found {digits!r}")
    return int(digits)
