"""What an operator can set about the Redis that processes share."""

from typing import Annotated

from msgspec import Meta

from gateway.seam.settings import Duration, Settings

Name = Annotated[str, Meta(min_length=1)]


class RedisSettings(Settings):
    """The `state` block, where it is more than a URL."""

    url: Name
    """Where it is: the forms of `state` alone."""
    timeout: Duration = Duration(0.05)
    """What one call may take in all: its turn, connecting, the answer."""
    prefix: Annotated[str, Meta(pattern=r"^[^\s{}]+$")] = "gateway"
    """Begins each key: gateways with one prefix share one state."""
    connections: Annotated[int, Meta(ge=1)] = 16
    """The most that a process opens for calls (in a cluster: to each node); one more hears messages."""
    username: Name | None = None
    """In the place of the one in the URL."""
    password: Name | None = None
    """In the place of the one in the URL; any character will do."""
    sentinel_username: Name | None = None
    """For Sentinels that ask for one."""
    sentinel_password: Name | None = None
    """For Sentinels that ask for one."""
    ca_file: Name | None = None
    """A PEM bundle, trusted in addition to the system's own."""
    cert_file: Name | None = None
    """The certificate that the gateway shows."""
    key_file: Name | None = None
    """Its key, where that is not in the same file."""
    verify: bool = True
    """false: whoever answers is trusted; for a laboratory only."""

    def __post_init__(self) -> None:
        if self.timeout <= 0:
            raise ValueError("timeout: expected more than 0 s")
        if self.key_file is not None and self.cert_file is None:
            raise ValueError("key_file needs cert_file beside it")
