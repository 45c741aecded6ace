"""What an operator can set about the database."""

import re
from typing import Annotated, Literal, NamedTuple, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec
from msgspec import Meta

from gateway.seam.settings import Duration, Settings

DEFAULT = "sqlite:///gateway.db"
"""What is opened where nothing is configured, when something must be kept."""
FORMS = "a URL such as sqlite:///gateway.db or postgresql://user:password@host:5432/name"
_PATTERN = r"^(sqlite(\+aiosqlite)?:///(?!:memory:)[^?]+|postgres(ql)?(\+asyncpg)?://[^/\s]*/\S+)$"
DatabaseUrl = Annotated[str, Meta(pattern=_PATTERN, extra={"expected": FORMS})]


class Retention(Settings):
    """How long what each table holds is kept after its last use."""

    conversations: Duration | None = None
    """How long a conversation is kept after its last turn."""


class DatabaseSettings(Settings):
    """Where the database is, and how long one call to it may take."""

    url: DatabaseUrl
    """`sqlite:///file.db` (four slashes: an absolute path), or `postgresql://user:password@host:5432/name`."""
    timeout: Duration = Duration(2)
    """How long one call may take: the wait for a connection, connecting, and the answer."""
    connections: Annotated[int, Meta(ge=1)] = 8
    """How many a process opens to PostgreSQL at most."""
    retention: Retention = msgspec.field(default_factory=Retention)
    """How long what each table holds is kept; absent: for ever."""

    def __post_init__(self) -> None:
        if self.timeout <= 0:
            raise ValueError("timeout: expected more than 0 s")
        Location.parse(self.url)


class Location(NamedTuple):
    """Where a database is. As text it has no password."""

    dialect: Literal["sqlite", "postgresql"]
    url: str
    """What the driver takes."""
    shown: str

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read a URL. Raises ValueError, which does not show the URL: it may hold a password."""
        if re.fullmatch(_PATTERN, url) is None:
            raise ValueError(f"url: expected {FORMS}")
        if url.startswith("sqlite"):
            path = url.partition(":///")[2]
            return cls("sqlite", f"sqlite:///{path}", f"sqlite:///{path}")
        try:
            parts = urlsplit(url)
        except ValueError:  # it would show the URL
            raise ValueError(f"url: expected {FORMS}") from None
        # libpq's name for what asyncpg calls `ssl`.
        options = [("ssl" if name == "sslmode" else name, value) for name, value in parse_qsl(parts.query)]
        user, at, host = parts.netloc.rpartition("@")
        query = urlencode(options)
        return cls(
            "postgresql",
            f"postgresql+asyncpg://{parts.netloc}{parts.path}{'?' if query else ''}{query}",
            f"postgresql://{user.partition(':')[0]}{at}{host}{parts.path}",
        )

    @property
    def path(self) -> str:
        """The file, of SQLite."""
        return self.url.partition(":///")[2]

    def __str__(self) -> str:
        return self.shown

    def __repr__(self) -> str:
        return f"Location({self.shown})"
