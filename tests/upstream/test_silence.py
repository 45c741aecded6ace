import asyncio
from time import monotonic

import pytest

from gateway.seam.errors import UpstreamTimeout
from gateway.upstream.silence import SilenceClock

START = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


async def stay(peer):
    await peer.request()
    await peer.gone()


async def test_the_first_byte_is_waited_for_so_long(client, upstream, ask, until):
    server = await upstream(stay)
    with pytest.raises(UpstreamTimeout, match=r"did not begin to answer in 0.02 s \(first_byte\)") as told:
        await ask(client(), server.origin, first_byte=0.02)
    assert told.value.status == 504
    await until(lambda: not server.open)


async def test_without_first_byte_idle_does_not_cut_the_wait(client, upstream, ask):
    async def script(peer):
        await peer.request()
        await asyncio.sleep(0.08)
        await peer.send(START + b"0\r\n\r\n")

    server = await upstream(script)
    assert await (await ask(client(), server.origin, idle=0.02)).whole() == b""


@pytest.mark.parametrize("start", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200"])
async def test_silence_in_mid_head_is_idle(start, client, upstream, ask, until):
    async def script(peer):
        await peer.request()
        await peer.send(start)
        await peer.gone()

    server = await upstream(script)
    with pytest.raises(UpstreamTimeout, match=r"fell silent for 0.02 s in mid-answer \(idle\)"):
        await ask(client(), server.origin, first_byte=10, idle=0.02)
    await until(lambda: not server.open)


@pytest.mark.parametrize("first_byte", [{}, {"first_byte": 10}, {"first_byte": 0.03}])
async def test_silence_in_mid_answer_is_told_after_what_came(first_byte, client, upstream, ask, until):
    async def script(peer):
        await peer.request()
        await peer.send(START + b"5\r\nhello\r\n")
        await peer.gone()

    server = await upstream(script)
    exchange = await ask(client(), server.origin, idle=0.03, **first_byte)
    await until(lambda: not server.open)  # it ends though nobody reads
    assert await exchange.read() == b"hello"
    with pytest.raises(UpstreamTimeout, match="idle"):
        await exchange.read()


async def test_any_byte_feeds_idle(client, upstream, ask):
    async def script(peer):
        await peer.request()
        await peer.send(START)
        for byte in b"5;extension\r\nhello\r\n0\r\n\r\n":
            await peer.send(bytes([byte]))
            await asyncio.sleep(0.01)

    server = await upstream(script)
    assert await (await ask(client(), server.origin, idle=0.15)).whole() == b"hello"


async def test_a_timer_of_an_earlier_request_does_no_harm(client, upstream, ask, until):
    async def script(peer):
        await peer.request()
        await peer.send(START + b"0\r\n\r\n")
        await peer.request()
        await asyncio.sleep(0.08)
        await peer.send(START + b"0\r\n\r\n")

    server, one = await upstream(script), client()
    await (await ask(one, server.origin, first_byte=0.04)).whole()
    await (await ask(one, server.origin, first_byte=5)).whole()
    assert len(server.peers) == 1


async def test_a_shorter_limit_than_the_timers_holds(client, upstream, ask):
    async def script(peer):
        await peer.request()
        await peer.send(START + b"0\r\n\r\n")
        await stay(peer)

    server, one = await upstream(script), client()
    await (await ask(one, server.origin, first_byte=60)).whole()
    with pytest.raises(UpstreamTimeout, match=r"0\.02 s"):
        await ask(one, server.origin, first_byte=0.02)
    assert len(server.peers) == 1


async def test_the_clock_arms_itself_again_and_stops(until):
    fired = []
    clock = SilenceClock(asyncio.get_running_loop(), lambda: fired.append(monotonic()))
    begun = clock.heard = monotonic()
    clock.allow(0.02)
    for _ in range(5):
        await asyncio.sleep(0.01)
        clock.heard = monotonic()
    last = clock.heard
    await until(lambda: fired)
    assert fired[0] - last >= 0.018
    assert fired[0] - begun >= 0.05
    clock.stop()
    clock.stop()
    count = len(fired)
    await asyncio.sleep(0.04)
    assert len(fired) == count
