"""Where a Redis is: the URLs that people write."""

import re
from typing import Literal, NamedTuple, Self
from urllib.parse import unquote

FORMS = (
    "redis://[[user]:password@]host[:port][/database], rediss://… for TLS, unix:///path/to.sock, "
    "redis+sentinel://host[:port],…/master-name[/database], redis+cluster://host[:port],…"
)
_SCHEME = re.compile(r"(redis|rediss)(\+sentinel|\+cluster)?://(.+)", re.DOTALL)
_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s:\[\]]+))(?::(\d{1,5}))?")
_PORTS = {"single": 6379, "sentinel": 26379, "cluster": 6379}


class Address(NamedTuple):
    """A single server, the master that Sentinels know by its name, or a cluster. As text it has no password."""

    kind: Literal["single", "sentinel", "cluster"]
    hosts: tuple[tuple[str, int], ...] = ()
    """Host and port of the server, of the Sentinels, or of some nodes of the cluster."""
    socket: str = ""
    """The path of a Unix socket, in the place of `hosts`."""
    tls: bool = False
    master: str = ""
    """What the Sentinels call the master."""
    database: int = 0
    username: str | None = None
    password: str | None = None

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read a URL. Raises ValueError, which does not show the URL: it may hold a password.

        The name and password end at the last `@`, so that they may hold any character; `%40` and the like are decoded.
        """
        if url.startswith("unix:///"):
            return cls("single", socket=url.removeprefix("unix://"))
        found = _SCHEME.fullmatch(url)
        if found is None:
            raise ValueError(f"expected one of {FORMS}")
        credentials, at, place = found[3].rpartition("@")
        username, colon, password = credentials.partition(":")
        if at and not colon:
            raise ValueError("expected user:password@ or :password@ before the host, found no colon")
        if "?" in place:
            raise ValueError("a URL takes no ?options; settings such as ca_file and timeout stand beside `url`")
        kind: Literal["single", "sentinel", "cluster"] = found[2][1:] if found[2] else "single"  # type: ignore[assignment]
        hosts, *path = place.rstrip("/").split("/")
        master = ""
        if kind == "sentinel":
            if not path:
                raise ValueError("expected the master's name after the Sentinels, as in redis+sentinel://host/mymaster")
            master = path.pop(0)
        if path and kind == "cluster":
            raise ValueError("a cluster has no numbered databases; expected nothing after the hosts")
        if len(path) > 1 or (path and not (path[0].isascii() and path[0].isdigit())):
            raise ValueError("expected the number of a database at the end, such as /0")
        return cls(
            kind,
            tuple(_host(text, _PORTS[kind]) for text in _several(hosts, kind)),
            tls=found[1] == "rediss",
            master=master,
            database=int(path[0]) if path else 0,
            username=unquote(username) or None,
            password=unquote(password) or None,
        )

    def __str__(self) -> str:
        if self.socket:
            return f"unix://{self.socket}"
        scheme = ("rediss" if self.tls else "redis") + ("" if self.kind == "single" else f"+{self.kind}")
        hosts = ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.hosts)
        path = [text for text in (self.master, str(self.database) if self.database else "") if text]
        return f"{scheme}://{'/'.join([hosts, *path])}"

    def __repr__(self) -> str:
        return f"Address({self})"


def _several(hosts: str, kind: str) -> list[str]:
    found = hosts.split(",")
    if kind == "single" and len(found) > 1:
        raise ValueError("redis:// takes one host; several are redis+sentinel:// or redis+cluster://")
    return found


def _host(text: str, default: int) -> tuple[str, int]:
    found = _HOST.fullmatch(text)
    port = int(found[3] or default) if found else 0
    if found is None or not 0 < port < 65536:
        raise ValueError("expected host or host:port (an IPv6 address in brackets; a password ends with @)")
    return found[1] or found[2], port
