"""What an operator can set about the way to providers."""

from typing import Literal

from gateway.seam.settings import Duration, Settings, Size


class ClientSettings(Settings):
    """The `upstream` block: limits of the connections to providers, and trust.

    `max_connections` counts connections to one host in one worker; whoever wants one more waits for `timeouts.connect`
    seconds. An idle connection is closed after `keepalive` seconds, sooner where the provider asks for it with a
    `keep-alive: timeout=` header. `max_head` bounds the bytes of an answer's head, `max_body` those of a whole answer
    after decoding; streams have no such bound. `ca_file` names a PEM bundle that is trusted in addition to the
    system's own trust; `verify: false` trusts anyone, and is for a laboratory only. `transport: httpx` puts httpx's own
    connection pool in the place of ours, at many times the cost, for what only it can do: `proxy` and `http2`.

    Raises ValueError where `proxy` or `http2` is asked of the native transport.
    """

    max_connections: int = 2000
    keepalive: Duration = Duration(30)
    max_head: Size = Size(64 * 1024)
    max_body: Size = Size(64 * 1024 * 1024)
    ca_file: str | None = None
    verify: bool = True
    transport: Literal["native", "httpx"] = "native"
    proxy: str | None = None
    http2: bool = False

    def __post_init__(self) -> None:
        if self.max_connections < 1:
            raise ValueError(f"expected max_connections of at least 1, found {self.max_connections}")
        if self.transport == "native" and (self.proxy is not None or self.http2):
            asked = "proxy" if self.proxy is not None else "http2"
            raise ValueError(f"{asked} needs transport: httpx (the native transport has none)")
