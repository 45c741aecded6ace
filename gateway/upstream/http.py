"""Plain requests to anywhere: what components are lent as `env.http`."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from gateway import __version__
from gateway.seam.http import HttpAnswer
from gateway.seam.settings import Duration
from gateway.seam.timeouts import Timeouts
from gateway.upstream.contract import Client
from gateway.upstream.head import check_header
from gateway.upstream.origin import Origin
from gateway.wire.verbatim import encode

_REQUEST = re.compile(r"[A-Z]+ [!-~]+ HTTP/1\.1")


class PlainHttp:
    """Whole requests and answers over a client (see seam.Http)."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def request(
        self, method: str, url: str, *, json: Any = None, headers: Mapping[str, str] | None = None, timeout: float = 10
    ) -> HttpAnswer:
        """Send one request, and read the whole answer (see seam.Http)."""
        base, mark, query = url.partition("?")
        origin = Origin.parse(base)
        lines = {"host": origin.host_header.decode(), "user-agent": f"llm-orchestration-gateway/{__version__}"}
        if json is not None:
            lines["content-type"] = "application/json"
        lines |= {name.lower(): value for name, value in (headers or {}).items()}
        target = f"{urlsplit(base).path or '/'}{mark}{query}"
        if not _REQUEST.fullmatch(line := f"{method} {target} HTTP/1.1"):
            raise ValueError("expected a method, and a path and query in ASCII without spaces")
        head = [b"%s\r\n" % line.encode()]
        for name, value in lines.items():
            check_header(name.encode(), value.encode())
            head.append(b"%s: %s\r\n" % (name.encode(), value.encode()))
        wait = Duration(timeout)
        timeouts = Timeouts(connect=wait, first_byte=wait, idle=wait)
        body = b"" if json is None else encode(json)
        exchange = await self._client.send(origin._replace(path=""), b"".join(head), body, timeouts)
        try:
            return HttpAnswer(exchange.status, exchange.headers, await exchange.whole())
        finally:
            await exchange.aclose()

    async def aclose(self) -> None:
        """Close every connection."""
        await self._client.aclose()
