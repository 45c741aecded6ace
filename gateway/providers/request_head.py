"""What every request to a server begins with, made once."""

from collections.abc import Mapping

from gateway import __version__
from gateway.upstream import Origin, check_header


def request_head(
    origin: Origin, path: str, *, api_key: str | None, key_header: str, headers: Mapping[str, str]
) -> bytes:
    """The line and the headers of a POST to `path`, the same for every call; `headers` win over those of all servers.

    `key_header` holds the key alone; `authorization` holds `Bearer` and it. Raises ValueError for what is no header.
    """
    all_servers = {
        "host": origin.host_header.decode(),
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "user-agent": f"llm-orchestration-gateway/{__version__}",
    }
    if api_key:
        name = key_header.lower()
        all_servers[name] = f"Bearer {api_key}" if name == "authorization" else api_key
    return b"POST %s HTTP/1.1\r\n" % path.encode() + header_lines(all_servers | lowered(headers))


def header_lines(headers: Mapping[str, str]) -> bytes:
    """Headers as they go over the wire. Raises ValueError for what is none."""
    for name, value in headers.items():
        check_header(name.encode(), value.encode())
    return b"".join([b"%s: %s\r\n" % (name.encode(), value.encode()) for name, value in headers.items()])


def lowered(headers: Mapping[str, str]) -> dict[str, str]:
    """The same headers, their names in lower case: names that differ in case alone are one header."""
    return {name.lower(): value for name, value in headers.items()}
