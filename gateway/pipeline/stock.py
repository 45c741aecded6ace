"""The stock middlewares: adding one takes a line here and its file."""

from collections.abc import Mapping
from typing import NamedTuple


class Stock(NamedTuple):
    """One of the gateway's own middlewares.

    `maker` is its `module:Class`, imported only where it is used; `rings` are those that it may stand in; `block` is
    the top-level block whose keys are its settings. Where that block is there, it stands in all its rings by default.
    """

    maker: str
    rings: tuple[str, ...]
    block: str | None = None


STOCK: Mapping[str, Stock] = {  # in the order of the default rings, outermost first
    "auth": Stock("gateway.middleware.auth:Auth", ("request",), "auth"),
    "attach": Stock("gateway.middleware.attach:Attach", ("request",), "attach"),
}
