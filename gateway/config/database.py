"""What an operator can set about the database."""

import re
from typing import Literal, NamedTuple, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec

from gateway.seam.settings import Duration, Settings

FORMS = "sqlite:///file.db (four slashes: an absolute path) or postgresql://user:password@host:5432/name"
DEFAULT = "sqlite:///gateway.db"
"""What is opened where nothing is configured, when something must be kept."""
_POSTGRESQL = re.compile(r"postgres(?:ql)?(?:\+asyncpg)?://")


class Retention(Settings):
    """How long what each table holds is kept after its last use; absent: for ever."""

    conversations: Duration | None = None


class DatabaseSettings(Settings):
    """The `database` block: where it is, and how long one call to it may take.

    `timeout` bounds each call as a whole: the wait for a connection, connecting, and the answer. `connections` is the
    most that a process opens to PostgreSQL. Raises ValueError where these do not fit.
    """

    url: str
    timeout: Duration = Duration(2)
    connections: int = 8
    retention: Retention = msgspec.field(default_factory=Retention)

    def __post_init__(self) -> None:
        Location.parse(self.url)
        if self.timeout <= 0:
            raise ValueError("timeout: expected more than 0 s")
        if self.connections < 1:
            raise ValueError(f"connections: expected at least 1, found {self.connections}")


class Location(NamedTuple):
    """Where a database is. As text it has no password."""

    dialect: Literal["sqlite", "postgresql"]
    url: str
    """What the driver takes."""
    shown: str

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read a URL. Raises ValueError, which does not show the URL: it may hold a password."""
        if url.startswith("sqlite:"):
            path = url.removeprefix("sqlite:///")
            if path in (url, "", ":memory:") or "?" in path:
                raise ValueError(f"url: expected {FORMS}")
            return cls("sqlite", f"sqlite+aiosqlite:///{path}", url)
        scheme = _POSTGRESQL.match(url)
        try:
            parts = urlsplit(url)
            fits = scheme is not None and len(parts.path) > 1
        except ValueError:
            fits = False
        if scheme is None or not fits:
            raise ValueError(f"url: expected {FORMS}")
        # libpq's name for what asyncpg calls `ssl`.
        options = [("ssl" if name == "sslmode" else name, value) for name, value in parse_qsl(parts.query)]
        user, at, host = parts.netloc.rpartition("@")
        query = urlencode(options)
        return cls(
            "postgresql",
            f"postgresql+asyncpg://{parts.netloc}{parts.path}{'?' if query else ''}{query}",
            f"postgresql://{user.partition(':')[0]}{at}{host}{parts.path}",
        )

    def __str__(self) -> str:
        return self.shown

    def __repr__(self) -> str:
        return f"Location({self.shown})"
