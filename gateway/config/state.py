"""What an operator can set about the Redis that processes share."""

from gateway.seam.settings import Duration, Settings


class RedisSettings(Settings):
    """The `state` block: where the Redis is, how long one call to it may take, and trust.

    `timeout` bounds each call as a whole: the wait for a connection, connecting, and the answer. `connections` is the
    most that a process opens for calls (one more hears messages; in a cluster, so many to each node). `username` and
    `password` may stand here in the place of the URL, those for Sentinels beside them. `ca_file` names a PEM bundle
    trusted in addition to the system's own, `cert_file` and `key_file` the client's certificate; `verify: false` trusts
    anyone, and is for a laboratory only. `prefix` begins each key: gateways with one prefix share one state.

    Raises ValueError where these do not fit together.
    """

    url: str
    timeout: Duration = Duration(0.05)
    prefix: str = "gateway"
    connections: int = 16
    username: str | None = None
    password: str | None = None
    sentinel_username: str | None = None
    sentinel_password: str | None = None
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    verify: bool = True

    def __post_init__(self) -> None:
        if self.timeout <= 0:
            raise ValueError("timeout: expected more than 0 s")
        if self.connections < 1:
            raise ValueError(f"connections: expected at least 1, found {self.connections}")
        if not self.prefix or not self.prefix.isprintable() or " " in self.prefix:
            raise ValueError("prefix: expected a word, such as gateway")
        if self.key_file is not None and self.cert_file is None:
            raise ValueError("key_file needs cert_file beside it")
