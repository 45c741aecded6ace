"""Where `http` steps may go: the hosts that the file allows, at addresses that they may have."""

import socket
from collections.abc import Sequence

from gateway.config.hosts import Allowed, Site, is_address
from gateway.seam import UpstreamError
from gateway.upstream import Origin
from gateway.upstream.addresses import kind_of
from gateway.upstream.dial import raced, resolved


class Refused(UpstreamError):
    """A request that may not be sent. No other try would change that."""

    code = "http_refused"

    def __init__(self, message: str) -> None:
        super().__init__(message, retryable=False)


class Reach:
    """Holds sites against `orchestrator.http_hosts`, and the addresses that their names resolve to.

    The socket leads to the very address that was looked at: a name is resolved once for each connection, and what it
    resolves to a moment later does not matter.
    """

    def __init__(self, allowed: Sequence[Allowed]) -> None:
        self._allowed = allowed

    def check(self, site: Site) -> None:
        """Whether a site may be called. Raises `Refused`."""
        if not self.allows(site):
            raise Refused(f"{site.scheme}://{site.host}:{site.port} is not among orchestrator.http_hosts.")

    async def dial(self, origin: Origin) -> socket.socket:
        """Resolve, look at all addresses, and connect to one of them (see contract.Dial).

        Raises `Refused` where one of them may not be: a name that is half of it inside is not to be trusted.
        """
        site = Site(origin.scheme, origin.host, origin.port)
        found = await resolved(origin.host, origin.port)
        for *_, address in found:
            if not self.admits(site, str(address[0])):
                raise Refused(
                    f"{origin.address} has an address that is not public; an entry "
                    f"{{host: {origin.host}, private: true}} of orchestrator.http_hosts would allow private ones."
                )
        return await raced(found)

    def admits(self, site: Site, address: str) -> bool:
        """Whether a site may be at an address.

        Private addresses need an entry with `private: true`; link-local ones, at which clouds tell their machines'
        secrets, one that names the address itself.
        """
        kind = kind_of(address)
        if kind == "public":
            return True
        if kind == "special" or (kind == "link-local" and not is_address(site.host)):
            return False
        return any(entry.private for entry in self._allowed if entry.covers(site))

    def admits_name(self, site: Site) -> bool:
        """Whether a site may be where its name alone says that it is; what others resolve to is not known yet."""
        if is_address(site.host):
            return self.admits(site, site.host)
        return site.host != "localhost" or self.admits(site, "127.0.0.1")

    def allows(self, site: Site) -> bool:
        """Whether an entry covers a site."""
        return any(entry.covers(site) for entry in self._allowed)
