import asyncio
import ssl

import pytest
import trustme

from gateway.seam.errors import UpstreamError
from gateway.upstream import ClientSettings, Origin, open_client
from gateway.upstream.trust import tls_context

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    made = trustme.CA()
    made.path = str(tmp_path_factory.mktemp("ca") / "ca.pem")
    made.cert_pem.write_to_path(made.path)
    return made


@pytest.fixture
def tls_upstream(authority, upstream):
    """An upstream that speaks TLS with a certificate for `names`."""

    async def make(script=OK, names=("localhost", "127.0.0.1")):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.set_alpn_protocols(["h2", "http/1.1"])
        authority.issue_cert(*names).configure_cert(context)
        server = await upstream(script, ssl=context)
        server.tls = Origin.parse(f"https://localhost:{server.port}")
        return server

    return make


async def test_a_certificate_of_a_custom_authority_is_trusted(authority, tls_upstream, client, ask):
    server, one = await tls_upstream(), client(ca_file=authority.path)
    for _ in range(3):
        assert await (await ask(one, server.tls)).whole() == b"ok"
    (peer,) = server.peers
    assert peer.writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"


async def test_an_address_can_be_in_the_certificate(authority, tls_upstream, client, ask):
    server = await tls_upstream()
    origin = Origin.parse(f"https://127.0.0.1:{server.port}")
    assert await (await ask(client(ca_file=authority.path), origin)).whole() == b"ok"


async def test_an_unknown_authority_is_refused(tls_upstream, client, ask):
    server = await tls_upstream()
    with pytest.raises(UpstreamError, match=r"The certificate of localhost:\d+ is not trusted.*ca_file") as told:
        await ask(client(), server.tls)
    assert not told.value.retryable


async def test_a_certificate_for_another_host_is_refused(authority, tls_upstream, client, ask):
    server = await tls_upstream(names=("example.org",))
    with pytest.raises(UpstreamError, match=r"is not trusted: .*[Hh]ostname mismatch"):
        await ask(client(ca_file=authority.path), server.tls)


async def test_without_verification_anyone_is_trusted(tls_upstream, client, ask):
    server = await tls_upstream(names=("example.org",))
    assert await (await ask(client(verify=False), server.tls)).whole() == b"ok"


async def test_a_server_that_speaks_no_tls_is_told(upstream, client, ask):
    async def script(peer):
        await peer.reader.read(1)
        await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    server = await upstream(script)
    with pytest.raises(UpstreamError, match=r"TLS with localhost:\d+ failed"):
        await ask(client(), Origin.parse(f"https://localhost:{server.port}"))


async def test_a_server_that_closes_in_the_handshake_is_told(upstream, client, ask):
    async def script(peer):
        await peer.reader.read(1)

    server = await upstream(script)
    with pytest.raises(UpstreamError, match=r"localhost:\d+ failed"):
        await ask(client(), Origin.parse(f"https://localhost:{server.port}"))


async def test_a_handshake_has_the_connects_time_limit(upstream, client, ask, until):
    async def script(peer):
        await peer.gone()

    server = await upstream(script)
    with pytest.raises(UpstreamError, match=r"took longer than 0\.05 s \(connect\)"):
        await ask(client(), Origin.parse(f"https://localhost:{server.port}"), connect=0.05)
    await until(lambda: not server.open)


@pytest.mark.parametrize("turns", range(40))
async def test_cancelling_a_handshake_leaves_nothing(turns, authority, tls_upstream, client, ask, until):
    server, one = await tls_upstream(), client(ca_file=authority.path, max_connections=1)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(ask(one, server.tls))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
    if not task.cancelled():
        await task.result().aclose()
    assert await (await ask(one, server.tls)).whole() == b"ok"


async def test_aclose_over_tls_reaches_the_upstream(authority, tls_upstream, client, ask, until):
    async def script(peer):
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhello")
        await peer.gone()

    server = await tls_upstream(script)
    exchange = await ask(client(ca_file=authority.path), server.tls)
    assert await exchange.read() == b"hello"
    await exchange.aclose()
    await until(lambda: not server.open)


async def test_an_idle_tls_connection_that_was_closed_is_not_used(authority, tls_upstream, client, ask, until):
    async def script(peer):
        await peer.request()
        await peer.send(OK)

    server, one = await tls_upstream(script), client(ca_file=authority.path)
    for _ in range(3):
        assert await (await ask(one, server.tls)).whole() == b"ok"
        await until(lambda: not server.open)
        await asyncio.sleep(0.002)  # longer than a connection is trusted unseen
    assert len(server.peers) == 3


async def test_back_pressure_holds_over_tls(authority, tls_upstream, client, ask, until):
    async def script(peer):
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 5000000\r\n\r\n", *[b"x" * 50_000] * 100)
        await peer.gone()

    server = await tls_upstream(script)
    exchange = await ask(client(ca_file=authority.path), server.tls)
    await until(lambda: exchange.line._paused)
    assert len(await exchange.whole()) == 5_000_000


def test_a_ca_file_that_is_none_is_told(tmp_path):
    for name, text in (("missing.pem", None), ("empty.pem", "")):
        path = tmp_path / name
        if text is not None:
            path.write_text(text)
        with pytest.raises(ValueError, match=f"ca_file '.*{name}'"):
            open_client(ClientSettings(ca_file=str(path)))


def test_tls_is_new_enough():
    assert tls_context(ClientSettings()).minimum_version >= ssl.TLSVersion.TLSv1_2
