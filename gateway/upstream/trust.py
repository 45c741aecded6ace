"""Whom we believe to be the provider."""

import ssl

from gateway.upstream.settings import ClientSettings


def tls_context(settings: ClientSettings) -> ssl.SSLContext:
    """Make the TLS context for all connections of a client: TLS 1.2 or newer, ALPN `http/1.1`.

    The system's trust holds (SSL_CERT_FILE and SSL_CERT_DIR move it), and `ca_file` in addition. Reading the system's
    certificates takes tens of milliseconds: make one context, when the first is needed.

    Raises ValueError where `ca_file` cannot be read or holds no certificate.
    """
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    if settings.ca_file is not None:
        try:
            context.load_verify_locations(cafile=settings.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise ValueError(f"ca_file {settings.ca_file!r}: {error.strerror or error}") from error
    if not settings.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
