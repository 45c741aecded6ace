import asyncio
import socket

import pytest

from gateway.seam.errors import UpstreamError, UpstreamTimeout
from gateway.upstream import Origin
from gateway.upstream import dial as dial_module
from gateway.upstream.dial import _Race, alternating, connected_socket


def info(address, family=socket.AF_INET):
    return family, socket.SOCK_STREAM, 0, "", address


@pytest.fixture
def listening():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()


@pytest.fixture
def refusing():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # bound, but it does not listen
        yield bound.getsockname()


def test_families_take_turns():
    six, four = [info(n, socket.AF_INET6) for n in range(3)], [info(n) for n in range(2)]
    assert alternating(six + four) == [six[0], four[0], six[1], four[1], six[2]]


async def test_a_name_is_resolved_and_connected(listening):
    sock = await connected_socket("localhost", listening[1])
    with sock:
        assert sock.getpeername() == listening
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_a_refusing_address_hands_on_at_once(refusing, listening, monkeypatch):
    monkeypatch.setattr(dial_module, "DELAY", 60)
    with await _Race(asyncio.get_running_loop(), [info(refusing), info(listening)]).winner() as sock:
        assert sock.getpeername() == listening


async def test_a_silent_address_is_overtaken(full, listening, monkeypatch):
    monkeypatch.setattr(dial_module, "DELAY", 0.01)
    race = _Race(asyncio.get_running_loop(), [info(full), info(full), info(listening)])
    with await race.winner() as sock:
        assert sock.getpeername() == listening
    assert all(loser.fileno() == -1 for loser in race._running)


async def test_where_all_fail_the_first_error_is_told(refusing):
    race = _Race(asyncio.get_running_loop(), [info(refusing), info(("127.0.0.1", 0), 12345)])
    with pytest.raises(ConnectionRefusedError):
        await race.winner()


async def test_no_address_is_an_error():
    with pytest.raises(OSError, match="no address"):
        await _Race(asyncio.get_running_loop(), []).winner()


async def test_cancelled_it_leaves_no_socket(full):
    race = _Race(asyncio.get_running_loop(), [info(full), info(full)])
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(race.winner())
        await asyncio.sleep(0.01)
        task.cancel()
    assert task.cancelled()
    assert all(loser.fileno() == -1 for loser in race._running)
    assert race._timer is None


async def test_won_and_cancelled_in_the_same_turn_it_leaves_no_socket(listening):
    race = _Race(asyncio.get_running_loop(), [info(listening)])
    won = race._result
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(race.winner())
        settle = race._settled

        def settle_and_cancel(sock):
            settle(sock)
            task.cancel()

        race._settled = settle_and_cancel
    assert task.cancelled()
    assert won.result().fileno() == -1


async def test_connecting_has_its_time_limit(full, client, ask, pool_of):
    one = client(max_connections=1)
    with pytest.raises(UpstreamTimeout, match=r"Connecting to 127\.0\.0\.1:\d+ took longer than 0\.02 s") as told:
        await ask(one, Origin.parse(f"http://127.0.0.1:{full[1]}"), connect=0.02)
    assert told.value.status == 504
    assert pool_of(one)._places == 1


async def test_a_client_that_closes_gives_up_connecting(full, client, ask, until):
    one = client()
    async with asyncio.TaskGroup() as tasks:
        call = tasks.create_task(_error(ask(one, Origin.parse(f"http://127.0.0.1:{full[1]}"))))
        await until(lambda: one._hosts and next(iter(one._hosts.values()))._dialling)
        await one.aclose()
    assert "is closed" in str(call.result())


async def test_a_refused_connection_is_told(refusing, client, ask):
    with pytest.raises(UpstreamError, match=r"Connecting to 127\.0\.0\.1:\d+ failed: Connection refused") as told:
        await ask(client(), Origin.parse(f"http://127.0.0.1:{refusing[1]}"))
    assert told.value.status == 502


async def test_a_name_that_does_not_resolve_is_told(client, ask):
    with pytest.raises(UpstreamError, match=r"The name of nowhere\.invalid:80 does not resolve"):
        await ask(client(), Origin.parse("http://nowhere.invalid"))


async def _error(coroutine):
    try:
        return await coroutine
    except Exception as error:
        return error


async def test_an_address_that_cannot_even_be_tried_hands_on(listening):
    impossible = [(12345, socket.SOCK_STREAM, 0, "", ()), info(("255.255.255.255", 9))]
    with await _Race(asyncio.get_running_loop(), [*impossible, info(listening)]).winner() as sock:
        assert sock.getpeername() == listening
    with pytest.raises(OSError, match=r"not supported"):
        await _Race(asyncio.get_running_loop(), impossible).winner()
