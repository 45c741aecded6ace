"""The HTTP client that talks to providers.

`open_client` gives a `Client`; `Client.send` gives an `Exchange`, the answer's head, whose body is then read.
"""

from gateway.upstream.contract import Client, Exchange
from gateway.upstream.head import check_header
from gateway.upstream.http import PlainHttp
from gateway.upstream.opening import open_client
from gateway.upstream.origin import Origin
from gateway.upstream.settings import ClientSettings

__all__ = ["Client", "ClientSettings", "Exchange", "Origin", "PlainHttp", "check_header", "open_client"]
