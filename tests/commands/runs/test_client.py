"""The wire: pages, errors, and streams that break."""

import json
from collections.abc import Iterator

import pytest

from gateway.commands.runs.client import Client, Lost, NotFound, Refused, Unreached
from gateway.commands.runs.place import Place
from gateway.testing import Received, Upstream, Wire
from tests.commands.runs.api import Api, Tale, served, support
from tests.servers import free_port


@pytest.fixture
def api() -> Iterator[tuple[Api, Client]]:
    with served(*(support(number) for number in range(1, 251))) as (api, url), Client(Place(url, "sk-x")) as client:
        yield api, client


def test_pages_are_joined(api: tuple[Api, Client]) -> None:
    server, client = api
    found = client.runs(205)
    assert [run.id for run, _ in found] == [tale.id for tale in reversed(server.tales[45:])]
    assert len(server.asked) == 3
    assert json.loads(found[0][1]) == server.tales[-1].document()
    assert len(client.runs(1000)) == 250


def test_filters_are_the_servers(api: tuple[Api, Client]) -> None:
    server, client = api
    server.tales += [Tale(251, "chain:x"), Tale(252, "chain:x").fails()]
    assert [run.id for run, _ in client.runs(20, status="failed")] == [server.tales[-1].id]
    assert [run.id for run, _ in client.runs(20, status="running", model="chain:x")] == [server.tales[-2].id]
    assert client.runs(20, model="chain:y") == []


def test_a_run_with_everything(api: tuple[Api, Client]) -> None:
    server, client = api
    run, source = client.run(server.tales[0].id)
    assert run.output == "Version 2"
    assert [event.seq for event in run.events] == list(range(1, 26))
    assert json.loads(source)["something_new"] == {"a": 1}


def test_events(api: tuple[Api, Client]) -> None:
    server, client = api
    name = server.tales[0].id
    assert [event.seq for event in client.events(name)] == list(range(1, 26))
    assert [event.seq for event in client.events(name, 20)] == list(range(21, 26))
    server.tales.append(Tale(300, input="line\u2028separator\u0085and\x0b").ends("\u2029"))
    assert [event.output for event in client.events(server.tales[-1].id)] == [None, "\u2029"]
    server.cuts = [3]
    got = []
    with pytest.raises(Lost):
        got.extend(event.seq for event in client.events(name))
    assert got == [1, 2, 3]


def test_cancel(api: tuple[Api, Client]) -> None:
    server, client = api
    server.tales.append(Tale(300))
    assert client.cancel(server.tales[-1].id).status == "cancelled"
    with pytest.raises(Refused, match="has ended: it is cancelled"):
        client.cancel(server.tales[-1].id)


def test_a_run_that_is_not_there(api: tuple[Api, Client]) -> None:
    _, client = api
    for name in ("run_0", "../../health", "a/b?c#d", "%2e", ""):
        with pytest.raises(Refused):
            client.run(name or "run_")
        with pytest.raises(NotFound, match="`gateway runs list` shows"):
            list(client.events(name or "run_"))


def test_keys() -> None:
    with served(support()) as (api, url):
        api.key = "sk-right"
        with Client(Place(url, "sk-wrong-secret")) as client:
            for ask in (lambda: client.runs(1), lambda: list(client.events(api.tales[0].id))):
                with pytest.raises(Refused, match="refuses this key; give one with --key or") as told:
                    ask()
                assert "secret" not in str(told.value)
        with Client(Place(url, None)) as client, pytest.raises(Refused, match="asks for a key"):
            client.runs(1)
        with Client(Place(url, "sk-right")) as client:
            assert len(client.runs(1)) == 1


def test_nobody_listens() -> None:
    with Client(Place(f"http://127.0.0.1:{free_port()}", "sk-secret")) as client:
        for ask in (lambda: client.runs(1), lambda: list(client.events("run_1"))):
            with pytest.raises(Unreached, match="start one with `gateway serve`, or name another with --url") as told:
                ask()
            assert "secret" not in str(told.value)


async def _no_gateway(request: Received, wire: Wire) -> None:
    await wire.json(b"<html>", status=404)


async def _page_of_no_gateway(request: Received, wire: Wire) -> None:
    await wire.json(b"<html>")


async def _broken(request: Received, wire: Wire) -> None:
    await wire.json({"error": {"message": "The database is away.", "type": "x", "code": None}}, status=503)


async def _closing(request: Received, wire: Wire) -> None:
    wire.reset()


@pytest.mark.parametrize(
    ("script", "kind", "said"),
    [
        (_no_gateway, Refused, "knows no runs; is it a gateway"),
        (_page_of_no_gateway, Refused, "not what a gateway says of runs"),
        (_broken, Refused, "The database is away."),
        (_closing, Lost, "Server disconnected|reset|ReadError"),
    ],
)
def test_what_else_may_answer(script, kind: type[Exception], said: str) -> None:
    with Upstream(script) as upstream, Client(Place(upstream.url.removesuffix("/v1"), None)) as client:
        with pytest.raises(kind, match=said):
            client.runs(1)
        with pytest.raises(kind, match=said):
            client.run("run_1")


def test_no_proxy_stands_before_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    with served(support()) as (_, url), Client(Place(url, None)) as client:
        assert len(client.runs(1)) == 1
