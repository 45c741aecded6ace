"""Where `http` steps go, and where they do not: a trap stands where a mistake would lead."""

import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trustme

from gateway.orchestration import http_reach
from tests.orchestration.scripted import World
from tests.orchestration.sites import Names, Trap, Upstream, answering, failure, names, trap, world

__all__ = ["names", "trap"]
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


def redirect(location: str, status: int = 302) -> bytes:
    return f"HTTP/1.1 {status} Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n".encode("latin-1")


@asynccontextmanager
async def calling(hosts: Sequence[Any], url: str, **http: Any) -> AsyncIterator[World]:
    """A world whose chain `c` calls a URL."""
    chain = {"type": "simple", "http": {"url": url, **http}}
    async with world(orchestrator={"http_hosts": [*hosts]}, chains={"c": chain}) as w:
        yield w


@pytest.fixture
async def site(names: Names) -> AsyncIterator[Upstream]:
    """A site that may be called, `http://good.test:PORT`; each request is answered `ok` unless the test says more."""
    server = await Upstream(answering(OK)).start()
    names["good.test"] = "127.0.0.1"
    yield server
    await server.stop()


def good(site: Upstream) -> dict[str, Any]:
    return {"host": f"http://good.test:{site.port}", "private": True}


# Addresses

INSIDE = ["127.0.0.1", "127.8.8.8", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1", "::ffff:7f00:1", "::127.0.0.1"]
"""Addresses at which, but for the check, the trap would be reached or might be."""
ELSEWHERE = [
    "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "100.100.100.200", "169.254.169.254", "198.18.0.1",
    "192.0.0.170", "192.0.2.1", "203.0.113.9", "224.0.0.1", "240.0.0.1", "255.255.255.255", "fe80::1", "fc00::1",
    "fd00:ec2::254", "ff02::1", "fec0::1", "2001:db8::1", "2001:0:1::1", "2002:7f00:1::", "2002:a9fe:a9fe::",
    "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
    "::ffff:0:7f00:1", "100::1",
]  # fmt: skip


@pytest.mark.parametrize("address", INSIDE + ELSEWHERE)
async def test_a_name_that_leads_inside_is_refused(
    names: Names, trap: Trap, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_reach, "raced", lambda found: pytest.fail(f"connects to {found}"))
    names["inside.test"] = address
    async with calling([f"http://inside.test:{trap.port}"], f"http://inside.test:{trap.port}/") as w:
        error = await failure(w)
    assert (error.status, error.code, error.retryable) == (502, "http_refused", False)
    assert f"inside.test:{trap.port} has an address that is not public" in error.message
    assert address not in error.message


@pytest.mark.parametrize(
    "answer", [["8.8.8.8", "127.0.0.1"], ["127.0.0.1", "8.8.8.8"], ["2606:4700::1", "8.8.8.8", "::1"]]
)
async def test_a_name_that_is_half_inside_is_refused(names: Names, trap: Trap, answer: list[str]) -> None:
    names.known["mixed.test"] = [answer]
    async with calling([f"http://mixed.test:{trap.port}"], f"http://mixed.test:{trap.port}/") as w:
        assert (await failure(w)).code == "http_refused"


async def test_what_was_looked_at_is_what_is_connected_to(
    names: Names, trap: Trap, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that says something else the second time is asked once; asked again, it is looked at again."""
    names.known["rebind.test"] = [["8.8.8.8", "2606:4700::1111"], ["127.0.0.1"]]
    dialled: list[str] = []

    async def raced(found: Sequence[Any]) -> Any:
        dialled.extend(info[4][0] for info in found)
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(http_reach, "raced", raced)
    async with calling([f"http://rebind.test:{trap.port}"], f"http://rebind.test:{trap.port}/") as w:
        assert "Connection refused" in (await failure(w)).message
        assert (dialled, names.asked) == (["8.8.8.8", "2606:4700::1111"], ["rebind.test"])
        assert (await failure(w)).code == "http_refused"
    assert (len(dialled), names.asked) == (2, ["rebind.test"] * 2)


async def test_a_name_that_moves_to_another_server_is_not_followed_in_between(names: Names) -> None:
    """With real sockets: the first answer is the one that counts, though the second has a server too."""
    server = await Upstream(answering(OK)).start()
    other = Trap("127.0.0.2", server.port)
    names.known["moves.test"] = [["127.0.0.1"], ["127.0.0.2"]]
    with other.socket:
        host = {"host": f"http://moves.test:{server.port}", "private": True}
        async with calling([host], f"http://moves.test:{server.port}/") as w:
            assert [await w.ask("chain:c") for _ in range(3)] == ["ok"] * 3
        assert other.untouched()
    assert names.asked == ["moves.test"]
    assert len(server.peers) == 1
    await server.stop()


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "::ffff:169.254.169.254", "fe80::1", "0.0.0.0", "224.0.0.1", "::"]
)
async def test_private_is_not_link_local_nor_special(
    names: Names, trap: Trap, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_reach, "raced", lambda found: pytest.fail(f"connects to {found}"))
    names["inside.test"] = address
    host = {"host": f"http://inside.test:{trap.port}", "private": True}
    async with calling([host], f"http://inside.test:{trap.port}/") as w:
        assert (await failure(w)).code == "http_refused"


async def test_a_host_that_nobody_knows(names: Names) -> None:
    async with calling(["nobody.test"], "https://nobody.test/") as w:
        error = await failure(w)
    assert "The name of nobody.test:443 does not resolve" in error.message


async def test_proxies_of_the_environment_are_not_asked(
    site: Upstream, trap: Trap, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{trap.port}")
    async with calling([good(site)], f"http://good.test:{site.port}/") as w:
        assert await w.ask("chain:c") == "ok"


# Redirects

LOCATIONS = [
    "http://127.0.0.1:{trap}/", "http://127.1:{trap}/", "http://2130706433:{trap}/", "http://0x7f000001:{trap}/",
    "http://0x7f.0x0.0x0.0x1:{trap}/", "http://017700000001:{trap}/", "http://0177.0.0.1:{trap}/", "http://0:{trap}/",
    "http://[::1]:{trap}/", "http://[::]:{trap}/", "http://[::ffff:127.0.0.1]:{trap}/", "http://[::1%25lo]:{trap}/",
    "http://localhost:{trap}/", "http://evil.test:{trap}/", "//evil.test:{trap}/", "HTTP://EVIL.test:{trap}/",
    "///evil.test:{trap}/../..//evil.test:{trap}/", "http:\\\\evil.test:{trap}/", "\\\\evil.test:{trap}/",
    "/\\evil.test:{trap}/", "http://good.test:{port}@evil.test:{trap}/", "http://user:pass@evil.test:{trap}/",
    "http://user@good.test:{port}/", "http://evil.test:{trap}\\@good.test:{port}/", "http://evil.test:{trap}#@good.test/",
    "http://good.test.evil.test:{trap}/", "http://good.test:{trap}/", "http://good.test/", "http://good.test:/",
    "http://good.test.:{port}/", "http://good%2etest:{port}/", "http://good\u00b7test:{port}/", "http://good..test:{port}/",
    "http://good.test:0/", "http://good.test:99999/", "http://good.test:{port}x/", "http://", "http:///", "http://?x",
    "https://good.test:{port}/", "ftp://good.test/", "file:///etc/passwd", "gopher://good.test:{port}/_x",
    "javascript:alert(1)", "data:text/plain,x", "unix:///var/run/docker.sock", "http+unix://x/", "dict://good.test:11211/",
    "http://169.254.169.254/latest/meta-data/", "http://[fd00:ec2::254]/", "http://private.test:{trap}/",
    "http://inside.test:{trap}/", "http://good.test:{port}/" + "x" * 9000,
]  # fmt: skip


@pytest.mark.parametrize("location", LOCATIONS)
async def test_a_redirect_leads_nowhere_else(site: Upstream, names: Names, trap: Trap, location: str) -> None:
    """Not to hosts that are not allowed, nor to those that are and have a private address, nor by any odd spelling."""
    for name in ("evil.test", "inside.test", "localhost", "good.test.evil.test", "127.0.0.1", "::1"):
        names[name] = "127.0.0.1"
    site.script = answering(redirect(location.format(trap=trap.port, port=site.port)))
    hosts = [good(site), f"http://inside.test:{trap.port}", "http://good.test:1"]
    async with calling(hosts, f"http://good.test:{site.port}/", follow=5, headers={"authorization": "secret"}) as w:
        error = await failure(w)
    assert (error.status, error.code, error.retryable) == (502, "http_refused", False)
    assert len(site.peers[0].requests) == 1


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("/there", "/there"),
        ("there?q=a%20b", "/a/there?q=a%20b"),
        ("?only", "/a/b?only"),
        ("http://good.test:{port}/abs", "/abs"),
        ("//GOOD.test:{port}", "/"),
        ("/with#fragment", "/with"),
        ("/a/./../b", "/b"),
        ("/a b/\u00fc", "/a%20b/%C3%BC"),
    ],
)
async def test_a_redirect_is_followed(site: Upstream, location: str, path: str) -> None:
    site.script = answering(redirect(location.format(port=site.port)), OK)
    async with calling([good(site)], f"http://good.test:{site.port}/a/b", follow=1) as w:
        assert await w.ask("chain:c") == "ok"
    (peer,) = site.peers
    assert peer.requests[1][0].startswith(f"GET {path} HTTP/1.1\r\n".encode())


async def test_a_redirect_is_a_failure_unless_followed(site: Upstream) -> None:
    site.script = answering(redirect("/there"))
    async with calling([good(site)], f"http://good.test:{site.port}/") as w:
        error = await failure(w)
    assert f"good.test:{site.port} answered 302" in error.message


@pytest.mark.parametrize("follow", [1, 5])
async def test_redirects_come_to_an_end(site: Upstream, follow: int) -> None:
    site.script = answering(redirect("/"))
    async with calling([good(site)], f"http://good.test:{site.port}/", follow=follow) as w:
        error = await failure(w)
    assert f"redirects more than {follow} times" in error.message
    assert (error.code, error.retryable) == ("http_status", False)
    assert len(site.peers[0].requests) == follow + 1


@pytest.mark.parametrize(
    ("status", "method", "becomes"),
    [
        (301, "POST", "GET"), (302, "POST", "GET"), (303, "POST", "GET"), (303, "PUT", "GET"), (303, "DELETE", "GET"),
        (301, "PUT", "PUT"), (302, "PATCH", "PATCH"), (307, "POST", "POST"), (308, "POST", "POST"),
        (307, "DELETE", "DELETE"),
        (301, "GET", "GET"), (303, "GET", "GET"),
    ],
)  # fmt: skip
async def test_what_becomes_of_the_request(site: Upstream, status: int, method: str, becomes: str) -> None:
    site.script = answering(redirect("/there", status), OK)
    body = {} if method == "GET" else {"json": {"a": 1}}
    headers = {"X-Own": "1", "content-language": "en"}
    url = f"http://good.test:{site.port}/"
    async with calling([good(site)], url, method=method, follow=1, headers=headers, **body) as w:
        assert await w.ask("chain:c") == "ok"
    head, sent = site.peers[0].requests[1]
    assert head.startswith(f"{becomes} /there ".encode())
    assert b"x-own: 1\r\n" in head
    if becomes == "GET":
        assert sent == b""
        assert b"content-" not in head or method == "GET"
    else:
        assert sent == b'{"a":1}'
        assert b"content-type: application/json\r\n" in head
        assert b"content-language: en\r\n" in head


@pytest.mark.parametrize("status", [302, 307])
async def test_another_host_gets_no_headers(site: Upstream, names: Names, status: int) -> None:
    """Nor does the first one, when it is led back to."""
    other = await Upstream(answering(redirect(f"http://good.test:{site.port}/back", status))).start()
    names["other.test"] = "127.0.0.1"
    site.script = answering(redirect(f"http://other.test:{other.port}/", status), OK)
    headers = {
        "Authorization": "Bearer a-secret",
        "X-Api-Key": "a-secret",
        "Cookie": "a-secret",
        "content-type": "text/x",
    }
    hosts = [good(site), {"host": f"http://other.test:{other.port}", "private": True}]
    url = f"http://good.test:{site.port}/"
    async with calling(hosts, url, method="POST", body="hi", follow=3, headers=headers) as w:
        assert await w.ask("chain:c") == "ok"
    (first, _), (last, _) = site.peers[0].requests
    ((middle, sent),) = other.peers[0].requests
    assert first.count(b"a-secret") == 3
    assert b"a-secret" not in middle + last
    assert f"host: other.test:{other.port}\r\n".encode() in middle
    assert sent == (b"hi" if status == 307 else b"")
    assert (b"content-type: text/x\r\n" in middle) == (status == 307)
    await other.stop()


# TLS


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, str]:
    made = trustme.CA()
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    made.cert_pem.write_to_path(str(path))
    return made, str(path)


async def secure(authority: trustme.CA, *certified: str, script: Any = None) -> tuple[Upstream, list[str | None]]:
    """A server with a certificate for these names, and the names that its callers asked for (SNI)."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*certified).configure_cert(context)
    asked: list[str | None] = []
    context.sni_callback = lambda _, name, __: asked.append(name)
    return await Upstream(script or answering(OK)).start(ssl=context), asked


async def test_a_certificate_is_judged_by_the_hosts_name(
    authority: tuple[trustme.CA, str], names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", authority[1])
    names["secure.test"] = names["wrong.test"] = "127.0.0.1"
    server, asked = await secure(authority[0], "secure.test")
    for name, told in (("secure.test", ""), ("wrong.test", "is not trusted")):
        host = {"host": f"{name}:{server.port}", "private": True}
        async with calling([host], f"https://{name}:{server.port}/") as w:
            if told:
                assert told in (await failure(w)).message
            else:
                assert await w.ask("chain:c") == "ok"
    assert asked == ["secure.test", "wrong.test"]
    assert [len(peer.requests) for peer in server.peers] in ([1], [1, 0])
    await server.stop()


async def test_an_authority_that_nobody_knows_is_not_trusted(authority: tuple[trustme.CA, str], names: Names) -> None:
    names["secure.test"] = "127.0.0.1"
    server, _ = await secure(authority[0], "secure.test")
    async with calling(
        [{"host": f"secure.test:{server.port}", "private": True}], f"https://secure.test:{server.port}/"
    ) as w:
        assert "is not trusted" in (await failure(w)).message
    assert not any(peer.requests for peer in server.peers)
    await server.stop()


async def test_a_redirect_does_not_give_up_tls(
    authority: tuple[trustme.CA, str], site: Upstream, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", authority[1])
    names["secure.test"] = "127.0.0.1"
    down = answering(redirect(f"http://good.test:{site.port}/"))
    server, _ = await secure(authority[0], "secure.test", script=down)
    hosts = [good(site), {"host": f"secure.test:{server.port}", "private": True}]
    async with calling(hosts, f"https://secure.test:{server.port}/", follow=5) as w:
        error = await failure(w)
    assert "it would give up TLS" in error.message
    assert site.peers == []
    site.script = answering(redirect(f"https://secure.test:{server.port}/"))
    server.script = answering(OK)
    async with calling(hosts, f"http://good.test:{site.port}/", follow=1) as w:
        assert await w.ask("chain:c") == "ok"
    await server.stop()


# Connections


async def test_connections_are_kept_and_never_mixed(site: Upstream, names: Names) -> None:
    names["also.test"] = "127.0.0.1"  # the same server under another name
    hosts = [good(site), {"host": f"http://also.test:{site.port}", "private": True}]
    chains = {
        name: {"type": "simple", "http": {"url": f"http://{name}.test:{site.port}/"}} for name in ("good", "also")
    }
    async with world(orchestrator={"http_hosts": hosts}, chains=chains) as w:
        for _ in range(3):
            for name in chains:
                assert await w.ask(f"chain:{name}") == "ok"
    asked = [{head.split(b"host: ")[1].split(b"\r\n")[0] for head, _ in peer.requests} for peer in site.peers]
    assert [len(hosts) for hosts in asked] == [1, 1]
    assert [len(peer.requests) for peer in site.peers] == [3, 3]


async def test_no_connection_outlives_the_gateway(site: Upstream) -> None:
    async with calling([good(site)], f"http://good.test:{site.port}/") as w:
        assert await w.ask("chain:c") == "ok"
        assert site.open == 1
    (peer,) = site.peers
    await peer.closed.wait()


async def test_who_has_no_such_step_has_no_such_client() -> None:
    async with world(chains={"c": {"type": "simple", "template": "x"}}) as w:
        assert not [name for name, _ in w.gateway._parts() if "http" in name]
