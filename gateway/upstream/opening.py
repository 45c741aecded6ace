"""Which client the settings ask for."""

from gateway.upstream.contract import Client
from gateway.upstream.native import NativeClient
from gateway.upstream.settings import ClientSettings


def open_client(settings: ClientSettings) -> Client:
    """Open the client that `settings.transport` names; it connects when first used.

    Raises ValueError where the settings' `ca_file` cannot be read.
    """
    if settings.transport == "httpx":
        # httpx costs 6.6 MB: only those who ask for it pay.
        from gateway.upstream.httpx_transport import HttpxClient  # noqa: PLC0415

        return HttpxClient(settings)
    return NativeClient(settings)
