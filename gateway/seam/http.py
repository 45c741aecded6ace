"""The HTTP client that components are lent: `env.http`."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol


class HttpAnswer(NamedTuple):
    """A whole answer: its status, its headers (names in lower case), its body."""

    status: int
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes


class Http(Protocol):
    """Plain requests to anywhere, over pooled connections."""

    async def request(
        self, method: str, url: str, *, json: Any = None, headers: Mapping[str, str] | None = None, timeout: float = 10
    ) -> HttpAnswer:
        """Send one request, its body `json` encoded, and read the whole answer, whatever its status.

        `timeout` in seconds bounds the wait for a connection, for the first byte, and each silence after it. Raises
        ValueError for what is no http or https URL or no header, `UpstreamTimeout`, and `UpstreamError` where the
        other side cannot be reached or breaks off.
        """
        ...

    async def aclose(self) -> None:
        """Close every connection. The gateway does."""
        ...
