"""Ways to a Redis: TLS, Sentinels, a cluster; each with servers that fail."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import trustme

from tests.servers import RedisServer, cluster, sentinels, until
from tests.stores.conftest import Opened

pytestmark = pytest.mark.usefixtures("hurried")


@pytest.fixture(scope="module")
def nodes() -> Iterator[list[RedisServer]]:
    with cluster() as nodes:
        yield nodes


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
async def relay(server: RedisServer, authority: trustme.CA) -> AsyncIterator[int]:
    """The port of a relay that speaks TLS before the server, and asks its clients for a certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_OPTIONAL

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
        except OSError:
            pass
        finally:
            writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner, outer = await asyncio.open_connection("127.0.0.1", server.port)
        certificates.append(writer.get_extra_info("peercert"))
        await asyncio.gather(pump(reader, outer), pump(inner, writer))

    certificates: list[object] = []
    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    port: int = listening.sockets[0].getsockname()[1]
    _CERTIFICATES[port] = certificates
    yield port
    listening.close()


_CERTIFICATES: dict[int, list[object]] = {}


async def test_tls_with_an_authority_of_ones_own(
    relay: int, opened: Opened, authority: trustme.CA, tmp_path: Path
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    mine = authority.issue_cert("gateway.example")
    mine.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    mine.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    store = await opened(
        f"rediss://localhost:{relay}",
        ca_file=str(tmp_path / "ca.pem"),
        cert_file=str(tmp_path / "cert.pem"),
        key_file=str(tmp_path / "key.pem"),
    )
    assert store.state() == ("redis", True, f"rediss://localhost:{relay}", "")
    assert await store.add("n", 1, 60) == 1
    assert all(_CERTIFICATES[relay]), "the client showed its certificate on each connection"


async def test_tls_that_is_not_trusted_is_told(relay: int, opened: Opened) -> None:
    store = await opened(f"rediss://localhost:{relay}")
    assert not store.state().up
    assert "CERTIFICATE_VERIFY_FAILED" in store.state().error


async def test_tls_for_another_host_is_told(relay: int, opened: Opened, authority: trustme.CA, tmp_path: Path) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    store = await opened(f"rediss://127.0.0.1:{relay}", ca_file=str(tmp_path / "ca.pem"))
    assert not store.state().up
    assert "IP address mismatch" in store.state().error


async def test_tls_without_verification(relay: int, opened: Opened) -> None:
    store = await opened(f"rediss://127.0.0.1:{relay}", verify=False)
    assert store.state().up


@pytest.mark.parametrize("field", ["ca_file", "cert_file"])
async def test_a_certificate_that_cannot_be_read(opened: Opened, field: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"{field} 'nowhere.pem': No such file"):
        await opened("rediss://localhost", **{field: "nowhere.pem"})


async def test_sentinels_of_which_one_is_frozen(opened: Opened) -> None:
    with sentinels(replicas=0) as (servers, watching):
        watching[0].freeze()
        url = "redis+sentinel://" + ",".join(f"127.0.0.1:{one.port}" for one in watching) + "/mymaster/2"
        store = await opened(url)
        await until(lambda: store.state().up)
        await store.set("a", b"1", 60)
        assert store.state() == ("redis", True, url, "")
        assert b"db2" in servers[0].ask("INFO", "keyspace")


@pytest.mark.slow
@pytest.mark.parametrize("end", ["kill", "freeze"])
async def test_sentinels_name_another_master(opened: Opened, end: str) -> None:
    with sentinels() as (servers, watching):
        watching[0].freeze()  # one that must be passed over, at first and later
        url = "redis+sentinel://" + ",".join(f"127.0.0.1:{one.port}" for one in watching) + "/mymaster"
        store = await opened(url)
        await until(lambda: store.state().up)
        heard: list[bytes] = []
        joins: list[int] = []
        store.subscribe("c", heard.append, lambda: joins.append(1))
        await until(lambda: joins)
        await asyncio.gather(*(store.set(f"k{n}", b"1", 60) for n in range(30)))
        getattr(servers[0], end)()
        for _ in range(20):
            await store.add("n", 1, 60)
        assert not store.state().up
        await until(lambda: store.state().up, 20)
        assert await store.add("n", 1, 60) == 1
        assert servers[1].ask("GET", "gateway:1:n") == b"1"
        await until(lambda: len(joins) > 1)
        other = await opened(url)
        await until(lambda: other.state().up)
        other.publish("c", b"heard")
        await until(lambda: heard)


async def test_a_master_that_no_sentinel_knows(opened: Opened) -> None:
    with sentinels(count=1, replicas=0) as (_, watching):
        store = await opened(f"redis+sentinel://127.0.0.1:{watching[0].port}/other")
        assert "No master found for 'other'" in store.state().error


async def test_a_cluster(nodes: list[RedisServer], opened: Opened) -> None:
    url = f"redis+cluster://127.0.0.1:{nodes[0].port}"
    one, other = await opened(url), await opened(url)
    assert one.state() == ("redis", True, url, "")
    for n in range(30):
        await one.set(f"k{n}", b"%d" % n, 60)
        assert await one.add(f"n{n}", n, 60) == n
    assert [await other.get(f"k{n}") for n in range(30)] == [b"%d" % n for n in range(30)]
    assert 59 < await other.left("k1") <= 60
    await other.delete("k1")
    assert await one.get("k1") is None
    assert all(int(node.ask("DBSIZE")) > 5 for node in nodes), "the keys are on all nodes"
    heard: list[bytes] = []
    joined = asyncio.Event()
    other.subscribe("c", heard.append, joined.set)
    await joined.wait()
    for n in range(10):
        one.publish("c", b"%d" % n)
    await until(lambda: len(heard) == 10)


async def test_calls_to_a_cluster_take_turns(nodes: list[RedisServer], opened: Opened) -> None:
    store = await opened(f"redis+cluster://127.0.0.1:{nodes[0].port}", timeout=5, connections=2)
    await asyncio.gather(*(store.add(f"t{n % 50}", 1, 60) for n in range(300)))
    assert store.state().up
    assert sum([await store.add(f"t{n}", 0, 60) for n in range(50)]) == 300


async def test_a_node_of_a_cluster_that_freezes(nodes: list[RedisServer], opened: Opened) -> None:
    store = await opened(f"redis+cluster://127.0.0.1:{nodes[0].port}")
    nodes[0].freeze()  # also the only one that the URL names
    try:
        values = await asyncio.gather(*(store.add(f"f{n}", 1, 60) for n in range(30)))
        assert set(values) == {1}
        assert not store.state().up
    finally:
        nodes[0].thaw()
    await until(lambda: store.state().up)
